"""Permutation p values equal those counted one by one."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest

from analysis.stats import orders
from analysis.stats.effects import fit_effects
from analysis.stats.errors import UnusableData
from analysis.stats.orders import all_orders, n_orders, random_orders
from analysis.stats.permutation import permute_effects


def cohort(n: int = 40, m: int = 6, effect: float = 0.0, missing: float = 0.0):
    rng = np.random.default_rng(5)
    group = np.arange(n) % 2
    covariates = rng.normal(size=(n, 2)) + group[:, None]
    values = rng.normal(size=(n, m)) + covariates[:, [0]]
    values[:, 0] += effect * group
    values[rng.random(values.shape) < missing] = np.nan
    return values, group, covariates


def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def test_a_small_study_counts_every_choice_of_cases_once():
    values, group, _ = cohort(n=9)
    permuted = permute_effects(values, group, n_permutations=200, rng=rng())
    t = np.array(
        [
            np.abs(fit_effects(values, np.isin(np.arange(9), chosen).astype(int)).t)
            for chosen in combinations(range(9), int(group.sum()))
        ]
    )
    observed = np.abs(fit_effects(values, group).t) * (1 - 1e-9)
    assert permuted.exact
    assert permuted.n_permutations == len(t) == 126
    np.testing.assert_allclose(permuted.p, (t >= observed).mean(axis=0), rtol=1e-12)
    largest = t.max(axis=1)[:, None]
    np.testing.assert_allclose(permuted.p_max_t, (largest >= observed).mean(axis=0), rtol=1e-12)


def test_with_covariates_every_order_of_the_residuals_is_refitted():
    values, group, covariates = cohort(n=6, m=3)
    covariates = covariates[:, [1]]
    permuted = permute_effects(values, group, covariates, n_permutations=720, rng=rng())
    beside = np.column_stack([np.ones(6), covariates])
    fitted = beside @ np.linalg.lstsq(beside, values, rcond=None)[0]
    t = np.array(
        [
            np.abs(fit_effects(fitted + (values - fitted)[list(order)], group, covariates).t)
            for order in permutations(range(6))
        ]
    )
    observed = np.abs(fit_effects(values, group, covariates).t) * (1 - 1e-9)
    assert permuted.exact
    np.testing.assert_allclose(permuted.p, (t >= observed).mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_many_random_permutations_come_close_to_students_p(missing):
    values, group, covariates = cohort(missing=missing)
    permuted = permute_effects(values, group, covariates, n_permutations=4000, rng=rng())
    effects = fit_effects(values, group, covariates)
    assert not permuted.exact
    np.testing.assert_allclose(permuted.t, effects.t)
    np.testing.assert_allclose(permuted.p, effects.p, atol=0.04)
    assert (permuted.p_max_t >= permuted.p).all()


def test_a_true_effect_is_found_and_no_p_is_zero():
    values, group, covariates = cohort(effect=4.0)
    permuted = permute_effects(values, group, covariates, n_permutations=999, rng=rng())
    assert permuted.p[0] == permuted.p_max_t[0] == 1 / 1000
    assert (permuted.p_max_t[1:] > 0.05).all()


def test_samples_are_exchanged_only_inside_their_site():
    group = np.array([0, 0, 1, 1, 0, 1])
    values = np.array([[1.0], [2.0], [4.0], [3.0], [10.0], [12.0]])
    site = ["A"] * 4 + ["B"] * 2
    permuted = permute_effects(values, group, blocks=site, n_permutations=99, rng=rng())
    assert permuted.n_permutations == 6 * 2
    arrangements = [
        [int(i in chosen) for i in range(4)] + list(other)
        for chosen in combinations(range(4), 2)
        for other in ((0, 1), (1, 0))
    ]
    t = np.array([abs(fit_effects(values, labels).t[0]) for labels in arrangements])
    observed = abs(permuted.t[0]) * (1 - 1e-9)
    assert permuted.p[0] == pytest.approx((t >= observed).mean())


def test_the_same_seed_gives_the_same_p():
    values, group, covariates = cohort(missing=0.1)
    one, other = (
        permute_effects(values, group, covariates, n_permutations=300, rng=rng()) for _ in "ab"
    )
    np.testing.assert_array_equal(one.p_max_t, other.p_max_t)


def test_a_feature_that_cannot_be_tested_neither_gets_a_p_nor_raises_others():
    values, group, covariates = cohort()
    constant = np.column_stack([values, np.ones(len(values))])
    permuted = permute_effects(constant, group, covariates, n_permutations=300, rng=rng())
    alone = permute_effects(values, group, covariates, n_permutations=300, rng=rng())
    assert np.isnan(permuted.p[-1])
    assert np.isnan(permuted.p_max_t[-1])
    assert permuted.reason[-1].startswith("constant")
    np.testing.assert_array_equal(permuted.p_max_t[:-1], alone.p_max_t)


def test_a_study_without_any_testable_feature_says_so_for_each():
    permuted = permute_effects(np.ones((6, 2)), [0, 1] * 3, n_permutations=99, rng=rng())
    assert np.isnan(permuted.p).all()


def test_no_permutation_is_refused():
    with pytest.raises(UnusableData, match="Permutations: 0 is no count"):
        permute_effects(np.ones((2, 1)), [0, 1], n_permutations=0, rng=rng())


def test_single_precision_of_the_refit_changes_no_p(monkeypatch):
    values, group, covariates = cohort(n=300, m=20, effect=0.3)
    single = permute_effects(values, group, covariates, n_permutations=2000, rng=rng())
    monkeypatch.setattr("analysis.stats.families._SMALL", 0.0)
    double = permute_effects(values, group, covariates, n_permutations=2000, rng=rng())
    np.testing.assert_array_equal(single.p, double.p)
    np.testing.assert_array_equal(single.p_max_t, double.p_max_t)


def test_every_order_is_drawn_as_often_as_every_other():
    drawn = random_orders(np.zeros(4, int), 24_000, rng())
    orders, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(orders) == 24
    # Chi-squared with 23 degrees of freedom exceeds 50 once in a thousand times.
    assert ((counts - 1000) ** 2 / 1000).sum() < 50


def test_orders_inside_interleaved_blocks_stay_there():
    codes = np.array([1, 0, 1, 2, 0, 1])
    drawn = random_orders(codes, 300, rng())
    np.testing.assert_array_equal(codes[drawn], np.tile(codes, (300, 1)))
    np.testing.assert_array_equal(np.sort(drawn, axis=1), np.tile(np.arange(6), (300, 1)))


def test_more_orders_of_residuals_than_asked_for_are_not_counted():
    values, group, covariates = cohort(n=6, m=3)
    few = permute_effects(values, group, covariates[:, [1]], n_permutations=719, rng=rng())
    assert not few.exact
    every = list(all_orders(np.tile([0.0, 1.0], 3), np.zeros(6, int), np.empty((6, 1))))
    assert len(np.unique(np.concatenate(every), axis=0)) == 720


def test_orders_that_fill_the_last_batch_of_them_all_come_once(monkeypatch):
    monkeypatch.setattr(orders, "AT_ONCE", 5)
    labels, codes = np.array([0.0, 0, 0, 1, 1, 1]), np.zeros(6, dtype=np.int64)
    parts = list(all_orders(labels, codes, np.empty((6, 0))))
    assert n_orders(labels, codes, np.empty((6, 0))) == 20
    assert [len(part) for part in parts] == [5, 5, 5, 5]
    assert len({tuple(order >= 3) for part in parts for order in part}) == 20


def two_sites(missing: float):
    """Sites of different levels, one after the other in turn."""
    values, group, covariates = cohort(n=60, missing=missing)
    site = np.where(np.arange(60) % 3 == 0, "A", "B")
    return values + 5.0 * (site == "A")[:, None], group, covariates, site


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_levels_of_blocks_are_adjusted_for_as_by_a_covariate(missing):
    values, group, covariates, site = two_sites(missing)
    asked = {"n_permutations": 400, "blocks": site}
    cheap = permute_effects(values, group, covariates, rng=rng(), levels=True, **asked)
    columns = np.column_stack([covariates, site == "A"])
    whole = permute_effects(values, group, columns, rng=rng(), **asked)
    np.testing.assert_allclose(cheap.t, whole.t, rtol=1e-9)
    np.testing.assert_array_equal(cheap.p, whole.p)
    np.testing.assert_array_equal(cheap.p_max_t, whole.p_max_t)


def test_the_order_of_samples_of_different_blocks_does_not_matter():
    values, group, covariates, site = two_sites(missing=0.2)
    asked = {"n_permutations": 400, "levels": True}
    mixed = permute_effects(values, group, covariates, rng=rng(), blocks=site, **asked)
    by_site = np.argsort(site, kind="stable")
    parts = (table[by_site] for table in (values, group, covariates))
    in_turn = permute_effects(*parts, rng=rng(), blocks=site[by_site], **asked)
    np.testing.assert_array_equal(mixed.p, in_turn.p)
