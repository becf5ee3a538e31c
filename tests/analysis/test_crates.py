"""A run leaves as an RO-Crate that its own library reads, and that tells no more than the API."""

import hashlib
import io
import json
import re
import zipfile
from pathlib import Path

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient
from rocrate.rocrate import ROCrate

from analysis import pipeline
from analysis.models import Run, RunDocument
from analysis.services import crates, plan_locks, runs
from analysis.services.disclosure.rules import RELEASE_RULES_VERSION
from analysis.services.disclosure.whys import WORDS, Why
from analysis.steps.pieces import WORK
from tests.factories import user_with

pytestmark = pytest.mark.django_db(transaction=True)

ONLY_WHERE_ASKED = (
    *("permuting within sites", "moderated effects", "one model over all sites"),
    *("sensitivity grid", "classifiers, settings chosen inside", "a frozen model at other sites"),
    "comparing language versions",
)


def ended(plan):
    made = runs.request(plan, cause="a withdrawal at FUK")
    runs.execute(made.pk)
    return Run.objects.select_related("plan__study", "snapshot").get(pk=made.pk)


@pytest.fixture
def run(plan, consortium):
    return ended(plan)


def api(role):
    client = APIClient()
    client.force_authenticate(user_with(role))
    return client


def crate_of(role, run, tmp_path):
    """The crate as its API gives it, read by the library."""
    answer = api(role).get(f"/api/v1/runs/{run.pk}/crate")
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "application/zip"
    zipfile.ZipFile(io.BytesIO(answer.content)).extractall(tmp_path / role)
    return ROCrate(tmp_path / role)


def faults_of(crate):
    """What Process Run Crate 0.5 asks for and the crate lacks."""
    found = []
    profiles = crate.root_dataset.get("conformsTo") or []
    profiles = profiles if isinstance(profiles, list) else [profiles]
    if crates.PROFILE not in [each.id for each in profiles]:
        found.append("the root conforms to no profile")
    actions = crate.get_by_type("CreateAction")
    if {each.id for each in actions} != {each.id for each in crate.root_dataset["mentions"]}:
        found.append("the root mentions other actions")
    for each in actions:
        lacking = [
            name for name in ("instrument", "object", "result", "name") if not each.get(name)
        ]
        found += [f"{each.id} has no {name}" for name in lacking]
        if not lacking and each["instrument"].type != "SoftwareApplication":
            found.append(f"{each.id} was made by no program")
    for each in crate.data_entities:
        content = (crate.source / each.id).read_bytes()
        if hashlib.sha256(content).hexdigest() != each.get("sha256"):
            found.append(f"{each.id} is another file")
    return found


def test_a_crate_is_read_back_and_meets_the_profile(run, tmp_path, settings):
    settings.DISCLOSURE_K = 11
    crate = crate_of("CD", run, tmp_path)
    assert faults_of(crate) == []
    asked = api("CD").options(f"/api/v1/runs/{run.pk}/crate")
    assert (asked.status_code, asked["Content-Type"]) == (200, "application/json")
    rules = f"release rules {RELEASE_RULES_VERSION} with at least {settings.DISCLOSURE_K} people."
    assert crate.description.endswith(rules)
    names = {each.id for each in crate.data_entities}
    assert names >= {"plan.json", "run.json", "claims.json", "effects.csv", "pooled.csv"}
    assert crate.dereference("#snapshot")["value"] == run.snapshot.digest
    program = crate.dereference("#hikiproject")
    assert program["softwareVersion"] == run.code_version
    versions = {each["name"]: each["softwareVersion"] for each in program["softwareRequirements"]}
    assert versions == run.libraries


BROKEN = {
    "the root conforms to no profile": lambda graph: graph["./"].pop("conformsTo"),
    "#step-2 has no instrument": lambda graph: graph["#step-2"].pop("instrument"),
    "#step-3 has no result": lambda graph: graph["#step-3"].pop("result"),
    "pooled.csv is another file": lambda graph: graph["pooled.csv"].update(sha256="0"),
}


