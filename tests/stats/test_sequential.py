"""The interval that holds at every look: its level, its power, and the formula behind it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate
from scipy import stats as distributions

from analysis.stats import sequential
from analysis.stats.errors import UnusableData
from analysis.stats.meta import BLOCK, pool_effects
from analysis.stats.sequential import TAUS, confidence_sequence, tau_weights
from tests.stats.effect_tables import cohort_tables, column, finnish, simulated
from tests.stats.monte_carlo import ever_called, growing_studies

LIMIT = np.log(20)

# --- what it is for ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "last", "tau2"), [(3, 3, 0.05), (3, 3, 0.2), (3, 10, 0.05), (3, 10, 0.2)]
)
def test_in_fifty_looks_at_nothing_a_claim_is_called_in_at_most_5_of_100_studies(first, last, tau2):
    rng = np.random.default_rng(2021)
    always, _, _ = ever_called(rng, 500, first, last, mean=0, tau2=tau2)
    assert always <= 0.05


def test_the_ordinary_interval_calls_more_than_it_says_when_it_is_looked_at_again():
    _, ordinary, _ = ever_called(np.random.default_rng(2022), 300, 3, 10, mean=0, tau2=0.2)
    assert ordinary > 0.08


def test_five_sites_find_an_effect_of_half_a_standard_deviation():
    always, _, at_the_end = ever_called(np.random.default_rng(2023), 200, 5, 5, mean=0.5, tau2=0)
    assert always > 0.85
    assert at_the_end > always


@pytest.mark.parametrize("mean", [0.35, -0.8])
def test_the_interval_holds_the_effect_at_all_looks_in_95_of_100_studies(mean):
    rng = np.random.default_rng(2024)
    missed = np.zeros(300, dtype=bool)
    for g, variance in growing_studies(rng, 300, 3, 8, mean=mean, tau2=0.05, n_looks=20):
        always = confidence_sequence(g, variance)
        missed |= (always.ci_low > mean) | (mean > always.ci_high)
    assert missed.mean() <= 0.05


# --- what it is ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mean", [0.0, 0.3])
def test_the_e_value_is_the_ratio_of_likelihoods_integrated_by_hand(mean):
    y, v = np.array([0.5, 0.1, 0.45]), np.array([0.05, 0.08, 0.12])

    def likelihood(m, tau):
        return distributions.norm.pdf(y, m, np.sqrt(v + tau**2)).prod()

    def averaged(tau):
        prior = distributions.norm(0, 0.4).pdf
        return integrate.quad(lambda m: prior(m) * likelihood(m, tau), -4, 4, limit=200)[0]

    pairs = list(zip(0.4 * TAUS, tau_weights(), strict=True))
    mixture = sum(share * averaged(tau) for tau, share in pairs)
    null = sum(share * likelihood(mean, tau) for tau, share in pairs)
    found = confidence_sequence(column(y), column(v))
    if mean == 0:
        assert found.log_e[0] == pytest.approx(np.log(mixture / null), rel=1e-8)
        assert found.p[0] == pytest.approx(min(1, null / mixture))
    edge = sum(share * likelihood(found.ci_high[0], tau) for tau, share in pairs)
    assert mixture / edge == pytest.approx(20, rel=1e-6)


def test_with_tau_known_it_is_robbins_normal_mixture(monkeypatch):
    monkeypatch.setattr(sequential, "TAUS", np.array([0.0]))
    y, v = np.array([0.5, 0.1, 0.45]), np.array([0.05, 0.08, 0.12])
    found = confidence_sequence(column(y), column(v), effect_of_interest=0.3)
    total, score = (1 / v).sum(), (y / v).sum()
    rho = 1 / 0.3**2
    expected = score**2 / (2 * (total + rho)) - 0.5 * np.log((total + rho) / rho)
    assert found.log_e[0] == pytest.approx(expected)


def test_the_weights_of_heterogeneity_are_shares():
    assert tau_weights().sum() == pytest.approx(1)
    assert (tau_weights() > 0.03).all()


@settings(max_examples=60, deadline=None)
@given(cohort_tables())
def test_a_claim_is_called_exactly_when_the_interval_leaves_zero(table):
    found = confidence_sequence(*table)
    known = found.n_cohorts >= 2
    clear = known & (np.abs(found.log_e - LIMIT) > 1e-6)
    outside = (found.ci_low > 0) | (found.ci_high < 0)
    # A hull may hold 0 between two camps of cohorts though e is above the limit there.
    assert (found.log_e > LIMIT)[outside & clear].all()
    assert (found.ci_low < found.ci_high)[known].all()


@settings(max_examples=25, deadline=None)
@given(cohort_tables())
def test_the_limits_are_the_outermost_means_that_a_fine_search_finds(table):
    found = confidence_sequence(*table)
    for feature in np.flatnonzero(found.n_cohorts >= 2):
        y, v = (part[:, [feature]] for part in table)
        evidence = sequential._weigh(y, v, 0.4)
        means = np.linspace(y[np.isfinite(y)].min() - 8, y[np.isfinite(y)].max() + 8, 4001)
        inside = means[evidence.log_e(means[:, None])[:, 0] <= LIMIT]
        step = means[1] - means[0]
        assert len(inside)
        assert found.ci_low[feature] <= inside[0] + 1e-9
        assert found.ci_high[feature] >= inside[-1] - 1e-9
        assert found.ci_low[feature] >= inside[0] - step
        assert found.ci_high[feature] <= inside[-1] + step


def test_it_costs_half_the_width_again_where_ten_sites_measured():
    table = simulated(10, 400)
    always, once = confidence_sequence(*table), pool_effects(*table)
    ratio = (always.ci_high - always.ci_low) / (once.ci_high - once.ci_low)
    assert 1.2 < np.median(ratio) < 2


def test_what_four_finnish_cohorts_call_at_every_look_is_on_the_published_side(real_data):
    estimates, variances, (published, published_se) = finnish(real_data)
    found = confidence_sequence(estimates, variances)
    called = (found.ci_low > 0) | (found.ci_high < 0)
    assert called.sum() == 17
    assert (np.abs(published / published_se)[called] > 2).all()
    assert (np.sign(published)[called] == np.sign(found.ci_low)[called]).all()


# --- what holds for any data ---------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(cohort_tables(), st.sampled_from([-1.0, 0.01, 17.1]))
def test_a_change_of_unit_changes_only_the_unit(table, factor):
    before = confidence_sequence(*table)
    after = confidence_sequence(
        table[0] * factor, table[1] * factor**2, effect_of_interest=0.4 * abs(factor)
    )
    ends = np.sort([after.ci_low / factor, after.ci_high / factor], axis=0)
    np.testing.assert_allclose(ends, [before.ci_low, before.ci_high], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(after.log_e, before.log_e, rtol=1e-7, atol=1e-8)


@settings(max_examples=30, deadline=None)
@given(cohort_tables(), st.randoms(use_true_random=False))
def test_the_order_of_cohorts_and_a_cohort_without_the_feature_do_not_matter(table, order):
    rows = [*range(len(table[0])), len(table[0])]
    order.shuffle(rows)
    nothing = np.full((1, table[0].shape[1]), np.nan)
    before = confidence_sequence(*table)
    after = confidence_sequence(*(np.vstack([part, nothing])[rows] for part in table))
    np.testing.assert_allclose(after.ci_low, before.ci_low, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(after.log_e, before.log_e, rtol=1e-8, atol=1e-9)
    assert after.reason == before.reason


def test_a_feature_has_the_same_interval_alone_and_in_a_large_table():
    table = simulated(4, BLOCK + 3, missing=0.3)
    together = confidence_sequence(*table)
    for feature in (0, BLOCK - 1, BLOCK + 2):
        alone = confidence_sequence(*(part[:, [feature]] for part in table))
        np.testing.assert_allclose(together.ci_high[feature], alone.ci_high[0], rtol=1e-9)


def test_a_further_cohort_of_no_weight_changes_nothing():
    table = simulated(4, 20)
    wider = [
        np.vstack([part, np.full((1, 20), end)])
        for part, end in zip(table, (0.3, 1e12), strict=True)
    ]
    found, same = confidence_sequence(*table), confidence_sequence(*wider)
    np.testing.assert_allclose(same.ci_low, found.ci_low, atol=1e-5)


def test_under_two_cohorts_there_is_no_interval_and_a_reason():
    found = confidence_sequence(
        [[np.nan, 0.1], [np.nan, np.nan]], [[np.nan, 0.1], [np.nan, np.nan]]
    )
    assert np.isnan([found.ci_low, found.log_e, found.p]).all()
    assert found.reason == ("no cohort measured it", "one cohort: nothing to pool")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"effect_of_interest": 0}, "effect of interest is 0: give one above 0"),
        ({"effect_of_interest": np.inf}, "effect of interest is inf"),
        ({"level": 0.5}, "Level 0.5 is not kept: give one from 0.9 to 1"),
        ({"level": 1}, "Level 1 is not kept"),
    ],
)
def test_a_setting_that_keeps_no_level_is_refused(options, message):
    with pytest.raises(UnusableData, match=message):
        confidence_sequence([[0.1], [0.2]], [[0.1], [0.1]], **options)


def test_numbers_that_cannot_be_pooled_are_refused():
    with pytest.raises(UnusableData, match="a variance that is not above 0"):
        confidence_sequence([[0.1], [0.2]], [[0.1], [-0.1]])
