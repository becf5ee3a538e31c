"""Leave-one-out and Egger's test: against metafor, and against the loop of the formula."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.stats.errors import UnusableData
from analysis.stats.influence import egger_test, leave_one_out
from analysis.stats.meta import pool_effects
from tests.stats.effect_tables import (
    METAFOR,
    cohort_tables,
    column,
    finnish,
    known,
    named,
    simulated,
)

LEFT = ("estimate", "se", "ci_low", "ci_high", "p", "tau2", "i2", "q_statistic")


@pytest.mark.parametrize("row", METAFOR["leave_one_out"], ids=named)
def test_leaving_out_each_cohort_is_metafors(row):
    table = METAFOR["tables"][row["table"]]
    test = {"adhoc": "hksj"}.get(row["test"], row["test"])
    method = row["tau2_method"]
    left = leave_one_out(column(table["y"]), column(table["v"]), tau2=method, test=test)
    tolerance = 1e-10 if method == "DL" else 1e-5
    for name in LEFT:
        expected = known(row[name])
        np.testing.assert_allclose(
            getattr(left, name)[:, 0], expected, rtol=tolerance, atol=tolerance, err_msg=name
        )


@settings(max_examples=30, deadline=None)
@given(cohort_tables())
def test_a_cohort_left_out_is_a_cohort_that_measured_nothing(table):
    left = leave_one_out(*table)
    for cohort in range(len(table[0])):
        without = [part.copy() for part in table]
        for part in without:
            part[cohort] = np.nan
        pooled = pool_effects(*without)
        has = np.isfinite(table[0][cohort])
        for name in LEFT:
            expected = np.where(has, getattr(pooled, name), np.nan)
            np.testing.assert_allclose(
                getattr(left, name)[cohort], expected, rtol=1e-6, atol=1e-9, err_msg=name
            )


def test_a_finding_that_one_cohort_carries_is_told_from_one_that_all_carry():
    carried = [0.0, 0.01, -0.02, 2.0], [0.02, 0.02, 0.02, 0.001]
    shared = [0.5, 0.52, 0.48, 0.51], [0.02, 0.02, 0.02, 0.02]
    nothing = [0.1, -0.1, 0.1, -0.1], [0.1, 0.1, 0.1, 0.1]
    estimates, variances = np.array([carried, shared, nothing]).transpose(1, 2, 0)
    left = leave_one_out(estimates, variances, tau2="FE")
    assert left.rests_on_one.tolist() == [True, False, False]


# --- Egger ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", METAFOR["egger"], ids=named)
def test_eggers_test_is_metafors(row):
    table = METAFOR["tables"][row["table"]]
    found = egger_test(column(table["y"]), column(table["v"]))
    for name in ("t", "df", "p", "limit"):
        assert getattr(found, name)[0] == pytest.approx(row[name], rel=1e-10), name


def test_eggers_line_is_the_regression_of_each_feature_alone():
    estimates, variances = simulated(8, 30, seed=6, missing=0.3)
    found = egger_test(estimates, variances)
    for feature in range(30):
        has = np.isfinite(estimates[:, feature])
        se = np.sqrt(variances[has, feature])
        fit = sm.OLS(estimates[has, feature] / se, sm.add_constant(1 / se)).fit()
        assert found.intercept[feature] == pytest.approx(fit.params[0], rel=1e-9)
        assert found.limit[feature] == pytest.approx(fit.params[1], rel=1e-9)
        assert found.se[feature] == pytest.approx(fit.bse[0], rel=1e-9)
        assert found.p[feature] == pytest.approx(fit.pvalues[0], rel=1e-8)


@settings(max_examples=40, deadline=None)
@given(cohort_tables(least=4), st.floats(-5, 5))
def test_shifting_every_cohort_shifts_only_eggers_limit(table, shift):
    before, after = egger_test(*table), egger_test(table[0] + shift, table[1])
    judged = np.array([not (a or b) for a, b in zip(before.reason, after.reason, strict=True)])
    judged &= before.se > 1e-3
    np.testing.assert_allclose(after.limit[judged], before.limit[judged] + shift, atol=1e-5)
    np.testing.assert_allclose(after.intercept[judged], before.intercept[judged], atol=1e-5)


def test_small_cohorts_with_large_effects_are_found():
    rng = np.random.default_rng(7)
    se = np.linspace(0.05, 0.5, 12)[:, None]
    estimates = 0.1 + 2.0 * se + rng.normal(size=(12, 200)) * se
    assert (egger_test(estimates, np.broadcast_to(se**2, (12, 200))).p < 0.05).mean() > 0.9


def test_small_finnish_cohorts_tell_the_story_of_the_large_ones(real_data):
    estimates, variances, _ = finnish(real_data)
    p = egger_test(estimates, variances).p
    assert np.isfinite(p).all()
    assert (p < 0.05).mean() < 0.05


def test_eggers_test_keeps_its_level_where_size_does_not_matter():
    rng = np.random.default_rng(8)
    se = np.linspace(0.05, 0.5, 12)[:, None]
    estimates = 0.1 + rng.normal(size=(12, 4000)) * se
    p = egger_test(estimates, np.broadcast_to(se**2, (12, 4000))).p
    assert 0.04 < (p < 0.05).mean() < 0.06


@pytest.mark.parametrize(
    ("estimates", "variances", "reason"),
    [
        ([0.1, 0.2], [0.1, 0.2], "three cohorts or more"),
        ([0.1, 0.2, 0.4], [0.1, 0.1, 0.1], "of one precision"),
        ([0.3, 0.3, 0.3], [0.1, 0.2, 0.3], "lie on one line"),
    ],
)
def test_where_no_line_can_be_judged_there_is_no_p_and_a_reason(estimates, variances, reason):
    found = egger_test(column(estimates), column(variances))
    assert np.isnan(found.p[0])
    assert reason in found.reason[0]


def test_numbers_that_cannot_be_pooled_are_refused():
    for what in (leave_one_out, egger_test):
        with pytest.raises(UnusableData, match="has an infinite estimate"):
            what([[np.inf], [0.2]], [[0.1], [0.1]])
