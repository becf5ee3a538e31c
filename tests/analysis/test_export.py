"""A published run leaves as files that programs can rely on, and can be computed again."""

import io
import json
import uuid

import numpy as np
import pandas as pd
import pytest
from django.core.management import call_command

from analysis.models import Run, RunDocument, RunTable
from analysis.services import exports, reproduction, runs, versions
from analysis.services.exports import NotExportable
from analysis.services.reproduction import NotReproducible
from cohorts.models import Participant
from cohorts.services import consent
from hikiproject import readiness

pytestmark = pytest.mark.django_db(transaction=True)

EFFECTS = [
    "stratum",
    "feature",
    "site",
    "estimate",
    "se",
    "df",
    "p",
    "n_case",
    "n_control",
    "hedges_g",
    "hedges_g_variance",
    "adjusted_for",
]
POOLED = [
    "stratum",
    "feature",
    "estimate",
    "se",
    "ci_low",
    "ci_high",
    "p",
    "q",
    "tau2",
    "i2",
    "q_statistic",
    "pi_low",
    "pi_high",
    "n_sites",
    "n_case",
    "n_control",
]
DOCUMENTS = {"classifier", "severity", "harmonisation", "claims", "run"}
READ = {
    "csv": pd.read_csv,
    "parquet": pd.read_parquet,
    "json": lambda path: pd.DataFrame(json.loads(path.read_text(encoding="utf-8"))),
}


@pytest.fixture
def run(plan, consortium):
    readiness.seed()  # every command seeds, and new claims would be judged too
    made = runs.request(plan, cause="test")
    runs.execute(made.pk)
    made.refresh_from_db()
    assert made.state == Run.State.PUBLISHED
    return made


def export(name, folder, form="csv"):
    out = io.StringIO()
    call_command("export", str(name), to=folder, form=form, stdout=out)
    return out.getvalue().split()


def refused(command, *arguments, **options):
    err = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command(command, *arguments, stderr=err, stdout=io.StringIO(), **options)
    assert ended.value.code == 1
    return err.getvalue()


def document(folder, name):
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("form", ["csv", "parquet", "json"])
def test_an_export_has_the_promised_files_and_fields(run, tmp_path, form):
    folder = tmp_path / "out"
    written = export(run.pk, folder, form)
    assert {path.name for path in folder.iterdir()} >= {f"{d}.json" for d in DOCUMENTS}
    assert sorted(written) == sorted(map(str, folder.iterdir()))
    effects = READ[form](folder / f"effects.{form}")
    pooled = READ[form](folder / f"pooled.{form}")
    assert list(effects.columns[: len(EFFECTS)]) == EFFECTS
    assert set(POOLED) <= set(pooled.columns)
    assert {"source_name", "hmdb"} <= set(effects.columns)
    stored = RunTable.objects.get(run=run, name="effects").frame
    assert np.array_equal(effects["hedges_g"], stored["hedges_g"], equal_nan=True)


def test_the_documents_say_what_the_run_was_made_of(run, tmp_path):
    export(run.pk, tmp_path / "out")
    about = document(tmp_path / "out", "run")
    assert (about["id"], about["key"], about["state"]) == (str(run.pk), run.key, "published")
    assert about["plan"]["name"] == "quick"
    assert about["snapshot_digest"] == run.snapshot.digest
    assert {site["site"] for site in about["sites"]} == {"FUK", "TYO", "MTL"}
    assert about["left_out"] == run.left_out
    classifier = document(tmp_path / "out", "classifier")
    assert classifier["ci_low"] <= classifier["auc"] <= classifier["ci_high"]
    assert {entry["site"] for entry in classifier["by_site"]} == {"FUK", "TYO", "MTL"}


def test_a_refused_classifier_still_has_its_fields(run, tmp_path):
    RunDocument.objects.filter(run=run, name="classifier").update(data={"refused": "one site"})
    export(run.pk, tmp_path / "out")
    assert document(tmp_path / "out", "classifier")["auc"] is None


@pytest.mark.parametrize("name", ["latest", "quick"])
def test_a_run_is_named_by_its_plan_or_as_the_latest(run, name):
    assert exports.find_run(name).pk == run.pk


def test_a_run_is_named_by_the_beginning_of_its_id(run):
    assert exports.find_run(str(run.pk)[:6].upper()).pk == run.pk


