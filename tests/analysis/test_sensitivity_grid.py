"""The sensitivity grid of a run: cells pooled over the sites, untestable ones with their reason."""

import numpy as np
import pandas as pd
import pytest
from rest_framework.test import APIClient

from analysis.models import Run, RunTable
from analysis.services import plan_locks, reproduction, results, snapshots
from analysis.services.disclosure.hidden_rows import judge
from analysis.services.disclosure.released_grid import grid_shown
from analysis.services.disclosure.whys import WORDS, Why
from analysis.steps.sensitivity_grid import people_of
from cohorts.models import Assessment, Instrument, Participant, Sample
from tests.analysis.test_shipped_plans import QUICK, published, shipped
from tests.factories import user_with

pytestmark = pytest.mark.django_db(transaction=True)
CELLS = 32


@pytest.fixture
def recorded(consortium):
    """Everybody fasted and was handled well; two sites asked for depression, none for weight."""
    Sample.objects.update(fasting_hours=10, haemolysis_index=4, light_protected=True)
    Participant.objects.update(drug_free=True)
    phq = Instrument.objects.create(code="PHQ-9", title="Depression", n_items=9, item_max=3)
    rng = np.random.default_rng(5)
    Assessment.objects.bulk_create(
        Assessment(
            participant=person, instrument=phq, assessed_on="2024-01-01", score=rng.integers(0, 27)
        )
        for person in Participant.objects.filter(site__code__in=["FUK", "TYO"])
    )
    return consortium


@pytest.fixture
def run(plan, recorded):
    data = shipped("sensitivity-grid", **QUICK) | {"strata": ["all", "men"]}
    return published(plan.study, "sensitivity-grid", data)


def cells(run, feature="palmitoylcarnitine", stratum="all"):
    table = RunTable.objects.get(run=run, name="sensitivity").frame
    here = (table["feature"] == feature) & (table["stratum"] == stratum)
    return table[here].set_index("changes")


def test_every_cell_of_every_feature_is_there_and_the_first_is_the_pooled_effect(run):
    table = RunTable.objects.get(run=run, name="sensitivity").frame
    pooled = RunTable.objects.get(run=run, name="pooled").frame
    assert len(table) == CELLS * len(pooled)
    planned = table[table["cell"] == 0].set_index(["stratum", "feature"])
    pooled = pooled.set_index(["stratum", "feature"]).loc[planned.index]
    for name in ("estimate", "ci_low", "ci_high", "n_case", "n_control"):
        np.testing.assert_allclose(planned[name], pooled[name], rtol=1e-12)


def test_a_cell_says_its_sites_people_and_direction_or_why_it_is_not_testable(run):
    here = cells(run)
    assert here.loc["drug-free", "estimate"] == here.loc["", "estimate"]
    assert here.loc["drug-free + fasting + handling", "direction"] == "higher"
    adjusted = here.loc["depression-adjusted"]
    assert adjusted["n_sites"] == 2
    # Two sites that agree still leave a wide interval.
    assert (adjusted["direction"], adjusted["side"]) == ("undecided", "same")
    assert set(people_of(adjusted["by_site"])) == {"FUK", "TYO"}
    weight = here.loc["BMI-adjusted"]
    assert weight["direction"] == "not_testable"
    assert np.isnan(weight["estimate"])
    assert weight["reason"] == (
        "no site has enough people. FUK, MTL, TYO: bmi is not recorded at this site"
    )


def test_who_took_drugs_is_out_of_the_drug_free_cells_alone(plan, recorded):
    taking = Participant.objects.filter(site__code="MTL", group="hikikomori").order_by("pk")[:8]
    Participant.objects.filter(pk__in=taking.values("pk")).update(drug_free=False)
    data = shipped("sensitivity-grid", **QUICK) | {"strata": ["all"]}
    here = cells(published(plan.study, "sensitivity-grid", data))
    assert here.loc["", "n_case"] == here.loc["fasting", "n_case"] == 36
    free = here.loc["drug-free"]
    assert (free["n_sites"], free["n_case"]) == (2, 24)
    again = here.loc["drug-free + fasting"]
    assert again["n_case"] == 24


def test_the_grid_is_computed_again_bit_for_bit_and_kept_by_digest(run):
    assert reproduction.reproduce(run).differences == ()
    steps = {step["step"]: step for step in run.summary["reused"]}
    assert steps["sensitivity"]["total"] == 6
    assert steps["pooled sensitivity"]["total"] == 2
    again = published(run.plan.study, "again", run.plan.data)
    assert {step["computed"] for step in again.summary["reused"]} == {0}


def test_a_preview_says_who_would_be_left_in_each_cell(plan, recorded):
    seen = plan_locks.preview(plan.study, shipped("sensitivity-grid"))
    left = {row["changes"]: row for row in seen.cells}
    assert len(left) == CELLS
    assert left[""] == {"changes": "", "n_sites": 3, "n_case": 36, "n_control": 36}
    assert left["depression-adjusted"]["n_sites"] == 2
    assert left["BMI-adjusted"]["n_case"] == 0
    assert plan_locks.preview(plan.study, plan.data).cells == ()


