"""Pooling of cohorts: against metafor, against printed results, and what holds for any data."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from statsmodels.stats.meta_analysis import combine_effects

from analysis.stats import newton
from analysis.stats.errors import UnusableData
from analysis.stats.meta import BLOCK, PooledEffects, pool_effects
from tests.stats.effect_tables import METAFOR as MORE_METAFOR
from tests.stats.effect_tables import cohort_tables, column, finnish, named, simulated
from tests.stats.monte_carlo import coverage
from tests.stats.r_reference import stored

METAFOR = stored("meta_metafor")
ESTIMATORS = ("FE", "HE", "DL", "HS", "SJ", "PM", "EB", "ML", "REML")
NUMBERS = tuple(field.name for field in fields(PooledEffects))[:12]  # up to n_cohorts


def assert_same(one: PooledEffects, other: PooledEffects, **tolerance):
    tolerance = {"rtol": 1e-7, "atol": 1e-9} | tolerance
    for name in NUMBERS:
        np.testing.assert_allclose(
            getattr(one, name), getattr(other, name), err_msg=name, **tolerance
        )
    assert one.reason == other.reason


# --- against others ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row", METAFOR["rows"], ids=lambda row: f"{row['table']}-{row['tau2_method']}-{row['test']}"
)
def test_pooling_gives_what_metafor_gives(row):
    table = METAFOR["tables"][row["table"]]
    test = {"adhoc": "hksj"}.get(row["test"], row["test"])
    y, v = column(table["y"]), column(table["v"])
    pooled = pool_effects(y, v, tau2=row["tau2_method"], test=test)
    for name in NUMBERS[:-1]:
        expected = np.nan if row[name] is None else row[name]
        assert getattr(pooled, name)[0] == pytest.approx(expected, rel=2e-6, abs=1e-7, nan_ok=True)


@pytest.mark.parametrize("row", MORE_METAFOR["hksj_plain"], ids=named)
def test_plain_hartung_knapp_gives_what_metafor_gives(row):
    table = MORE_METAFOR["tables"][row["table"]]
    y, v = column(table["y"]), column(table["v"])
    pooled = pool_effects(y, v, tau2=row["tau2_method"], test="hksj_plain")
    tolerance = 1e-10 if row["tau2_method"] == "DL" else 1e-5
    for name in ("estimate", "se", "ci_low", "ci_high", "p"):
        assert getattr(pooled, name)[0] == pytest.approx(row[name], rel=tolerance), name


def test_a_table_of_features_gives_what_statsmodels_gives_feature_by_feature():
    estimates, variances = simulated(6, 25)
    pooled = pool_effects(estimates, variances, tau2="DL", test="z")
    above_zero = np.flatnonzero(pooled.tau2 > 0)  # statsmodels lets its DL fall below 0
    assert len(above_zero) >= 10
    for feature in above_zero:
        alone = combine_effects(estimates[:, feature], variances[:, feature], method_re="dl")
        assert pooled.tau2[feature] == pytest.approx(alone.tau2)
        assert pooled.estimate[feature] == pytest.approx(alone.mean_effect_re)


@pytest.mark.parametrize("method", ["ML", "REML"])
def test_no_other_tau2_has_a_higher_likelihood(method):
    estimates, variances = simulated(5, 40, seed=2)
    found = pool_effects(estimates, variances, tau2=method).tau2

    def log_likelihood(tau2, y, v):
        weight = 1 / (v + tau2)
        centre = np.average(y, weights=weight)
        restricted = np.log(weight.sum()) if method == "REML" else 0.0
        return -0.5 * (np.log(v + tau2).sum() + restricted + (weight * (y - centre) ** 2).sum())

    grid = np.concatenate([[0.0], np.geomspace(1e-6, 10, 400)])
    for feature, best in enumerate(found):
        y, v = estimates[:, feature], variances[:, feature]
        reached = log_likelihood(best, y, v)
        assert reached >= max(log_likelihood(tau2, y, v) for tau2 in grid) - 1e-9


@pytest.mark.parametrize(
    ("y", "v", "at_zero"),
    [
        ([-0.003, -0.678, 3.648], [0.00054, 0.66954, 2.86063], True),
        ([0.993, 1.266, -1.441], [0.02485, 0.06489, 1.05571], False),
    ],
)
def test_of_two_peaks_of_the_likelihood_the_higher_is_taken(y, v, at_zero):
    """REML of both has a peak at 0 and another above it."""
    assert bool(pool_effects(column(y), column(v)).tau2[0] == 0) is at_zero
    grid = np.concatenate([[0.0], np.geomspace(1e-4, 100, 2000)])
    best = max(grid, key=lambda tau2: restricted_log_likelihood(tau2, np.array(y), np.array(v)))
    assert bool(best == 0) is at_zero


def restricted_log_likelihood(tau2, y, v):
    weight = 1 / (v + tau2)
    squares = (weight * (y - np.average(y, weights=weight)) ** 2).sum()
    return -0.5 * (np.log(v + tau2).sum() + np.log(weight.sum()) + squares)


def test_paule_mandel_makes_the_generalised_q_equal_its_degrees_of_freedom():
    estimates, variances = simulated(8, 30, seed=3)
    found = pool_effects(estimates, variances, tau2="PM").tau2

    def excess(tau2, y, v):
        weight = 1 / (v + tau2)
        return (weight * (y - np.average(y, weights=weight)) ** 2).sum() - 7

    for feature, tau2 in enumerate(found):
        y, v = estimates[:, feature], variances[:, feature]
        expected = optimize.brentq(excess, 0, 50, args=(y, v)) if excess(0, y, v) > 0 else 0.0
        assert tau2 == pytest.approx(expected, abs=1e-9)


def test_four_finnish_cohorts_pool_to_the_published_diabetes_risks(real_data):
    estimates, variances, (published, published_se) = finnish(real_data)
    pooled = pool_effects(estimates, variances, tau2="FE", test="z")
    # Their table has eight decimals: 8e-8 is what rounding leaves.
    np.testing.assert_allclose(pooled.estimate, published, atol=1e-7, rtol=0)
    np.testing.assert_allclose(pooled.se, published_se, rtol=2e-7)


# --- coverage ------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_sites", [3, 5, 10])
@pytest.mark.parametrize("tau2", [0.0, 0.05])
def test_hartung_knapp_intervals_hold_the_effect_in_95_of_100_studies(n_sites, tau2):
    rng = np.random.default_rng(1982)
    assert 0.94 < coverage(rng, 6000, n_sites, tau2, test="hksj_plain") < 0.96
    # Never narrower: on the safe side, and more so the fewer the sites and the less they differ.
    assert coverage(rng, 6000, n_sites, tau2, test="hksj") > 0.95


def test_never_narrower_costs_little_with_ten_sites_that_differ():
    assert coverage(np.random.default_rng(1983), 6000, 10, 0.05) < 0.97


def test_the_normal_interval_misses_too_often_where_few_sites_differ():
    assert coverage(np.random.default_rng(1984), 6000, 3, 0.05, test="z") < 0.93


# --- what holds for any data ---------------------------------------------------------------------


@pytest.mark.parametrize("method", ESTIMATORS)
@settings(max_examples=25, deadline=None)
@given(table=cohort_tables(), shift=st.floats(-5, 5))
def test_shifting_every_cohort_shifts_only_the_estimate(method, table, shift):
    before = pool_effects(*table, tau2=method)
    after = pool_effects(table[0] + shift, table[1], tau2=method)
    np.testing.assert_allclose(after.estimate, before.estimate + shift, atol=1e-5)
    np.testing.assert_allclose(after.tau2, before.tau2, atol=1e-5)
    np.testing.assert_allclose(after.se, before.se, atol=1e-5)


@pytest.mark.parametrize("method", ESTIMATORS)
@settings(max_examples=25, deadline=None)
@given(table=cohort_tables(), factor=st.sampled_from([-1.0, 0.01, 17.1, 1000.0]))
def test_a_change_of_unit_changes_only_the_unit(method, table, factor):
    before = pool_effects(*table, tau2=method)
    after = pool_effects(table[0] * factor, table[1] * factor**2, tau2=method)
    np.testing.assert_allclose(after.estimate / factor, before.estimate, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(after.tau2 / factor**2, before.tau2, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(after.p, before.p, rtol=1e-4, atol=1e-8)


@settings(max_examples=40, deadline=None)
@given(table=cohort_tables(), order=st.randoms(use_true_random=False))
def test_the_order_of_cohorts_does_not_matter(table, order):
    rows = list(range(len(table[0])))
    order.shuffle(rows)
    assert_same(
        pool_effects(*table), pool_effects(table[0][rows], table[1][rows]), rtol=1e-5, atol=1e-7
    )


@settings(max_examples=40, deadline=None)
@given(table=cohort_tables(), order=st.randoms(use_true_random=False))
def test_the_order_of_features_does_not_matter(table, order):
    columns = list(range(table[0].shape[1]))
    order.shuffle(columns)
    before, after = pool_effects(*table), pool_effects(*(part[:, columns] for part in table))
    np.testing.assert_allclose(after.estimate, before.estimate[columns], rtol=1e-9)
    np.testing.assert_allclose(after.p, before.p[columns], rtol=1e-9)
    assert after.reason == tuple(before.reason[at] for at in columns)


@settings(max_examples=40, deadline=None)
@given(table=cohort_tables())
def test_sending_every_cohort_twice_halves_the_variance_and_leaves_the_fixed_effect(table):
    once = pool_effects(*table, tau2="FE")
    twice = pool_effects(*(np.vstack([part, part]) for part in table), tau2="FE")
    np.testing.assert_allclose(twice.estimate, once.estimate, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(twice.se, once.se / np.sqrt(2), rtol=1e-9)
    several = once.n_cohorts >= 2
    np.testing.assert_allclose(
        twice.q_statistic[several], 2 * once.q_statistic[several], rtol=1e-9, atol=1e-20
    )


@settings(max_examples=30, deadline=None)
@given(table=cohort_tables())
def test_pooling_is_the_loop_of_the_textbook_formula(table):
    pooled = pool_effects(*table, tau2="DL", test="hksj_plain")
    for feature in np.flatnonzero(pooled.n_cohorts >= 2):
        y, v = (part[:, feature][np.isfinite(part[:, feature])] for part in table)
        w = 1 / v
        q = (w * (y - np.average(y, weights=w)) ** 2).sum()
        tau2 = max(0.0, (q - len(y) + 1) / (w.sum() - (w**2).sum() / w.sum()))
        w = 1 / (v + tau2)
        centre = np.average(y, weights=w)
        se = np.sqrt((w * (y - centre) ** 2).sum() / (len(y) - 1) / w.sum())
        assert pooled.tau2[feature] == pytest.approx(tau2, rel=1e-9, abs=1e-12)
        assert pooled.estimate[feature] == pytest.approx(centre, rel=1e-9, abs=1e-12)
        if not pooled.reason[feature]:
            assert pooled.se[feature] == pytest.approx(se, rel=1e-6)


@pytest.mark.parametrize("method", ESTIMATORS)
@settings(max_examples=15, deadline=None)
@given(table=cohort_tables())
def test_a_cohort_that_measured_nothing_changes_nothing(method, table):
    nothing = np.full((1, table[0].shape[1]), np.nan)
    wider = [np.vstack([part, nothing]) for part in table]
    assert_same(pool_effects(*table, tau2=method), pool_effects(*wider, tau2=method))


@settings(max_examples=40, deadline=None)
@given(table=cohort_tables())
def test_hartung_knapp_is_never_narrower_than_the_plain_intervals(table):
    widths = [
        pool_effects(*table, test=test).ci_high - pool_effects(*table, test=test).ci_low
        for test in ("hksj", "t", "z")
    ]
    known = ~np.isnan(widths[0])
    assert (widths[0] >= widths[1] - 1e-12)[known].all()
    assert (widths[1] >= widths[2] - 1e-12)[known].all()


@pytest.mark.parametrize("method", ESTIMATORS)
def test_a_feature_pools_alike_alone_and_in_a_large_table(method):
    estimates, variances = simulated(6, BLOCK + 5, seed=4, missing=0.3)
    together = pool_effects(estimates, variances, tau2=method)
    for feature in (0, 7, BLOCK - 1, BLOCK + 4):
        alone = pool_effects(estimates[:, [feature]], variances[:, [feature]], tau2=method)
        assert together.estimate[feature] == pytest.approx(alone.estimate[0], rel=1e-9)
        assert together.tau2[feature] == pytest.approx(alone.tau2[0], rel=1e-7, abs=1e-12)


# --- few cohorts, and none -----------------------------------------------------------------------


def test_one_cohort_passes_through_with_its_own_normal_interval_and_says_so():
    pooled = pool_effects([[0.4], [np.nan]], [[0.04], [np.nan]])
    assert pooled.estimate[0] == 0.4
    assert pooled.ci_low[0] == pytest.approx(0.4 - 1.959964 * 0.2)
    assert pooled.p[0] == pytest.approx(0.0455003)
    assert np.isnan(pooled.tau2[0])
    assert pooled.reason == ("one cohort: nothing to pool",)


def test_a_feature_that_no_cohort_measured_has_no_number_and_a_reason():
    pooled = pool_effects([[np.nan, 0.1], [np.nan, 0.2]], [[np.nan, 0.1], [np.nan, 0.2]])
    assert all(np.isnan(getattr(pooled, name)[0]) for name in NUMBERS[:-1])
    assert pooled.reason == ("no cohort measured it", "")


def test_two_cohorts_are_pooled_without_a_prediction_interval():
    pooled = pool_effects([[0.1], [0.5]], [[0.1], [0.1]])
    assert np.isfinite(pooled.ci_low[0])
    assert np.isnan(pooled.pi_low[0])


def test_identical_cohorts_have_no_heterogeneity():
    for method in ESTIMATORS:
        pooled = pool_effects(np.full((4, 1), 0.3), np.full((4, 1), 0.1), tau2=method)
        assert pooled.estimate[0] == pytest.approx(0.3)
        assert (pooled.tau2[0], pooled.i2[0]) == (0, 0)


def test_identical_effects_do_not_make_p_zero():
    same, variances = np.full((4, 1), 0.3), column([0.1, 0.2, 0.1, 0.3])
    for method in ESTIMATORS:
        assert 0.001 < pool_effects(same, variances, tau2=method).p[0] < 0.25
    plain = pool_effects(same, variances, test="hksj_plain")
    assert plain.estimate[0] == pytest.approx(0.3)
    assert np.isnan([plain.p[0], plain.se[0], plain.ci_low[0]]).all()
    assert "use hksj" in plain.reason[0]


def test_one_cohort_passes_through_plain_hartung_knapp_too():
    pooled = pool_effects([[0.4]], [[0.04]], test="hksj_plain")
    assert pooled.se[0] == pytest.approx(0.2)
    assert pooled.reason == ("one cohort: nothing to pool",)


def test_cohorts_more_alike_than_chance_have_a_tau2_of_zero_not_below():
    table = METAFOR["tables"]["agree"]
    for method in ESTIMATORS:
        assert pool_effects(column(table["y"]), column(table["v"]), tau2=method).tau2[0] >= 0
    assert pool_effects(column(table["y"]), column(table["v"]), tau2="DL").tau2[0] == 0


def test_a_fixed_effect_has_a_normal_test_whatever_was_asked_and_says_so():
    pooled = pool_effects([[0.1], [0.5], [0.9]], [[0.1], [0.1], [0.2]], tau2="FE")
    assert pooled.test == "z"
    assert np.isnan(pooled.pi_low[0])


def test_a_search_that_does_not_settle_is_said_and_its_numbers_are_not_shown(monkeypatch):
    monkeypatch.setattr(newton, "MAX_STEPS", 1)
    table = METAFOR["tables"]["differ"]
    pooled = pool_effects(column(table["y"]), column(table["v"]))
    assert not pooled.converged[0]
    assert np.isnan(pooled.estimate[0])
    assert "did not settle" in pooled.reason[0]


def test_cohorts_of_very_unlike_precision_still_settle():
    rng = np.random.default_rng(5)
    variances = 10.0 ** rng.uniform(-9, 6, (6, 3000))
    estimates = rng.normal(size=variances.shape) * 10.0 ** rng.uniform(-5, 4, 3000)
    for method in ("ML", "REML", "PM"):
        assert pool_effects(estimates, variances, tau2=method).converged.all()


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimates", "variances", "message"),
    [
        ([[0.1], [0.2]], [[0.1], [0.0]], "Cohort 1, feature 0 .* a variance that is not above 0"),
        ([[0.1], [0.2]], [[0.1], [-0.1]], "Cohort 1, feature 0 .* a variance that is not above 0"),
        ([[0.1], [0.2]], [[0.1], [np.inf]], "has an infinite estimate or variance"),
        ([], [], r"give both as \(n_cohorts, n_features\)"),
        ([[0.1], [0.2]], [[0.1], [np.nan]], "has an estimate or a variance without the other"),
        ([[0.1], [np.inf]], [[0.1], [0.1]], "has an infinite estimate or variance"),
        ([[0.1], [0.2]], [[0.1, 0.1]], r"shape \(2, 1\) and variances \(1, 2\)"),
        ([0.1, 0.2], [0.1, 0.1], r"give both as \(n_cohorts, n_features\)"),
    ],
)
def test_numbers_that_cannot_be_pooled_are_refused_with_their_place(estimates, variances, message):
    with pytest.raises(UnusableData, match=message):
        pool_effects(estimates, variances)


def test_an_unknown_estimator_or_test_is_refused_with_the_known_ones():
    with pytest.raises(UnusableData, match='tau2 "magic" is not an estimator; use one of DL, EB'):
        pool_effects([[0.1], [0.2]], [[0.1], [0.1]], tau2="magic")
    with pytest.raises(
        UnusableData, match='test "knha" is not known; use one of hksj, hksj_plain, t, z'
    ):
        pool_effects([[0.1], [0.2]], [[0.1], [0.1]], test="knha")