def test_a_beginning_of_two_runs_names_none(run, plan):
    for end in (1, 2):
        Run.objects.create(
            pk=uuid.UUID(f"aaaaaaaa-0000-4000-8000-00000000000{end}"), plan=plan, state="failed"
        )
    with pytest.raises(NotExportable, match=r"begins 2 runs .*; write more of it"):
        exports.find_run("aaaa")


def test_an_unknown_run_is_refused(run, tmp_path):
    assert "There is no run 'zzz'" in refused("export", "zzz", to=tmp_path / "out")


def test_a_run_that_is_not_published_is_refused_with_its_reason(plan, tmp_path):
    failed = Run.objects.create(plan=plan, state=Run.State.FAILED, failure="No feature is shared.")
    said = refused("export", str(failed.pk), to=tmp_path / "out")
    assert "is failed, not published: No feature is shared." in said
    assert not (tmp_path / "out").exists()


def test_a_failure_half_way_leaves_no_file(run, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exports, "run_facts", full)
    said = refused("export", str(run.pk), to=tmp_path / "out")
    assert "No space left on device; nothing was written" in said
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_files_keeps_them(run, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    export(run.pk, tmp_path, "csv")
    export(run.pk, tmp_path, "parquet")
    names = {path.name for path in tmp_path.iterdir()}
    assert {"notes.txt", "effects.csv", "effects.parquet", "run.json"} <= names
    assert not any(name.startswith(".") for name in names)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-2-oxo", "@SUM(A1)", "\tx"])
def test_no_text_cell_is_a_formula(text):
    assert exports.safe_cell(text) == f"'{text}"


def test_numbers_and_plain_names_stay_as_they_are(run, tmp_path):
    assert exports.safe_cell("2-oxoglutarate") == "2-oxoglutarate"
    export(run.pk, tmp_path / "out")
    assert (pd.read_csv(tmp_path / "out" / "effects.csv")["estimate"] < 0).any()


def test_a_run_is_computed_again_bit_for_bit(run):
    out = io.StringIO()
    call_command("reproduce", "quick", stdout=out)
    assert f"Run {run.pk}: equal" in out.getvalue()


def test_a_number_that_differs_in_its_last_bit_is_found(run):
    table = RunTable.objects.get(run=run, name="pooled")
    frame = table.frame
    frame.loc[0, "estimate"] = np.nextafter(frame.loc[0, "estimate"], 1)
    RunTable.objects.filter(pk=table.pk).update(parquet=RunTable.of(run, "x", frame).parquet)
    said = refused("reproduce", str(run.pk))
    where = f"pooled, row 1 ({frame.loc[0, 'stratum']} {frame.loc[0, 'feature']}), estimate: "
    assert where in said
    assert len(said.splitlines()) == 2


def test_a_document_that_differs_is_found(run):
    stored = RunDocument.objects.get(run=run, name="classifier")
    stored.data["by_site"][1]["auc"] += 1e-15
    RunDocument.objects.filter(pk=stored.pk).update(data=stored.data)
    (difference,) = reproduction.reproduce(run).differences
    assert difference.startswith("classifier.json by_site 2 auc: ")


def test_other_code_cannot_reproduce_and_says_so(run, monkeypatch):
    monkeypatch.setattr(versions, "code_version", lambda: "f" * 64)
    assert "check that version out" in refused("reproduce", str(run.pk))


def test_other_libraries_cannot_reproduce_and_are_named(run):
    Run.objects.filter(pk=run.pk).update(libraries=run.libraries | {"numpy": "1.0"})
    assert "computed with numpy 1.0 (here " in refused("reproduce", str(run.pk))


def test_other_kernels_of_openblas_cannot_reproduce_and_are_named(run):
    Run.objects.filter(pk=run.pk).update(libraries=run.libraries | {"OPENBLAS_CORETYPE": "Zen"})
    assert "computed with OPENBLAS_CORETYPE Zen (here " in refused("reproduce", str(run.pk))


def test_nothing_is_computed_from_who_has_withdrawn_since(run):
    person = Participant.objects.first()
    consent.withdraw(person.pk, level=3, by=None)
    with pytest.raises(NotReproducible, match="1 of its participants may no longer be used"):
        reproduction.reproduce(run)


def test_a_run_of_an_erased_person_says_that_it_is_no_longer_whole(run):
    Participant.objects.first().delete()
    with pytest.raises(NotReproducible, match="1 of its participants were erased"):
        reproduction.reproduce(run)