def test_the_grid_is_on_the_page_and_in_the_api_as_the_reader_may_see_it(client, run):
    manager, analyst = user_with("CD"), user_with("CA")
    Run.objects.filter(pk=run.pk).update(released_at=run.published_at)
    api = APIClient()
    api.force_authenticate(manager)
    asked = f"/api/v1/runs/{run.pk}/sensitivity?stratum=all&feature=palmitoylcarnitine"
    assert len(api.get(asked).json()) == CELLS
    api.force_authenticate(analyst)
    told = {row["changes"]: row for row in api.get(asked).json()}
    assert set(told) == {"", "drug-free", "fasting", "handling"} | {
        "depression-adjusted",
        "BMI-adjusted",
    }
    assert told["fasting"]["direction"] == "higher"
    assert told["fasting"]["n_case"] == 35
    assert told["depression-adjusted"]["estimate"] is None
    assert told["depression-adjusted"]["reason"] == WORDS[Why.FEW]
    assert "by_site" not in results.table_for(run, "sensitivity", analyst)
    client.force_login(manager)
    page = client.get(f"/runs/{run.pk}/?feature=palmitoylcarnitine&stratum=all").text
    assert "Does palmitoylcarnitine stand in everybody?" in page
    assert "26 combinations of changes" in page
    client.force_login(analyst)
    assert "combinations of changes" not in client.get(f"/runs/{run.pk}/").text


@pytest.mark.parametrize(
    "correction",
    [
        {"haemolysis_index": 400},
        {"fasting_hours": 1},
        {"light_protected": False},
        {"spun_at": "2024-01-01T09:00:00Z"},
    ],
    ids=lambda correction: next(iter(correction)),
)
def test_a_corrected_record_of_handling_is_other_data_and_another_run(plan, recorded, correction):
    before = snapshots.look(plan)[0].digest
    assert snapshots.look(plan)[0].digest == before
    Sample.objects.filter(pk=Sample.objects.latest("pk").pk).update(**correction)
    assert snapshots.look(plan)[0].digest != before


def test_corrected_answers_are_other_data_for_a_plan_that_compares_languages(plan, recorded):
    plan.data |= {"outcome": "PHQ-9", "language_check": "report"}
    before = snapshots.look(plan)[0].digest
    Assessment.objects.filter(pk=Assessment.objects.latest("pk").pk).update(language="de")
    assert snapshots.look(plan)[0].digest != before


# --- disclosure


SITES = {"FUK": (40, 40), "TYO": (30, 30), "MTL": (30, 30), "LYO": (30, 30)}


def a_row(changes, people, stratum="all", cell=1):
    n_case, n_control = (sum(arms[arm] for arms in people.values()) for arm in (0, 1))
    words = ";".join(f"{site} {case}+{control}" for site, (case, control) in people.items())
    keys = {"stratum": stratum, "feature": "f", "cell": cell, "changes": changes}
    numbers = dict.fromkeys(("estimate", "se", "ci_low", "ci_high", "p", "tau2", "i2"), 0.51234)
    counts = {"n_sites": len(people), "n_case": n_case, "n_control": n_control}
    more = {"direction": "higher", "side": "same", "by_site": words, "reason": ""}
    return keys | numbers | counts | more


def told(people, own=(), planned=None, **more):
    """Whether the cell of these people is told beside the planned analysis of all."""
    everybody = planned or SITES
    effects = pd.DataFrame(
        [
            {"stratum": "all", "feature": "f", "site": site, "estimate": 0.5}
            | {"n_case": case, "n_control": control}
            for site, (case, control) in everybody.items()
        ]
    )
    counts = effects[["n_case", "n_control"]].sum()
    pooled = effects.iloc[:1].drop(columns="site").assign(**counts, n_sites=len(everybody))
    frame = pd.DataFrame([a_row("", everybody, cell=0), a_row("drug-free", people), *more.values()])
    shown = grid_shown(frame, judge(effects, pooled, k=10, own=own), 10, frozenset(own))
    assert set(shown.loc[shown["direction"] == "", "estimate"].isna()) <= {True}
    return shown["direction"].eq("higher").tolist()


def test_a_cell_is_told_where_those_left_out_are_nobody_or_enough():
    assert told(SITES) == [True, True]
    assert told(SITES | {"FUK": (30, 30)}) == [True, True]
    assert told(SITES | {"FUK": (37, 40)}) == [True, False]
    assert told(SITES | {"FUK": (30, 9)}) == [True, False]
    assert told({site: SITES[site] for site in ("FUK", "TYO", "MTL")}) == [True, True]
    assert told({site: SITES[site] for site in ("FUK", "TYO")}) == [True, False]
    assert told({site: (case - 4, control) for site, (case, control) in SITES.items()})[1]


def test_an_insider_is_not_told_what_would_leave_one_other_site():
    two_others = {site: SITES[site] for site in ("FUK", "TYO", "MTL")}
    assert told(two_others, own=["FUK"]) == [True, False]
    a_few_each = {site: (case - 4, control) for site, (case, control) in SITES.items()}
    assert told(a_few_each, own=["FUK"]) == [True, True]
    assert told(a_few_each, own=["FUK", "TYO"]) == [True, False]
    many = SITES | {"FUK": (40, 40)}
    assert told(many, own=["FUK", "TYO", "MTL"])[1] is False


def test_a_cell_of_one_sex_is_hidden_with_that_of_the_other():
    men = dict.fromkeys(SITES, (20, 20))
    hidden = a_row("drug-free", men | {"FUK": (18, 20)}, stratum="men")
    assert told(SITES, men=hidden) == [True, True, False]


def test_combinations_of_changes_are_not_told_at_all():
    both = a_row("drug-free + fasting", SITES, cell=6)
    assert len(told(SITES, both=both)) == 2
