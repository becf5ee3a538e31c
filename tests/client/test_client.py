"""The analysts' client, its notebook and the R lines of the documentation, on a real server."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from django.core.management import call_command
from django.db import connection
from pytest_django.live_server_helper import LiveServer

from analysis.models import Claim, Plan, Run
from analysis.services import freshness, runs
from cohorts.models import ApiToken, Change
from tests.factories import StudyFactory, assayed_site, user_with

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parent.parent.parent
PLAN = {
    "case": ["hikikomori"],
    "control": ["healthy_control"],
    "covariates": [],
    "n_trees": 10,
    "severity_permutations": 0,
    "strata": ["all"],
}


@pytest.fixture(scope="module")
def hiki():
    """The module as an analyst has it: a file beside the script."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "client")
        yield importlib.import_module("hiki")


@pytest.fixture(scope="module")
def place(django_db_setup, django_db_blocker):
    """A platform with a released run, and its address and token in the environment."""
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(freshness, "ring", lambda *args, **kwargs: True)
        server = LiveServer("localhost")
        try:
            for seed, code in enumerate(("FUK", "OSA", "TYO")):
                values = np.exp(np.random.default_rng(seed).normal(3, 0.3, (24, 2)))
                values[:12, 0] *= 2
                assayed_site(
                    code,
                    values,
                    group=["hikikomori"] * 12 + ["healthy_control"] * 12,
                    features=["decanoylcarnitine", "ornithine"],
                )
            plan = Plan.objects.create(study=StudyFactory(), name="kyushu-2022", data=PLAN)
            about = {"marker": "decanoylcarnitine", "markers": ["decanoylcarnitine"]}
            about |= {"kind": "feature", "matrix": "plasma", "direction": "higher"}
            Claim.objects.create(code="K1", study=plan.study, stratum="all", **about)
            for kind in ("samples", "erasure"):
                Change.objects.create(study=plan.study, kind=kind, counts={"n": 12})
            run = runs.request(plan, cause="a test")
            runs.execute(run.pk)
            _, key = ApiToken.objects.issue(user_with("CA"), "notebook")
            patch.setenv("HIKI_URL", server.url)
            patch.setenv("HIKI_TOKEN", key)
            yield str(run.pk)
        finally:
            server.stop()
            call_command("flush", verbosity=0, interactive=False)


@pytest.fixture
def analyst(hiki, place):
    return hiki.Hiki(os.environ["HIKI_URL"], os.environ["HIKI_TOKEN"])


def test_results_come_as_frames(analyst, place):
    run = analyst.latest("kyushu-2022")
    assert run["id"] == place
    pooled = analyst.pooled(run, feature="decanoylcarnitine")
    assert pooled["estimate"].item() > 0
    assert pooled["estimate"].dtype == float
    assert sorted(analyst.effects(run, feature="ornithine")["site"]) == ["FUK", "OSA", "TYO"]
    assert list(analyst.effects(run, fields=["site", "p"]).columns) == ["site", "p"]
    nothing = analyst.pooled(run, q_below=0, fields="feature,q")
    assert (len(nothing), *nothing.columns) == (0, "feature", "q")
    assert analyst.claims(plan="kyushu-2022")["run"].tolist() == [place]
    assert analyst.claims(run)["claim"].tolist() == ["K1"]


def test_documents_and_the_other_tables_come_too(analyst, place):
    assert {"auc", "by_site"} <= analyst.document(place, "classifier").keys()
    with pytest.raises(Exception, match="404 not_found"):
        analyst.table(place, "one-stage")  # this plan did not ask for it


def test_the_feed_of_changes_goes_on_where_it_was_left(analyst, hiki, monkeypatch):
    every = analyst.changes()
    assert every["kind"].tolist() == ["samples", "erasure"]
    assert every["id"].is_monotonic_increasing
    monkeypatch.setattr(hiki, "PAGE_ROWS", 1)
    again = hiki.Hiki(os.environ["HIKI_URL"], os.environ["HIKI_TOKEN"])
    assert again.changes()["id"].tolist() == every["id"].tolist()
    assert again.changes(after=int(every["id"].iloc[-1])).empty


def test_asking_again_costs_a_304_and_gives_the_same_frame(analyst, place):
    once = analyst._once
    seen: list[int] = []

    def counted(*args):
        answer = once(*args)
        seen.append(answer.status)
        return answer

    object.__setattr__(analyst, "_once", counted)
    first, second = analyst.pooled(place), analyst.pooled(place)
    assert seen == [200, 304]
    pd.testing.assert_frame_equal(first, second)


def test_a_refusal_is_raised_in_the_servers_words(analyst, hiki, place):
    with pytest.raises(hiki.HikiError, match="Plan 'none' has no run yet that you can see") as none:
        analyst.latest("none")
    assert (none.value.status, none.value.code) == (404, "not_found")
    with pytest.raises(hiki.HikiError, match=r"/q_below: A number from 0 to 1, such as 0\.05"):
        analyst.pooled(place, q_below=7)
    with pytest.raises(hiki.HikiError, match="This token is unknown, expired or revoked"):
        hiki.Hiki(os.environ["HIKI_URL"], "hiki_no").latest("kyushu-2022")
    with pytest.raises(ValueError, match="write it as https://"):
        hiki.Hiki("study.example.org", "hiki_no")


