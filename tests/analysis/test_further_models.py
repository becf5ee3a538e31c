"""What only some plans ask for: tuned classifiers, frozen models, moderated effects, languages."""

import json

import numpy as np
import pandas as pd
import pytest
from rest_framework.test import APIClient

from analysis import plans
from analysis.frames import LANGUAGE
from analysis.models import Run, RunDocument, RunTable, StepResult
from analysis.services import parts, release, reproduction, results, runs
from analysis.services.disclosure.whys import WORDS, Why
from analysis.services.snapshots import look
from analysis.stats.effects import fit_effects
from analysis.stats.logistic import ElasticNet
from analysis.stats.moderated import fit_moderated_effects
from analysis.stats.nested import nested_leave_one_site_out
from analysis.steps.language_versions import compare_languages, why_not_pooled
from analysis.steps.pieces import Anew
from cohorts.models import Assessment, Change, Instrument, Participant
from tests.analysis.conftest import FEATURES
from tests.analysis.test_parts import Helper
from tests.analysis.test_shipped_plans import QUICK, published
from tests.factories import assayed_batch, user_with

pytestmark = pytest.mark.django_db(transaction=True)

NESTED = {"nested": True, "strata": ["all"], "partial_auc_from": 0.8}


def document(run, name):
    return RunDocument.objects.get(run=run, name=name).data


def ready(plan, **more):
    return plan.data | QUICK | more


# --- nested classifiers


@pytest.fixture
def nested(plan, consortium):
    return published(plan.study, "nested", ready(plan, **NESTED))


def test_both_learners_say_what_the_numerical_core_says(nested):
    told = document(nested, "nested")
    names = [each["learner"] for each in told["learners"]]
    assert names == ["random forest", "elastic-net logistic regression"]
    linear = told["learners"][1]
    assert linear["n_fits"] == 3 * 4 + 3
    _, read = look(nested.plan)
    values = np.log2(np.concatenate([batch.values for batch in read.batches]))
    who = np.concatenate([batch.rows["participant_id"] for batch in read.batches])
    people = read.people.loc[who]
    direct = nested_leave_one_site_out(
        values,
        (people["group"] == "hikikomori").astype(int),
        people["site"].to_numpy(dtype=str),
        learner=ElasticNet(),
        rng=np.random.default_rng(nested.plan.parsed.seed),
    )
    assert linear["auc"] == pytest.approx(direct.auc.auc, abs=1e-12)
    assert linear["calibration"]["slope"] == pytest.approx(direct.calibration.slope, rel=1e-9)
    assert linear["other_sites"]["ci_low"] == pytest.approx(direct.site_bootstrap.ci_low)
    assert linear["importance"][0]["feature"] == "palmitoylcarnitine"


def test_the_two_are_compared_on_the_same_people(nested):
    told = document(nested, "nested")
    forest, linear = told["learners"]
    compared = told["comparison"]
    assert compared["difference"] == pytest.approx(forest["auc"] - linear["auc"], abs=1e-12)
    assert 0 <= compared["p"] <= 1
    assert {each["site"] for each in forest["calibration_by_site"]} == {"FUK", "MTL", "TYO"}
    assert 0.5 < forest["partial"]["auc"] <= 1
    assert forest["partial"]["from"] == 0.8


def test_inner_folds_in_other_hands_and_orders_are_the_same_bits(plan, consortium, monkeypatch):
    monkeypatch.setattr(parts, "SHARED_FROM_SECONDS", 0.0)
    monkeypatch.setattr(parts, "PART_SECONDS", 1e-9)
    monkeypatch.setattr(parts.bell, "ring", lambda *_args, **_options: True)
    plan.data = ready(plan, **NESTED)
    plan.save()
    run = runs.request(plan, cause="test")
    with Helper(run.pk) as helper:
        runs.execute(run.pk)
    run = Run.objects.select_related("plan__study", "snapshot").get(pk=run.pk)
    assert (run.state, run.failure) == (Run.State.PUBLISHED, "")
    assert helper.n_done > 0
    kinds = {step["step"]: step["total"] for step in run.summary["reused"]}
    assert kinds["inner fold"] == 3 * 3 + 3 * 4
    assert kinds["judged site"] == 6
    whole = document(run, "nested")
    backwards, each = Anew.each, []

    def turned(self, pieces):
        each.extend(piece.kind for piece in pieces)
        return backwards(self, pieces[::-1])[::-1]

    monkeypatch.setattr(Anew, "each", turned)
    assert reproduction.reproduce(run).differences == ()
    assert each.count("inner fold") == 21
    assert document(run, "nested") == whole


