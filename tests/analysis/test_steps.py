"""What did not change is not computed again, and what is taken from before is what it would be."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

import numpy as np
import pytest
from django.db.models.functions import Now

from analysis.models import Run, RunTable, StepResult
from analysis.packing import pack, unpack
from analysis.plans import AnalysisPlan
from analysis.services import release, reproduction, results, runs, steps
from analysis.steps import left_out_sites
from cohorts.models import Change, Participant, Site
from cohorts.services import consent
from tests.analysis.conftest import FEATURES, make_site
from tests.analysis.test_erasures import erase
from tests.factories import assayed_batch, user_with

pytestmark = pytest.mark.django_db(transaction=True)


def run_now(plan):
    run = runs.request(plan, cause="test")
    runs.execute(run.pk)
    return Run.objects.select_related("plan__study", "snapshot").get(pk=run.pk)


def counts(run):
    """By kind of step: how many were computed, how many reused."""
    told = results.run_facts(run)["reused"]
    return {step["step"]: (step["computed"], step["reused"]) for step in told}


def new_batch(plan, site, sex=("male", "female")):
    """Twelve more people of a site."""
    values = np.exp(np.random.default_rng(9).normal(size=(12, len(FEATURES))))
    arms = ["hikikomori"] * 6 + ["healthy_control"] * 6
    assayed_batch(site, values, group=arms, sex=list(sex) * 6, features=FEATURES)
    Change.objects.record(study=plan.study, site=site, kind="assays", counts={}, cause="test")


def edited(plan, **settings):
    plan.data = plan.data | settings
    plan.save()


def assert_as_computed_anew(run):
    assert reproduction.reproduce(run).differences == ()


def test_the_first_run_computes_everything(plan, consortium):
    run = run_now(plan)
    assert counts(run) == {
        "repeats": (1, 0),
        "site effects": (6, 0),
        "pooled": (2, 0),
        "harmonisation": (1, 0),
        "forest": (3, 0),
        "left-out site": (3, 0),
    }
    assert StepResult.objects.count() == 16


def test_a_new_batch_computes_that_site_and_what_joins_the_sites(plan, consortium):
    run_now(plan)
    new_batch(plan, consortium[1])
    run = run_now(plan)
    assert counts(run)["site effects"] == (2, 4)
    assert counts(run)["pooled"] == (2, 0)
    # The forest that leaves this site out has read nothing new; its people are other ones.
    assert counts(run)["forest"] == (2, 1)
    assert counts(run)["left-out site"] == (3, 0)
    assert_as_computed_anew(run)


def test_many_forests_are_not_kept_and_say_the_same(plan, consortium, monkeypatch):
    first = run_now(plan)
    monkeypatch.setattr(left_out_sites, "MOST_KEPT", 2)
    assert_as_computed_anew(first)
    edited(plan, smallest_effect=0.3)
    assert counts(run_now(plan))["forest at its site"] == (3, 0)


def test_with_many_sites_the_forest_of_the_batchs_own_group_is_kept(plan, consortium):
    edited(plan, most_folds=2)
    first = run_now(plan)
    told = first.documents.get(name="classifier").data
    assert told["left_out_together"] == [["FUK", "TYO"], ["MTL"]]
    assert "sites left out in 2 groups" in told["method"]
    assert [one["auc"] is not None for one in told["by_site"]] == [True] * 3
    new_batch(plan, consortium[1])
    run = run_now(plan)
    assert counts(run)["forest"] == (1, 1)
    assert_as_computed_anew(run)


def test_a_feature_that_is_new_at_the_left_out_site_grows_its_forest_anew(plan, consortium):
    edited(plan, min_detected=0.1)
    make_site("OSA", 3, features=FEATURES[:3])
    run_now(plan)
    new_batch(plan, Site.objects.get(code="OSA"))
    run = run_now(plan)
    assert counts(run)["forest"] == (4, 0)
    assert_as_computed_anew(run)


def test_new_women_leave_the_men_as_they_were(plan, consortium):
    run_now(plan)
    new_batch(plan, consortium[1], sex=("female", "female"))
    run = run_now(plan)
    assert counts(run)["site effects"] == (1, 5)
    assert counts(run)["pooled"] == (1, 1)
    assert_as_computed_anew(run)


def test_an_edited_threshold_of_the_verdicts_computes_nothing_again(plan, consortium):
    run_now(plan)
    edited(plan, smallest_effect=0.3)
    run = run_now(plan)
    assert {computed for computed, _ in counts(run).values()} == {0}
    assert_as_computed_anew(run)


OTHER = {
    "strata": ["all", "women"],
    "covariates": ["age_years"],
    "below_lod": "half_limit",
    "min_per_arm": 4,
    "min_detected": 0.9,
    "min_covariate_known": 0.1,
    "harmonisation": "combat_mean_only",
    "tau2": "DL",
    "test": "z",
    "multiplicity": "holm",
    "permutations": 300,
    "n_trees": 11,
    "most_folds": 2,
    "outcome": "phq",
    "one_stage": True,
    "handling_clean": True,
    "seed": 3,
    "class_scores": {"both": ["arginine", "ornithine"]},
    "sensitivity": ["fasting"],
    "transport_to": ["MTL"],
    "moderated": "plain",
    "language_check": "report",
    "qc_correction": "median_ratio",
    "nested": True,
    "partial_auc_from": 0.8,
    "depression": "phq",
    "bmi": "age_years",
}


def test_whatever_the_plan_says_otherwise_what_was_kept_does_not_hide_it(plan, consortium):
    run_now(plan)
    for name, value in OTHER.items():
        edited(plan, **{name: value})
        assert_as_computed_anew(run_now(plan))
    edited(plan, only_sex="female", strata=["all"])
    assert_as_computed_anew(run_now(plan))


def test_every_setting_that_a_step_could_read_is_tried():
    judged = {"smallest_effect", "effect_of_interest"}
    people = {"case", "control", "scopes", "drug_free_only"}
    severity = {"severity_components", "severity_permutations"}
    done_with_results = {"release"}
    tried = set(OTHER) | judged | people | severity | {"only_sex"} | done_with_results
    assert {field.name for field in fields(AnalysisPlan)} <= tried


def test_reproduce_takes_nothing_from_what_was_kept(plan, consortium):
    """The seeded fault: a kept result that is wrong shows in the next run, and is found."""
    first = run_now(plan)
    for kept in StepResult.objects.filter(kind="site effects"):
        result = unpack(bytes(kept.payload))
        result["table"]["hedges_g"] += 1.0
        StepResult.objects.filter(pk=kept.pk).update(payload=pack(result))
    assert_as_computed_anew(first)
    edited(plan, smallest_effect=0.3)
    assert "hedges_g" in " ".join(reproduction.reproduce(run_now(plan)).differences)


def test_a_run_that_is_not_published_keeps_nothing(plan, consortium, monkeypatch):
    compute = runs.compute

    def withdrawing(*args, **kwargs):
        found = compute(*args, **kwargs)
        consent.withdraw(Participant.objects.first().pk, level=3, by=None)
        return found

    monkeypatch.setattr(runs, "compute", withdrawing)
    assert run_now(plan).state == Run.State.QUEUED
    assert not StepResult.objects.exists()


def test_an_erasure_deletes_every_step_that_saw_the_person(plan, consortium):
    run_now(plan)
    person = Participant.objects.filter(site=consortium[0]).first()
    erase(person)
    assert not StepResult.objects.that_saw(person.pk).exists()
    kept = list(StepResult.objects.values_list("kind", flat=True))
    # Those of the two other sites, and the forest that both of them grow for this one.
    assert sorted(kept) == ["forest", *["site effects"] * 4]


def test_a_withdrawal_is_purged_from_what_was_kept(plan, consortium):
    run_now(plan)
    person = Participant.objects.filter(site=consortium[0]).first()
    consent.withdraw(person.pk, level=1, by=None)
    assert steps.purge() == 0  # no further contact: the data may be used
    consent.withdraw(person.pk, level=3, by=None)
    assert steps.purge() == 11
    assert not StepResult.objects.that_saw(person.pk).exists()


def test_what_no_run_has_used_for_long_is_deleted(plan, consortium, settings):
    run_now(plan)
    old = StepResult.objects.filter(kind="forest")
    old.update(last_used_at=Now() - timedelta(days=settings.KEEP_STEPS_DAYS + 1))
    assert steps.purge() == 3
    edited(plan, smallest_effect=0.3)
    StepResult.objects.update(last_used_at=Now() - timedelta(days=settings.KEEP_STEPS_DAYS - 1))
    run_now(plan)
    StepResult.objects.update(made_at=Now() - timedelta(days=settings.KEEP_STEPS_DAYS + 1))
    assert steps.purge() == 0  # used today


def test_beyond_the_bound_what_was_used_longest_ago_goes_first(plan, consortium, settings):
    run_now(plan)
    StepResult.objects.exclude(kind="repeats").update(last_used_at=Now() - timedelta(hours=1))
    settings.KEEP_STEPS_BYTES = len(StepResult.objects.get(kind="repeats").payload)
    assert steps.purge() == 15
    assert StepResult.objects.get().kind == "repeats"


def test_analysts_are_not_told_what_had_to_be_computed_anew(plan, consortium):
    facts = results.run_facts(run_now(plan))
    assert release.facts_for(facts, user_with("CD"))["reused"]
    assert release.facts_for(facts, user_with("CA"))["reused"] == []


def test_two_runs_store_the_same_tables_with_and_without_what_was_kept(plan, consortium):
    run_now(plan)
    new_batch(plan, consortium[0])
    with_kept = run_now(plan)
    tables = {table.name: table.frame for table in RunTable.objects.filter(run=with_kept)}
    Run.objects.filter(pk=with_kept.pk).update(state=Run.State.FAILED)
    StepResult.objects.all().delete()
    without = run_now(plan)
    assert counts(without)["site effects"] == (6, 0)
    for table in RunTable.objects.filter(run=without):
        assert (
            list(reproduction.table_differences(table.name, tables[table.name], table.frame)) == []
        )
