"""Which site's data did it: one site's earlier effects in place of its new ones."""

from __future__ import annotations

import numpy as np
import pytest
from rest_framework.test import APIClient

from analysis import change_report
from analysis.change_report import Side, moved_effects, why_flipped
from analysis.models import Claim, RunDocument, RunTable, Verdict
from analysis.plans import AnalysisPlan
from analysis.services import changes, release
from analysis.steps.pieces import Anew
from analysis.steps.pooling import pool
from analysis.steps.site_effects import EFFECT_COLUMNS
from cohorts.models import Site
from tests.analysis.conftest import FEATURES, make_site
from tests.analysis.test_steps import run_now
from tests.analysis.test_verdicts import LATE, PROMPT, claim, effects
from tests.factories import assayed_batch, user_with
from tests.portal import books

PLAN = AnalysisPlan(case=("hikikomori",), control=("healthy_control",), strata=("men",))


def side(*g, handling=None, **more):
    table = effects(*g, **more).assign(source_name="", hmdb="", reason="")
    table["estimate"] = table["hedges_g"]
    table = table.reindex(columns=[*table.columns, *(set(EFFECT_COLUMNS) - set(table.columns))])
    known = dict.fromkeys(table["site"], PROMPT) | (handling or {})
    return Side(table, pool({"men": [table]}, PLAN, Anew()), known)


def test_the_site_that_turned_a_verdict_is_named():
    before, now = side(0.1, 0.55, 0.6, 0.52), side(0.5, 0.56, 0.6, 0.52)
    told = why_flipped(claim(), "men", "undecided", before, now, PLAN)
    assert told["words"] == "S0's data did it: with its earlier data it would be undecided still."
    assert [(each["site"], each["did_it"]) for each in told["sites"]] == [
        ("S0", True),
        ("S1", False),
    ]
    assert told["sites"][1]["verdict"] == "replicated"


def test_where_several_sites_were_needed_that_is_said():
    before, now = side(0.1, 0.1, 0.5, 0.5), side(0.5, 0.55, 0.6, 0.52)
    told = why_flipped(claim(), "men", "undecided", before, now, PLAN)
    assert told["words"].startswith("It took all of S0, S1")


def test_a_site_that_was_not_there_before_can_have_done_it():
    told = why_flipped(claim(), "men", "not_testable", side(0.5), side(0.5, 0.55), PLAN)
    assert (
        told["words"] == "S1's data did it: with its earlier data it would be not testable still."
    )


def test_a_verdict_that_no_data_turned_is_the_rules():
    same = side(0.5, 0.55, 0.6, 0.52)
    told = why_flipped(claim(), "men", "undecided", same, same, PLAN)
    assert told == {"sites": [], "words": "No site's effect changed: the rules, plan or claim did."}
    other = side(0.5, 0.55, 0.6, 0.53)
    told = why_flipped(claim(), "men", "opposite", same, other, PLAN)
    assert "With all earlier data it would still not be what it was" in told["words"]


def test_the_earlier_handling_of_a_site_goes_with_its_earlier_data():
    before = side(0.5, 0.55, 0.6, 3.0, handling={"S3": LATE})
    back = change_report.with_earlier(before, side(0.5, 0.55, 0.6, 0.4), ["S3"])
    assert back.handling["S3"] is LATE
    assert back.handling["S0"] is PROMPT


def test_a_model_over_all_sites_is_not_taken_apart():
    told = why_flipped(
        claim("none", kind="classifier"), "men", "undecided", side(0.1), side(0.2), PLAN
    )
    assert "fitted over all sites at once" in told["words"]


def test_an_effect_that_moved_names_who_moved_it_and_a_small_move_is_not_told():
    before, now = side(0.1, 0.1, 0.1), side(0.1, 0.11, 1.0)
    (row,) = moved_effects(before, now, PLAN)
    assert row["now"] - row["before"] > 0.1
    assert [(each["site"], each["did_it"]) for each in row["sites"]] == [
        ("S1", False),
        ("S2", True),
    ]
    assert moved_effects(before, side(0.1, 0.15, 0.12), PLAN) == []


# --- past the disclosure rules