# --- a frozen model at a new site


def test_a_frozen_model_is_kept_while_its_sites_stay_and_names_their_people(plan, consortium):
    data = ready(plan, transport_to=["MTL", "OSA"])
    run = published(plan.study, "transport", data)
    new, nowhere = document(run, "transport")["by_site"]
    assert (new["site"], new["trained_on"]) == ("MTL", ["FUK", "TYO"])
    assert (new["n_case"], new["n_case_trained"]) == (12, 24)
    assert 0.5 < new["auc"] <= 1
    assert new["recalibrated"]["in_the_large"] == pytest.approx(0, abs=1e-6)
    assert nowhere["refused"] == "OSA has nobody in this snapshot whose values can be used."
    frozen = StepResult.objects.get(kind="frozen model")
    there = set(Participant.objects.filter(site__code="MTL").values_list("pk", flat=True))
    assert len(frozen.participant_ids) == 48
    assert not there & set(frozen.participant_ids)

    site = consortium[2]
    values = np.exp(np.random.default_rng(9).normal(size=(12, len(FEATURES))))
    arms = ["hikikomori"] * 6 + ["healthy_control"] * 6
    assayed_batch(site, values, group=arms, sex=["male", "female"] * 6, features=FEATURES)
    Change.objects.record(study=plan.study, site=site, kind="assays", counts={}, cause="test")
    again = runs.request(run.plan, cause="test")
    runs.execute(again.pk)
    again = Run.objects.select_related("plan__study", "snapshot").get(pk=again.pk)
    steps = {step["step"]: step for step in again.summary["reused"]}
    assert (steps["frozen model"]["computed"], steps["frozen model"]["reused"]) == (0, 1)
    assert steps["transport"]["computed"] == 1
    assert document(again, "transport")["by_site"][0]["n_case"] == 18
    assert reproduction.reproduce(again).differences == ()


# --- moderated effects


def test_moderated_effects_stand_beside_the_sites_own(plan, consortium):
    data = ready(plan, moderated="plain", strata=["all", "men"])
    run = published(plan.study, "moderated", data)
    table = RunTable.objects.get(run=run, name="moderated").frame
    effects = RunTable.objects.get(run=run, name="effects").frame
    assert len(table) == len(effects)
    np.testing.assert_allclose(table["estimate"], effects["estimate"], rtol=1e-12)
    np.testing.assert_array_equal(table["plain_p"], effects["p"])
    _, read = look(run.plan)
    batch = next(each for each in read.batches if each.site == "FUK")
    people = read.people.loc[batch.rows["participant_id"]]
    covariates = people[["age_years", "sex"]].reset_index(drop=True)
    case = (people["group"] == "hikikomori").to_numpy(dtype=float)
    direct = fit_moderated_effects(np.log2(batch.values), case, covariates)
    here = table[(table["site"] == "FUK") & (table["stratum"] == "all")].set_index("feature")
    np.testing.assert_allclose(here.loc[batch.columns["feature"], "t"], direct.t, rtol=1e-9)
    assert (here["df"] > fit_effects(np.log2(batch.values), case, covariates).df[0]).all()
    assert reproduction.reproduce(run).differences == ()
    few = published(plan.study, "few", data | {"min_per_arm": 7})
    men = RunTable.objects.get(run=few, name="moderated").frame.query("stratum == 'men'")
    assert set(men["reason"]) == {"fewer than 7 people in an arm of this site"}
    assert men["p"].isna().all()


# --- language versions of the outcome


def answers(n=150, shift=0.0, seed=4):
    """Two languages alike, but for one item that is moved by ``shift`` in the second one."""
    rng = np.random.default_rng(seed)
    trait = rng.normal(size=2 * n)
    moved = np.repeat([0.0, shift], n)
    items = np.stack([trait + rng.normal(size=2 * n) for _ in range(6)], axis=1)
    items[:, 2] += moved
    return np.clip(np.round(items + 2), 0, 4), np.repeat(["ja", "de"], n)


@pytest.mark.parametrize(("shift", "differing"), [(0.0, []), (3.0, ["item 3"])])
def test_an_item_that_means_something_else_in_a_language_is_named(shift, differing):
    items, language = answers(shift=shift)
    frame = pd.DataFrame(items, columns=[f"item {number}" for number in range(1, 7)])
    found = compare_languages(frame.assign(**{LANGUAGE: language.astype(object)}))
    assert found["differing"] == differing
    assert found["languages"] == {"de": 150, "ja": 150}
    asked = plans.parse(
        {"case": ["a"], "control": ["b"], "outcome": "Q", "language_check": "refuse"}
    )
    why = why_not_pooled(found | {"instrument": "Q"}, asked)
    assert bool(why) == bool(differing)


