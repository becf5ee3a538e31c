"""Meta-regression and subgroups: against metafor, and against weighted least squares."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.stats import newton
from analysis.stats.errors import UnusableData
from analysis.stats.meta import pool_effects
from analysis.stats.moderators import meta_regression, subgroup_difference
from tests.stats.effect_tables import METAFOR, cohort_tables, column, known, named, simulated

PER_COEFFICIENT = ("coefficient", "se", "ci_low", "ci_high", "p")
OF_THE_FIT = ("tau2", "i2", "q_residual", "q_residual_p", "q_moderators", "q_moderators_p")
METHODS = ("FE", "DL", "PM", "ML", "REML")


def covariates_of(row):
    table = METAFOR["tables"][row["table"]]
    names = ["x", "year"] if row["mods"] == "both" else [row["mods"]]
    return np.column_stack([table[name] for name in names])


@pytest.mark.parametrize("row", METAFOR["regression"], ids=named)
def test_meta_regression_is_metafors(row):
    table = METAFOR["tables"][row["table"]]
    test = {"adhoc": "hksj", "knha": "hksj_plain"}.get(row["test"], row["test"])
    found = meta_regression(
        column(table["y"]),
        column(table["v"]),
        covariates_of(row),
        tau2=row["tau2_method"],
        test=test,
    )
    tolerance = 1e-10 if row["tau2_method"] in ("FE", "DL") else 1e-5
    if row["mods"] != "x":
        tolerance = max(tolerance, 1e-6)  # metafor does not centre the calendar year
    for name in PER_COEFFICIENT:
        expected = known(row[name])
        np.testing.assert_allclose(
            getattr(found, name)[:, 0], expected, rtol=tolerance, atol=1e-9, err_msg=name
        )
    for name in OF_THE_FIT:
        expected = pytest.approx(row[name], rel=tolerance, abs=1e-9)
        assert getattr(found, name)[0] == expected, name


@pytest.mark.parametrize("method", METHODS)
def test_a_feature_is_fitted_alike_alone_and_beside_others_with_cohorts_missing(method):
    estimates, variances = simulated(9, 40, seed=3, missing=0.2)
    age = np.random.default_rng(3).uniform(20, 50, 9)
    together = meta_regression(estimates, variances, age, tau2=method)
    for feature in range(40):
        has = np.isfinite(estimates[:, feature])
        alone = meta_regression(
            estimates[has][:, [feature]], variances[has][:, [feature]], age[has], tau2=method
        )
        np.testing.assert_allclose(together.coefficient[:, feature], alone.coefficient[:, 0], 1e-6)
        assert together.tau2[feature] == pytest.approx(alone.tau2[0], rel=1e-5, abs=1e-8)


@settings(max_examples=30, deadline=None)
@given(cohort_tables(least=5), st.floats(-5, 5), st.sampled_from([-1.0, 0.01, 17.1]))
def test_shift_and_unit_of_effect_and_covariate_change_only_what_they_must(table, shift, factor):
    age = np.linspace(-1, 1, len(table[0])) ** 3
    before = meta_regression(*table, age, tau2="DL", test="z")
    after = meta_regression(
        (table[0] + shift) * factor, table[1] * factor**2, 2020 + age / 10, tau2="DL", test="z"
    )
    assert before.reason == after.reason
    slope = after.coefficient[1] / factor / 10
    np.testing.assert_allclose(slope, before.coefficient[1], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(after.q_moderators, before.q_moderators, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_a_covariate_unrelated_to_effects_leaves_the_pooled_effect(method):
    """A balanced covariate: the intercept at its mean is the pooled effect of equal cohorts."""
    estimates = column([0.1, 0.5, 0.1, 0.5])
    variances = np.full((4, 1), 0.01)
    found = meta_regression(estimates, variances, [-1, -1, 1, 1], tau2=method)
    pooled = pool_effects(estimates, variances, tau2=method)
    assert found.coefficient[0, 0] == pytest.approx(pooled.estimate[0])
    assert found.coefficient[1, 0] == pytest.approx(0.0, abs=1e-12)


def test_hartung_knapp_regression_keeps_its_level_and_z_does_not():
    rng = np.random.default_rng(12)
    variances = rng.uniform(0.02, 0.15, (8, 3000))
    estimates = 0.2 + rng.normal(size=variances.shape) * np.sqrt(variances + 0.1)
    age = rng.uniform(20, 50, 8)
    errors = {
        test: (meta_regression(estimates, variances, age, test=test).p[1] < 0.05).mean()
        for test in ("hksj_plain", "hksj", "z")
    }
    assert 0.04 < errors["hksj_plain"] < 0.06
    assert errors["hksj"] < 0.06
    assert errors["z"] > 0.06


def test_a_cohort_whose_covariate_is_unknown_is_left_out_and_not_counted():
    estimates, variances = simulated(6, 3)
    age = np.array([20, 31, 28, 45, 39, np.nan])
    found = meta_regression(estimates, variances, age)
    without = meta_regression(estimates[:5], variances[:5], age[:5])
    assert found.n_cohorts.tolist() == [5, 5, 5]
    np.testing.assert_allclose(found.coefficient, without.coefficient, rtol=1e-9)


def test_where_no_line_can_be_judged_there_is_no_number_and_a_reason():
    estimates = np.array([[0.1, 0.1, np.nan], [0.4, 0.4, 0.4], [0.3, 0.3, 0.2], [0.2, np.nan, 0.5]])
    variances = np.where(np.isnan(estimates), np.nan, 0.1)
    estimates[0, 1] = variances[0, 1] = np.nan
    found = meta_regression(estimates, variances, [20.0, 30.0, 30.0, 30.0])
    assert found.reason[0] == ""
    assert "as many coefficients as cohorts" in found.reason[1]
    assert "does not vary" in found.reason[2]
    assert np.isnan(found.coefficient[:, 1:]).all()
    assert np.isnan(found.p[:, 1:]).all()


def test_cohorts_on_the_line_have_no_plain_hartung_knapp_p():
    x = np.array([1.0, 2, 3, 4])
    exact = column(0.1 + 0.2 * x), np.full((4, 1), 0.1)
    plain = meta_regression(*exact, x, test="hksj_plain")
    assert np.isnan(plain.p).all()
    assert "use hksj" in plain.reason[0]
    assert (meta_regression(*exact, x).p > 0.001).all()


def test_a_search_that_does_not_settle_is_said_and_its_numbers_are_not_shown(monkeypatch):
    monkeypatch.setattr(newton, "MAX_STEPS", 1)
    table = METAFOR["tables"]["bcg"]
    found = meta_regression(column(table["y"]), column(table["v"]), table["x"])
    assert "did not settle" in found.reason[0]
    assert np.isnan(found.coefficient).all()


def test_a_fixed_effects_line_has_a_normal_test_whatever_was_asked_and_says_so():
    found = meta_regression(*simulated(5, 2), np.arange(5), tau2="FE")
    assert found.test == "z"
    assert (found.tau2 == 0).all()


@pytest.mark.parametrize(
    ("covariates", "settings_", "message"),
    [
        ([1, 2], {}, r"shape \(2, 1\): give a row for each of the 3 cohorts"),
        (np.ones((3, 2, 2)), {}, "give a row for each of the 3 cohorts"),
        (np.ones((3, 0)), {}, "a column for each covariate"),
        ([1, 2, np.inf], {}, "Covariate 0 of cohort 2 .* is infinite"),
        ([1, 2, 3], {"tau2": "SJ"}, 'tau2 "SJ" is not an estimator for regression'),
        ([1, 2, 3], {"test": "knha"}, 'test "knha" is not known'),
    ],
)
def test_what_cannot_be_regressed_is_refused(covariates, settings_, message):
    with pytest.raises(UnusableData, match=message):
        meta_regression(np.zeros((3, 1)), np.ones((3, 1)), covariates, **settings_)


# --- subgroups -----------------------------------------------------------------------------------


@pytest.mark.parametrize("row", METAFOR["subgroups"], ids=named)
def test_subgroups_and_the_difference_between_them_are_metafors(row):
    table = METAFOR["tables"][row["table"]]
    method = row["tau2_method"]
    found = subgroup_difference(column(table["y"]), column(table["v"]), table["group"], tau2=method)
    tolerance = 1e-10 if method == "DL" else 1e-5
    for name in ("estimate", "se", "tau2"):
        expected = known(row[name])
        np.testing.assert_allclose(
            getattr(found, name)[:, 0], expected, rtol=tolerance, atol=1e-9, err_msg=name
        )
    assert found.q_between[0] == pytest.approx(row["q_between"], rel=tolerance)
    assert found.p[0] == pytest.approx(row["p"], rel=tolerance)


def test_a_feature_that_one_subgroup_alone_measured_has_no_difference_to_test():
    estimates = np.array([[0.1, 0.1], [0.2, 0.3], [0.5, np.nan]])
    variances = np.where(np.isnan(estimates), np.nan, 0.1)
    found = subgroup_difference(estimates, variances, ["plasma", "plasma", "serum"])
    assert found.labels == ("plasma", "serum")
    assert found.df[0] == 1
    assert np.isnan([found.df[1], found.p[1]]).all()
    assert found.reason == ("", "only one subgroup measured it: there is no difference to test")


@pytest.mark.parametrize(
    ("labels", "message"),
    [(["a", "b"], "2 subgroup labels"), (["a"] * 3, "All cohorts are in one")],
)
def test_labels_that_part_nothing_are_refused(labels, message):
    with pytest.raises(UnusableData, match=message):
        subgroup_difference(np.zeros((3, 1)), np.ones((3, 1)), labels)
