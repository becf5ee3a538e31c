"""Work cut into pieces for several workers gives what one worker gives, bit for bit."""

import pickle
from dataclasses import fields, is_dataclass

import numpy as np
import pytest

from analysis.stats import classify, nested_folds, permutation
from analysis.stats.errors import UnusableData
from analysis.stats.forest import RandomForest
from analysis.stats.nested import gather_nested, nested_leave_one_site_out
from analysis.stats.site_folds import read_study
from analysis.stats.site_groups import leave_out

GRID = ({"min_leaf": 5, "max_features": "sqrt"}, {"min_leaf": 12, "max_features": "sqrt"})


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def study(sites="ABCD", per_site=30):
    drawn = np.random.default_rng(1)
    site = np.repeat(list(sites), per_site)
    labels = drawn.integers(0, 2, len(site))
    values = drawn.normal(size=(len(site), 6))
    values[:, 0] += labels
    values[drawn.random(values.shape) < 0.03] = np.nan
    return values, labels, site


def assert_identical(one, other) -> None:
    """The same to the last bit, field by field."""
    assert type(one) is type(other)
    if is_dataclass(one):
        for field in fields(one):
            assert_identical(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, tuple):
        assert len(one) == len(other)
        for part, counterpart in zip(one, other, strict=True):
            assert_identical(part, counterpart)
    else:
        np.testing.assert_array_equal(one, other)


def elsewhere(piece):
    """The piece as it comes back from another process."""
    return pickle.loads(pickle.dumps(piece))  # noqa: S301  # made one line above


def test_nested_folds_in_any_order_give_the_whole():
    data, learner = study(), RandomForest(6, GRID)
    whole = nested_leave_one_site_out(*data, learner=learner, rng=rng(), n_important=3)
    seed = int(rng().integers(2**31 - 1))
    at_work = read_study(*data)
    plan = nested_folds.plan_nested(at_work, learner, seed=seed, n_important=3)
    assert len(plan.inner) == 6 * 2
    inner = [elsewhere(nested_folds.fit_inner(at_work, plan, fold)) for fold in plan.inner[::-1]]
    judged = [
        elsewhere(nested_folds.judge_sites(read_study(*data), plan, (site,), inner)[0])
        for site in "CADB"
    ]
    assert_identical(gather_nested(at_work, plan, judged), whole)


def test_a_nested_report_of_half_its_folds_is_refused():
    at_work = read_study(*study())
    plan = nested_folds.plan_nested(at_work, RandomForest(2, GRID), seed=1, n_important=0)
    inner = [nested_folds.fit_inner(at_work, plan, fold) for fold in plan.inner]
    with pytest.raises(UnusableData, match="missing: InnerFold"):
        nested_folds.judge_sites(at_work, plan, ("A",), inner[1:])
    [judged] = nested_folds.judge_sites(at_work, plan, ("A",), inner)
    with pytest.raises(UnusableData, match=r"missing: B, C, D; twice: A\. Compute these again"):
        gather_nested(at_work, plan, [judged, judged])


def test_left_out_sites_in_any_order_give_the_whole():
    values, labels, site = study()
    labels[site == "B"] = 1  # cannot be tested, and says so in either way
    whole = classify.leave_one_site_out(values, labels, site, rng=rng(), n_trees=5)
    at_work = read_study(values, labels, site)
    seeds = classify.site_seeds(at_work, rng())
    folds = [
        elsewhere(classify.judge_forest(at_work, (code,), n_trees=5, seed=seeds[code])[0])
        for code in "DCA"
    ] + classify.not_tested(leave_out(at_work))
    assert_identical(classify.gather_sites(at_work, folds), whole)
    with pytest.raises(UnusableData, match=r"Each left-out site is gathered once\. missing: D"):
        classify.gather_sites(at_work, folds[1:])


@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize(
    ("n_samples", "n_covariates", "n_permutations"), [(40, 2, 700), (12, 0, 1000)]
)
def test_permutations_counted_in_pieces_give_the_whole(
    n_samples, n_covariates, n_permutations, missing
):
    drawn = np.random.default_rng(3)
    values = drawn.normal(size=(n_samples, 5))
    values[drawn.random(values.shape) < missing] = np.nan
    group = np.arange(n_samples) % 2
    covariates = drawn.normal(size=(n_samples, n_covariates)) if n_covariates else None
    whole = permutation.permute_effects(
        values, group, covariates, n_permutations=n_permutations, rng=rng()
    )
    seed = int(rng().integers(2**63 - 1))
    prepared = permutation.prepare_permutations(
        values, group, covariates, n_permutations=n_permutations, seed=seed
    )
    assert prepared.n_pieces == -(-whole.n_permutations // 256) > 2
    parts = [
        elsewhere(permutation.count_permutations(prepared, pieces))
        for pieces in (range(2, prepared.n_pieces), range(1), range(1, 2))
    ]
    assert_identical(permutation.gather_permutations(prepared, parts), whole)
    with pytest.raises(UnusableData, match="Each piece of permutations is gathered once"):
        permutation.gather_permutations(prepared, [*parts, parts[1]])
    far = permutation.Counted((9,), parts[0].own, parts[0].largest)
    with pytest.raises(UnusableData, match="not asked for: 9"):
        permutation.gather_permutations(prepared, [*parts, far])
