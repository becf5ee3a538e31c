"""tau2, I2 and H2 with their intervals: against metafor, and what holds for any data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from analysis.stats import newton
from analysis.stats.errors import UnusableData
from analysis.stats.heterogeneity import heterogeneity
from analysis.stats.meta import pool_effects
from tests.stats.effect_tables import METAFOR, cohort_tables, column, finnish, named, simulated

CLOSED = {"i2_from_q", "h2_from_q"}


@pytest.mark.parametrize("row", METAFOR["intervals"], ids=named)
def test_heterogeneity_and_its_limits_are_metafors(row):
    table = METAFOR["tables"][row["table"]]
    found = heterogeneity(column(table["y"]), column(table["v"]), tau2=row["tau2_method"])
    for name in row.keys() - {"table", "tau2_method"}:
        closed = name in CLOSED or (row["tau2_method"] == "DL" and name in ("tau2", "i2", "h2"))
        tolerance = 1e-10 if closed else 1e-5
        assert getattr(found, name)[0] == pytest.approx(row[name], rel=tolerance, abs=1e-9), name


@settings(max_examples=40, deadline=None)
@given(cohort_tables(), st.sampled_from([0.5, 0.9, 0.95]))
def test_each_limit_is_the_textbook_root_of_the_generalised_q(table, level):
    found = heterogeneity(*table, level=level)
    for feature in range(table[0].shape[1]):
        y, v = (part[:, feature][np.isfinite(part[:, feature])] for part in table)
        if len(y) < 2:
            assert np.isnan(found.tau2_high[feature])
            assert found.reason[feature].startswith("under two cohorts")
            continue
        for name, below in (("tau2_low", (1 + level) / 2), ("tau2_high", (1 - level) / 2)):
            target = stats.chi2.ppf(below, len(y) - 1)
            expected = textbook_root(y, v, target)
            assert getattr(found, name)[feature] == pytest.approx(expected, rel=1e-6, abs=1e-9)


def textbook_root(y, v, target):
    def excess(tau2):
        weight = 1 / (v + tau2)
        return (weight * (y - np.average(y, weights=weight)) ** 2).sum() - target

    if excess(0) <= 0:
        return 0.0
    return optimize.brentq(excess, 0, ((y - y.mean()) ** 2).sum() / target + 1, xtol=1e-14)


@settings(max_examples=40, deadline=None)
@given(cohort_tables(), st.floats(-5, 5), st.sampled_from([-1.0, 0.01, 17.1]))
def test_shift_and_unit_leave_i2_alone_and_scale_tau2(table, shift, factor):
    before = heterogeneity(*table)
    after = heterogeneity((table[0] + shift) * factor, table[1] * factor**2)
    for name in ("tau2_low", "tau2_high"):
        np.testing.assert_allclose(
            getattr(after, name) / factor**2, getattr(before, name), rtol=1e-4, atol=1e-6
        )
    np.testing.assert_allclose(after.i2_from_q, before.i2_from_q, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(after.i2_high, before.i2_high, rtol=1e-4, atol=1e-3)


@settings(max_examples=40, deadline=None)
@given(cohort_tables(), st.randoms(use_true_random=False))
def test_the_order_of_cohorts_and_features_does_not_matter(table, order):
    rows, columns = (list(range(size)) for size in table[0].shape)
    order.shuffle(rows)
    order.shuffle(columns)
    before = heterogeneity(*table)
    after = heterogeneity(*(part[rows][:, columns] for part in table))
    np.testing.assert_allclose(after.tau2_high, before.tau2_high[columns], rtol=1e-7, atol=1e-12)
    assert after.reason == tuple(before.reason[at] for at in columns)


def test_the_two_definitions_of_i2_agree_for_dersimonian_laird_and_not_for_reml():
    table = simulated(6, 200)
    by_dl, by_reml = heterogeneity(*table, tau2="DL"), heterogeneity(*table)
    np.testing.assert_allclose(by_dl.i2, by_dl.i2_from_q, atol=1e-9)
    assert (np.abs(by_reml.i2 - by_reml.i2_from_q) > 1).any()


def test_the_estimates_are_those_of_the_pooling():
    table = simulated(6, 50, missing=0.3)
    pooled, found = pool_effects(*table), heterogeneity(*table)
    for name in ("tau2", "i2", "q_statistic", "q_p", "n_cohorts"):
        np.testing.assert_array_equal(getattr(found, name), getattr(pooled, name), err_msg=name)


def test_the_interval_holds_the_true_tau2_in_95_of_100_studies():
    rng = np.random.default_rng(11)
    variances = rng.uniform(0.02, 0.15, (6, 4000))
    estimates = rng.normal(size=variances.shape) * np.sqrt(variances + 0.05)
    found = heterogeneity(estimates, variances, tau2="DL")
    held = ((found.tau2_low <= 0.05) & (found.tau2_high >= 0.05)).mean()
    assert 0.94 < held < 0.96


def test_four_finnish_cohorts_cannot_tell_much_heterogeneity_from_none(real_data):
    estimates, variances, _ = finnish(real_data)
    found = heterogeneity(estimates, variances)
    assert np.median(found.i2) == 0
    assert np.median(found.i2_high) > 75
    assert (found.tau2_low > 0).sum() <= (found.q_p < 0.05).sum() == 5


def test_identical_cohorts_have_no_heterogeneity_by_either_definition():
    found = heterogeneity(np.full((4, 1), 0.3), np.full((4, 1), 0.1))
    assert (found.i2[0], found.i2_from_q[0], found.tau2_high[0], found.h2[0]) == (0, 0, 0, 1)


def test_a_search_that_does_not_settle_is_said(monkeypatch):
    monkeypatch.setattr(newton, "MAX_STEPS", 1)
    table = METAFOR["tables"]["differ"]
    found = heterogeneity(column(table["y"]), column(table["v"]))
    assert "did not settle" in found.reason[0]
    assert np.isnan(found.tau2_high[0])


@pytest.mark.parametrize("level", [0, 1, 95, np.nan])
def test_a_level_that_is_no_probability_is_refused(level):
    with pytest.raises(UnusableData, match=r"give a level inside \(0, 1\)"):
        heterogeneity([[0.1], [0.2]], [[0.1], [0.1]], level=level)


def test_numbers_that_cannot_be_pooled_are_refused():
    with pytest.raises(UnusableData, match="a variance that is not above 0"):
        heterogeneity([[0.1], [0.2]], [[0.1], [-0.1]])