def test_what_passes_by_itself_is_waited_for_as_the_server_says(hiki, monkeypatch):
    answers = [(429, {"Retry-After": "7"}, {}), (503, {}, None), (200, {}, {"id": "r"})]
    slept: list[float] = []
    monkeypatch.setattr(hiki.time, "sleep", slept.append)
    monkeypatch.setattr(hiki.Hiki, "_once", lambda *args: hiki._Answer(*answers.pop(0)))
    assert hiki.Hiki("http://localhost", "k").latest("p") == {"id": "r"}
    assert slept == [7.0, 1.0]
    monkeypatch.setattr(hiki.Hiki, "_once", lambda *args: hiki._Answer(503, {}, None))
    with pytest.raises(hiki.HikiError, match="The server gave no reason"):
        hiki.Hiki("http://localhost", "k").latest("p")


def test_what_is_not_reached_or_not_the_platform_is_said_with_its_address(hiki, monkeypatch):
    with pytest.raises(hiki.NoAnswer, match=r"127\.0\.0\.1:9 does not answer .*refused.*look"):
        hiki.Hiki("http://127.0.0.1:9", "k").latest("p")
    monkeypatch.setattr(hiki.Hiki, "_once", lambda *args: hiki._Answer(200, {}, None))
    with pytest.raises(hiki.NoAnswer, match="What answers at http://localhost is not the platform"):
        hiki.Hiki("http://localhost", "k").latest("p")


def test_a_token_is_not_carried_to_another_address(hiki, place, analyst):
    # /api/v1/ redirects to the page of the docs: the client does not follow, and says so.
    with pytest.raises(hiki.HikiError, match="302"):
        analyst._get("")


def test_a_run_that_was_asked_for_is_waited_for(analyst, place):
    asked = analyst.start("kyushu-2022")
    assert asked["state"] == "queued"
    with pytest.raises(TimeoutError, match="is still queued"):
        analyst.wait_for(asked, at_most=0)
    worker = threading.Thread(target=as_a_worker, args=[asked["id"]])
    worker.start()
    told = analyst.wait_for(asked, at_most=60)
    worker.join(timeout=60)
    assert told["state"] == "published"
    assert told["id"] == place  # nothing had changed: the earlier run has its results


def as_a_worker(run_id: str) -> None:
    """On a connection of its own: what this test's transaction does, the server never sees."""
    try:
        runs.execute(Run.objects.get(pk=run_id).pk)
    finally:
        connection.close()


def test_a_run_that_failed_is_raised_with_its_reason(analyst, hiki):
    told = {"id": "r", "state": "failed", "failure": "Too few sites.", "step": ""}
    object.__setattr__(analyst, "_once", lambda *args: hiki._Answer(200, {}, told))
    with pytest.raises(hiki.RunFailed, match=r"is failed: Too few sites\."):
        analyst.wait_for("r")


def carried_out(cells: list[str]) -> dict[str, object]:
    """Names after the cells; what the last line of each shows stands under `shown`."""
    names: dict[str, object] = {"shown": []}
    for cell in cells:
        *before, last = ast.parse(cell).body
        exec(compile(ast.Module(before, []), "notebook", "exec"), names)  # noqa: S102
        assert isinstance(last, ast.Expr), "each cell shows something"
        names["shown"].append(eval(compile(ast.Expression(last.value), "notebook", "eval"), names))  # noqa: S307
    return names


def test_the_notebook_makes_the_claims_table_and_the_forest_plot(hiki, analyst, place):
    notebook = json.loads((ROOT / "client" / "claims.ipynb").read_text(encoding="utf-8"))
    code = ["".join(each["source"]) for each in notebook["cells"] if each["cell_type"] == "code"]
    assert not any(each.get("outputs") for each in notebook["cells"])
    which, table, picture = carried_out(code)["shown"]
    assert place in which
    assert table.loc["K1", "verdict"] in ("replicated", "undecided")
    drawing = ElementTree.fromstring(picture._repr_svg_())  # noqa: S314 - our own
    words = [each.text for each in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert {"FUK", "OSA", "TYO", "pooled"} <= set(words)
    pooled = analyst.pooled(place, feature="decanoylcarnitine").iloc[0]
    assert any(word.startswith(f"{pooled['estimate']:+.2f} (") for word in words)


def test_the_r_lines_of_the_documentation_run(place, analyst, tmp_path):
    program = shutil.which("Rscript")
    if program is None:
        pytest.skip("Rscript is not installed; the R lines of docs/for-analysts.md were not run")
    page = (ROOT / "docs" / "for-analysts.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```r\n(.*?)```", page, flags=re.DOTALL)
    script = tmp_path / "lines.R"
    script.write_text(lines, encoding="utf-8")
    done = subprocess.run(
        [program, "--vanilla", str(script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "K1" in done.stdout
    assert "decanoylcarnitine" in done.stdout
