"""Permutation p values of a plan: of the pooled table's data, alike in whatever hands."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.models import Run, RunPart
from analysis.pipeline import compute
from analysis.plans import AnalysisPlan, parse
from analysis.services import parts, results, runs, snapshots
from analysis.stats.permutation import permute_effects
from analysis.stats.site_folds import standardise_by_site
from cohorts.models import Participant
from tests.analysis.conftest import FEATURES, SITES
from tests.analysis.test_parts import Helper, run_now
from tests.factories import user_with

pytestmark = pytest.mark.django_db(transaction=True)
P = ["p_permutation", "p_max_t"]


@pytest.fixture
def permuted_plan(plan):
    plan.data = plan.data | {"permutations": 1000, "covariates": []}
    plan.save()
    return plan


def pooled_of(run):
    return results.table_for(run, "pooled", user_with("CD"))


def test_a_plan_that_asks_for_none_has_empty_columns_and_its_old_digest(plan, consortium):
    pooled = pooled_of(run_now(plan))
    assert pooled[P].isna().all(axis=None)
    named = AnalysisPlan(case=("hikikomori",), control=("healthy_control",))
    assert named.digest == "35e70673b5b8b6ad5821babe9bd58afae23c4002bcc3b2ceca46ee8c012ba16a"
    assert (
        named.digest
        == parse({"case": ["hikikomori"], "control": ["healthy_control"], "permutations": 0}).digest
    )
    asked = {"case": ["hikikomori"], "control": ["healthy_control"], "permutations": 10}
    assert parse(asked).digest != named.digest


def test_p_is_that_of_the_stacked_values_permuted_within_sites(permuted_plan, consortium):
    pooled = pooled_of(run_now(permuted_plan)).set_index(["stratum", "feature"])
    _, frames = snapshots.look(permuted_plan)
    values = pd.concat(
        pd.DataFrame(np.log2(batch.values), batch.rows["participant_id"], batch.columns["feature"])
        for batch in frames.batches
    )
    people = frames.people.loc[values.index]
    for stratum, here in (("all", people["sex"] != ""), ("men", people["sex"] == "male")):
        site = people["site"][here].to_numpy(dtype=str)
        alone = permute_effects(
            standardise_by_site(values[here], site),
            (people["group"][here] == "hikikomori").to_numpy(dtype=float),
            n_permutations=20_000,
            rng=np.random.default_rng(1),
            blocks=site,
            levels=True,
        )
        found = pooled.loc[stratum].loc[values.columns]
        np.testing.assert_allclose(found["p_permutation"], alone.p, atol=0.05)
        np.testing.assert_allclose(found["p_max_t"], alone.p_max_t, atol=0.05)
    shifted = pooled.loc[("all", FEATURES[0])]
    assert shifted["p_permutation"] == shifted["p_max_t"] == 1 / 1001


def test_a_feature_of_one_site_is_not_among_the_tests(permuted_plan, consortium):
    _, frames = snapshots.look(permuted_plan)
    first, *others = frames.batches
    alone = type(first)(**vars(first) | {"columns": first.columns.replace("citrulline", "valine")})
    frames = type(frames)(frames.people, (alone, *others))
    tables = compute(frames, permuted_plan.parsed, [], on_step=lambda *_: None).tables
    pooled = tables["pooled"].set_index(["stratum", "feature"])
    assert pooled.loc[("all", "valine"), P].isna().all()
    assert pooled.loc[("all", "citrulline"), P].notna().all()


def test_a_covariate_that_a_site_lacks_costs_none_of_its_people(permuted_plan, consortium):
    permuted_plan.data = permuted_plan.data | {"covariates": ["age_years", "sex"]}
    Participant.objects.filter(site__code=SITES[0]).update(birth_year=None)
    pooled = pooled_of(run_now(permuted_plan)).set_index(["stratum", "feature"])
    assert (pooled["p_permutation"] > 0).all()
    assert pooled.loc[("all", FEATURES[0]), "p_max_t"] < 0.01


def test_two_workers_count_what_one_counts_bit_for_bit(permuted_plan, consortium, monkeypatch):
    one = pooled_of(run_now(permuted_plan))
    monkeypatch.setattr(parts, "SHARED_FROM_SECONDS", 0.0)
    monkeypatch.setattr(parts, "PART_SECONDS", 1e-9)
    monkeypatch.setattr(parts.bell, "ring", lambda *_args, **_options: True)
    permuted_plan.data = permuted_plan.data | {"n_trees": 11}  # not the same run again
    permuted_plan.save()
    from analysis.models import StepResult

    StepResult.objects.all().delete()
    seen, end = [], parts.Shared.end

    def looked_at(shared):
        seen.extend(_kinds(shared))
        end(shared)

    monkeypatch.setattr(parts.Shared, "end", looked_at)
    run = runs.request(permuted_plan, cause="test")
    with Helper(run.pk) as helper:
        runs.execute(run.pk)
    assert helper.n_done > 0
    assert "permutations" in seen
    run = Run.objects.select_related("plan__study", "snapshot").get(pk=run.pk)
    pd.testing.assert_frame_equal(pooled_of(run), one, check_exact=True)


def _kinds(shared):
    found = RunPart.objects.filter(token=shared.token)
    return [piece["kind"] for part in found for piece in part.inputs]


def test_analysts_see_them_rounded_as_p_and_not_where_p_is_hidden(permuted_plan, consortium):
    run = run_now(permuted_plan)
    Run.objects.filter(pk=run.pk).update(released_at="2026-01-01T00:00Z")
    seen = results.table_for(run, "pooled", user_with("CA"))
    exact = pooled_of(run)
    assert (seen[P].isna() == seen[["p", "p"]].isna().to_numpy()).all(axis=None)
    told = seen["p_permutation"].notna()
    assert told.any()
    for was, is_told in zip(exact["p_permutation"][told], seen["p_permutation"][told], strict=True):
        assert is_told == float(f"{was:.1e}")


@pytest.mark.parametrize(
    ("value", "said"),
    [(-1, "it lies between 0 and 100000"), (2.5, "it is a whole number"), (True, "it lies")],
)
def test_other_numbers_of_permutations_are_refused(value, said):
    from django.core.exceptions import ValidationError

    with pytest.raises(ValidationError, match=f"permutations is {value}; {said}"):
        parse({"case": ["a"], "control": ["b"], "permutations": value})
