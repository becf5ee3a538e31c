"""The plans that ship beside the default one run, and say what they left out."""

import json

import numpy as np
import pandas as pd
import pytest
from rest_framework.test import APIClient

from analysis import plans
from analysis.models import Plan, Run, RunTable
from analysis.services import reference, release, results, runs, told_verdicts
from analysis.services.disclosure.hidden_rows import judge
from analysis.services.disclosure.released_tables import one_stage_shown
from analysis.services.disclosure.whys import HIDDEN, WORDS, Why
from analysis.steps.one_stage import AT_BOUND, scaled_within_sites
from cohorts.models import Sample
from tests.factories import user_with

pytestmark = pytest.mark.django_db(transaction=True)

QUICK = {"n_trees": 10, "severity_permutations": 0, "outcome": "", "class_scores": {}}
FURTHER = [name.removeprefix("plan_").removesuffix(".json") for name in reference.PLANS[1:]]


def shipped(name, **more):
    facts = json.loads((reference.FOLDER / f"plan_{name}.json").read_text(encoding="utf-8"))
    assert facts["name"] == name
    assert facts["followed"] is False
    return facts["data"] | more


def published(study, name, data):
    plan = Plan.objects.create(study=study, name=name, data=data, followed=False)
    asked = runs.request(plan, cause="test")
    runs.execute(asked.pk)
    run = Run.objects.select_related("plan__study", "snapshot").get(pk=asked.pk)
    assert run.state == Run.State.PUBLISHED, run.failure
    return run


def arms(run):
    return {row["site"]: (row["n_case"], row["n_control"]) for row in run.summary["sites"]}


@pytest.mark.parametrize("name", FURTHER)
def test_a_shipped_plan_is_a_valid_plan_that_says_more_than_the_default(name):
    default = json.loads((reference.FOLDER / reference.PLANS[0]).read_text(encoding="utf-8"))
    assert plans.parse(shipped(name)).digest != plans.parse(default["data"]).digest


def test_a_plan_that_asks_for_nothing_new_keeps_its_digest():
    least = {"case": ["hikikomori"], "control": ["healthy_control"]}
    new = {"only_sex": "", "handling_clean": False, "one_stage": False}
    assert plans.parse(least).digest == plans.parse(least | new).digest
    for setting in ({"handling_clean": True}, {"one_stage": True}):
        assert plans.parse(least).digest != plans.parse(least | setting).digest


def test_the_male_only_plan_leaves_women_out_of_everything_and_is_held(plan, consortium):
    run = published(plan.study, "male-only", shipped("male-only", **QUICK))
    assert set(arms(run).values()) == {(6, 6)}
    assert set(RunTable.objects.get(run=run, name="pooled").frame["stratum"]) == {"men"}
    (note,) = {row["why"] for row in run.left_out if "male" in row["why"]}
    assert note == "not recorded as male, which the plan asks for"
    assert run.released_at is None
    assert run.held_because.startswith("Its plan looks at a part of the people")


def test_the_handling_clean_plan_drops_recorded_faults_a_whole_site_and_keeps_the_unrecorded(
    plan, consortium
):
    bad, fine = Sample.objects.filter(participant__site__code="FUK").order_by("pk")[:2]
    Sample.objects.filter(pk=bad.pk).update(haemolysis_index=400)
    Sample.objects.filter(pk=fine.pk).update(haemolysis_index=4, light_protected=True)
    Sample.objects.filter(participant__site__code="MTL").update(haemolysis_index=400)
    run = published(plan.study, "handling-clean", shipped("handling-clean", **QUICK))
    assert arms(run) == {"FUK": (11, 12), "TYO": (12, 12)}
    notes = {(row["site"], row["why"]): row["n"] for row in run.left_out}
    haemolysed = "haemolysed, and the plan takes clean samples only"
    assert (notes["FUK", haemolysed], notes["MTL", haemolysed]) == (1, 24)