@pytest.fixture
def two_runs(db):
    """Two released runs of sites of 24 an arm; the newer one has another effect at TYO."""
    books.two_sites()
    plan = books.followed_plan()
    first, second = (books.concluded(books.run_of(plan)) for _ in range(2))
    for run, factor in ((first, 1.0), (second, 3.0)):
        for table in RunTable.objects.filter(run=run):
            frame = table.frame
            there = frame["site"] == "TYO" if "site" in frame else frame["n_sites"] > 0
            name = "hedges_g" if "site" in frame else "estimate"
            frame.loc[there, name] = frame.loc[there, name] * factor
            RunTable.objects.filter(pk=table.pk).update(
                parquet=RunTable.of(run, table.name, frame).parquet
            )
    Verdict.objects.filter(run=first, claim__code="K22-2").update(verdict="undecided")
    return first, second


def told(role, runs):
    return changes.changes_for(runs[1], runs[0], user_with(role))


def test_a_manager_and_an_analyst_read_which_site_moved_an_effect(two_runs):
    (row,) = told("CD", two_runs)["effects"]
    assert [each["site"] for each in row["sites"]] == ["TYO"]
    (seen,) = told("CA", two_runs)["effects"]
    assert [each["site"] for each in seen["sites"]] == ["TYO"]
    assert seen["sites"][0]["estimate"] == pytest.approx(row["sites"][0]["estimate"], rel=0.01)


def test_an_analyst_reads_nothing_of_a_site_whose_row_is_hidden(two_runs):
    table = RunTable.objects.get(run=two_runs[0], name="effects")
    frame = table.frame.assign(n_case=lambda rows: rows["n_case"].where(rows["site"] != "TYO", 4))
    RunTable.objects.filter(pk=table.pk).update(
        parquet=RunTable.of(two_runs[0], "effects", frame).parquet
    )
    assert all(row["sites"] == [] for row in told("CA", two_runs)["effects"])
    (flip,) = told("CA", two_runs)["verdicts"]
    assert flip["words"] == changes.NOT_TOLD
    assert flip["sites"] == []
    assert told("CD", two_runs)["verdicts"][0]["words"] != changes.NOT_TOLD
    assert changes._side(two_runs[0], user_with("CA")).effects["reason"].isin(release.HIDDEN).any()


def test_the_run_page_and_the_api_tell_what_is_new(client, two_runs):
    second = two_runs[1]
    manager = user_with("CD")
    client.force_login(manager)
    page = client.get(f"/runs/{second.pk}/").content.decode()
    assert "What is new since the run before" in page
    assert "TYO" in page.split("Effect that moved")[1].split("</table>")[0]
    api = APIClient()
    api.force_authenticate(manager)
    body = api.get(f"/api/v1/runs/{second.pk}/changes").json()
    assert body["threshold"] == 0.1
    assert body["effects"][0]["sites"][0]["site"] == "TYO"


def test_what_changed_beside_the_data_is_named(two_runs):
    first, second = two_runs
    second.summary = {**second.summary, "verdict_rules": 3}
    second.code_version = "another"
    assert changes._other_changes(first, second) == ["code", "verdict_rules"]


def test_runs_without_tables_have_no_effects_to_compare(two_runs):
    RunTable.objects.filter(run=two_runs[0]).delete()
    RunDocument.objects.filter(run=two_runs[0]).delete()
    assert told("CD", two_runs)["effects"] == []


@pytest.mark.django_db(transaction=True)
def test_a_new_batch_that_turns_a_verdict_is_named_from_the_data_on(plan, consortium):
    """Nothing is made up here: tables, two computed runs, and what is said between them."""
    for seed, code in enumerate(("OSA", "NGO", "SAP", "SEN", "HIR", "KOB", "KYO"), 5):
        make_site(code, seed)
    Claim.objects.create(
        code="C1",
        study=plan.study,
        kind="feature",
        marker="palmitoylcarnitine",
        matrix="plasma",
        stratum="all",
        direction="higher",
        doi="10.1000/made.up",
        citation="Made up",
    )
    first = run_now(plan)
    ln = np.random.default_rng(8).normal(size=(60, len(FEATURES)))
    ln[:30, 0] -= 6
    arms = ["hikikomori"] * 30 + ["healthy_control"] * 30
    site = Site.objects.get(code="TYO")
    assayed_batch(site, np.exp(ln), group=arms, sex=["male", "female"] * 30, features=FEATURES)
    second = run_now(plan)
    (flip,) = told("CD", (first, second))["verdicts"]
    assert (flip["before"], flip["now"]) == ("replicated", "undecided")
    assert [each["site"] for each in flip["sites"]] == ["TYO"]
    assert "TYO" in flip["words"]