@pytest.fixture
def answered(plan, consortium):
    """Six items, the fourth reversed; Montreal's version asks something else in the third."""
    scale = Instrument.objects.create(
        code="Q6", title="Six items", n_items=6, item_max=4, reversed_items=[4]
    )
    people = list(Participant.objects.order_by("site__code", "pk"))
    items, _ = answers(n=len(people), seed=0)
    for row, person in zip(items, people, strict=False):
        foreign = person.site.code == "MTL"
        given = [int(value) for value in row]
        given[2] = min(4, given[2] + 2) if foreign else given[2]
        given[3] = 4 - given[3]
        Assessment.objects.create(
            participant=person,
            instrument=scale,
            assessed_on="2024-01-01",
            items=given,
            language="fr" if foreign else "ja",
            score=sum(given),
        )
    return plan


def test_scores_of_languages_that_differ_are_not_pooled_where_the_plan_refuses(answered):
    data = ready(answered, outcome="Q6", language_check="refuse")
    run = published(answered.study, "refusing", data)
    told = document(run, "languages")
    assert told["languages"] == {"fr": 24, "ja": 48}
    assert told["differing"] == ["item 3"]
    assert document(run, "severity")["refused"] == (
        "People of one Q6 total answer item 3 otherwise in another language: scores of the "
        "language versions are not pooled, as the plan asks."
    )
    reported = published(answered.study, "reporting", data | {"language_check": "report"})
    assert document(reported, "severity")["refused"] == ""
    assert reproduction.reproduce(reported).differences == ()


def test_a_check_without_answers_to_items_says_so(plan, consortium):
    run = published(plan.study, "none", ready(plan, outcome="HQ-25", language_check="refuse"))
    assert document(run, "languages")["refused"] == (
        "No answers to single items of HQ-25 are recorded."
    )
    assert "Nobody in this snapshot" in document(run, "severity")["refused"]


# --- readers


def test_further_results_are_told_as_the_reader_may_see_them(client, answered):
    more = NESTED | {"moderated": "robust", "transport_to": ["MTL"], "strata": ["all", "men"]}
    data = ready(answered, outcome="Q6", language_check="report", **more)
    run = published(answered.study, "further", data)
    Run.objects.filter(pk=run.pk).update(released_at=run.published_at)
    manager, analyst = user_with("CD"), user_with("CA")
    assert release.sees_everything(manager)
    api = APIClient()
    api.force_authenticate(analyst)
    told = {
        name: api.get(f"/api/v1/runs/{run.pk}/{name}").json()
        for name in ("nested", "transport", "languages", "moderated")
    }
    text = json.dumps(told)
    assert "bins" not in text
    assert "inner_auc" not in text
    forest = told["nested"]["learners"][0]
    assert forest["calibration"]["n_case"] == 35
    assert forest["auc"] == round(document(run, "nested")["learners"][0]["auc"], 3)
    assert told["transport"]["by_site"][0]["n_case"] == 10
    assert told["languages"]["differing"] == ["item 3"]
    men = [row for row in told["moderated"] if row["stratum"] == "men"]
    assert {row["reason"] for row in men} == {WORDS[Why.OTHER_PEOPLE]}
    assert {row["p"] for row in men} == {None}
    insider = results.document_for(run, "nested", user_with("SD", run_site(run)))
    assert "learners" in insider
    for reader in (manager, analyst):
        client.force_login(reader)
        page = client.get(f"/runs/{run.pk}/").text
        for heading in ("A forest against plain", "A finished model", "Do the language versions"):
            assert heading in page, heading
        assert "variances that borrow strength" in page


def run_site(run):
    return Participant.objects.filter(pk__in=run.snapshot.participant_ids).first().site


def test_few_people_hide_what_rests_on_them(plan, consortium, settings):
    settings.DISCLOSURE_K = 37
    data = ready(plan, transport_to=["MTL"], moderated="plain", **NESTED)
    run = published(plan.study, "few", data)
    analyst = user_with("CA")
    told = results.document_for(run, "nested", analyst)
    assert told["comparison"] is None
    assert {each["auc"] for each in told["learners"]} == {None}
    assert {each["calibration"] for each in told["learners"]} == {None}
    (site,) = results.document_for(run, "transport", analyst)["by_site"]
    assert site == {"site": "MTL", "refused": WORDS[Why.FEW]}
    assert results.table_for(run, "moderated", analyst)["p"].isna().all()