def test_the_drug_free_plan_says_who_was_left_out(plan, consortium):
    people = Sample.objects.values_list("participant", flat=True)
    site = consortium[0]
    site.participants.update(drug_free=True)
    consortium[1].participants.update(drug_free=True)
    run = published(plan.study, "drug-free", shipped("drug-free", **QUICK))
    assert len(people) == 72
    assert set(arms(run)) == {"FUK", "TYO"}
    assert {row["n"] for row in run.left_out if "drug-free" in row["why"]} == {24}


def test_one_model_over_all_sites_stands_beside_the_pooled_effects(plan, consortium):
    data = shipped("one-stage-mixed", **QUICK)
    run = published(plan.study, "one-stage-mixed", data)
    table = RunTable.objects.get(run=run, name="one_stage").frame
    pooled = RunTable.objects.get(run=run, name="pooled").frame
    assert len(table) == len(pooled)
    both = table[table["stratum"] == "all"].set_index("feature")
    strong = both.loc["palmitoylcarnitine"]
    assert strong["estimate"] == pytest.approx(strong["pooled_estimate"], abs=0.3)
    assert strong["p"] < 1e-6
    at_bound = both[both["at_bound"]]
    assert len(at_bound)
    assert set(at_bound["reason"]) == {AT_BOUND}
    assert (at_bound["site_sd"] == 0).all()

    client = APIClient()
    client.force_authenticate(user_with("CA"))
    told = client.get(f"/api/v1/runs/{run.pk}/one-stage?stratum=all").json()
    assert {row["feature"] for row in told} == set(both.index)
    hidden = results.table_for(run, "pooled", user_with("CA"))["reason"].isin(HIDDEN)
    shown = results.table_for(run, "one_stage", user_with("CA"))
    assert shown.loc[hidden.to_numpy(), "estimate"].isna().all()
    client.force_login(user_with("CD"))
    assert b"One model over all sites" in client.get(f"/runs/{run.pk}/").content


def test_a_model_of_other_people_than_the_pooled_effect_is_hidden():
    keys = {"stratum": "all", "feature": "f"}
    numbers = {"estimate": 0.51234, "n_case": 40, "n_control": 40}
    effects = pd.DataFrame(
        [keys | numbers | {"site": site, "n_case": 20, "n_control": 20} for site in "ABC"]
    )
    pooled = pd.DataFrame([keys | numbers | {"n_case": 60, "n_control": 60, "n_sites": 3}])
    model = pooled.assign(at_bound=False, reason="", pooled_estimate=0.5)
    judged = judge(effects, pooled, k=10)
    assert one_stage_shown(model, judged)["estimate"].tolist() == [0.512]
    other = one_stage_shown(model.assign(n_case=59), judged)
    assert other["estimate"].isna().all()
    assert other["reason"].tolist() == [WORDS[Why.OTHER_PEOPLE]]
    assert other["at_bound"].isna().all()


def test_scaling_within_sites_takes_units_and_leaves_levels():
    rng = np.random.default_rng(1)
    people = pd.DataFrame({"site": list("AB") * 20, "case": [1.0] * 20 + [0.0] * 20})
    values = pd.DataFrame(rng.normal(size=(40, 2)), columns=["f", "g"])
    scaled = scaled_within_sites(values, people, 5)
    again = scaled_within_sites(values.assign(f=values["f"] * 1000), people, 5)
    assert np.allclose(scaled, again)
    arms_of_a = scaled[people["site"] == "A"].groupby(people["case"])
    assert arms_of_a.var().mean().tolist() == pytest.approx([1, 1])
    assert scaled_within_sites(values, people, 11).isna().all(axis=None)


def test_a_plan_that_is_not_followed_speaks_for_nobody_but_can_be_asked_for(plan, consortium):
    run = published(plan.study, "one-stage-mixed", shipped("one-stage-mixed", **QUICK))
    manager = user_with("CD")
    assert release.sees_everything(manager)
    assert told_verdicts.standing_runs(manager) == {}
    assert told_verdicts.standing_runs(manager, "one-stage-mixed") == {plan.study_id: run}
    assert set(Plan.objects.newest_versions()) == {plan, run.plan}
    assert set(Plan.objects.current()) == {plan}