def test_a_crate_that_lacks_something_is_found(run, tmp_path):
    crates.write_folder(run, tmp_path)
    path = tmp_path / "ro-crate-metadata.json"
    whole = path.read_text()
    for fault, break_it in BROKEN.items():
        described = json.loads(whole)
        break_it({each["@id"]: each for each in described["@graph"]})
        path.write_text(json.dumps(described))
        assert faults_of(ROCrate(tmp_path)) == [fault]


def test_each_step_says_what_was_taken_from_earlier_runs(plan, run, tmp_path):
    plan.data = plan.data | {"smallest_effect": 0.3}
    plan.pk, plan.version = None, 2
    plan.save()
    again = ended(plan)
    crate = crate_of("CD", again, tmp_path)
    steps = {each["name"]: each for each in crate.get_by_type("CreateAction")}
    asked = [name.capitalize() for name in crates.STEPS if name not in ONLY_WHERE_ASKED]
    assert set(steps) == {f"Run {again.pk}", *asked}
    pooling = steps["Pooling"]
    assert (pooling["piecesComputed"], pooling["piecesReused"]) == (0, 2)
    assert {each.id for each in pooling["object"]} == {"plan.json", "#snapshot", "effects.csv"}
    assert [each.id for each in pooling["result"]] == ["pooled.csv"]


def test_every_step_of_the_pipeline_says_what_it_reads_and_makes():
    told = re.findall(
        r'on_step\(say\("([^"]+)"', Path(pipeline.__file__).read_text(encoding="utf-8")
    )
    assert set(told) == set(crates.STEPS)
    kinds = {kind for step in crates.STEPS.values() for kind in step.kinds}
    assert kinds == set(WORK)


def test_an_analysts_crate_says_what_the_api_says_and_no_more(run, tmp_path):
    crate = crate_of("CA", run, tmp_path)
    assert faults_of(crate) == []
    told = json.loads((tmp_path / "CA" / "run.json").read_text())
    assert (told["cause"], told["reused"]) == ("", [])
    assert all(site["n_case"] in (None, 10) for site in told["sites"])  # of 12: rounded
    steps = [each for each in crate.get_by_type("CreateAction") if each.id.startswith("#step")]
    assert len(steps) == len(crates.STEPS) - len(ONLY_WHERE_ASKED)
    assert not any(each.get("piecesReused") or each.get("startTime") for each in steps)
    everything = b"".join(path.read_bytes() for path in (tmp_path / "CA").iterdir())
    assert b"a withdrawal at FUK" not in everything


def test_a_document_without_a_rule_says_nothing_to_an_analyst(run, tmp_path):
    RunDocument.objects.create(run=run, name="new", data={"who": "P1"})
    crate_of("CA", run, tmp_path)
    assert json.loads((tmp_path / "CA" / "new.json").read_text()) == {"refused": WORDS[Why.NO_RULE]}


def test_the_same_crate_is_the_same_bytes_and_is_not_sent_twice(run):
    client = api("CA")
    first, second = (client.get(f"/api/v1/runs/{run.pk}/crate") for _ in range(2))
    assert first.content == second.content
    held = {"HTTP_IF_NONE_MATCH": first["ETag"]}
    assert client.get(f"/api/v1/runs/{run.pk}/crate", **held).status_code == 304
    assert client.get("/api/v1/runs/00000000-0000-0000-0000-000000000000/crate").status_code == 404


def test_the_export_of_a_preregistered_run_as_a_crate(plan, consortium, tmp_path):
    plan_locks.lock(plan.pk, by=user_with("CD"))
    plan.refresh_from_db()
    run = ended(plan)
    out = io.StringIO()
    call_command("export", str(run.pk), to=tmp_path / "out", form="crate", stdout=out)
    assert sorted(out.getvalue().split()) == sorted(map(str, (tmp_path / "out").iterdir()))
    crate = ROCrate(tmp_path / "out")
    assert faults_of(crate) == []
    assert crate.description.count("Preregistered on") == 1
    said = json.loads((tmp_path / "out" / "plan.json").read_text())
    assert said["preregistered"]["digest"] == said["digest"] == plan.locked_digest
