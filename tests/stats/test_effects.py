"""Effects of a cohort: equal to per-feature least squares, whatever is missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import gamma

from analysis.stats import effects as module
from analysis.stats.effects import Effects, fit_effects
from analysis.stats.errors import UnusableData

FIELDS = ("estimate", "se", "df", "t", "p", "hedges_g", "hedges_g_variance")


def cohort(seed: int = 0, n: int = 60, m: int = 12, missing: float = 0.0):
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.arange(n) % 2)
    covariates = pd.DataFrame({"age": rng.normal(40, 9, n), "sex": rng.choice(["f", "m"], n)})
    values = rng.normal(1000, 2, (n, m)) + 0.1 * covariates[["age"]].to_numpy() + group[:, None]
    values[rng.random(values.shape) < missing] = np.nan
    return values, group, covariates


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_every_feature_is_the_regression_that_statsmodels_fits(missing):
    values, group, covariates = cohort(missing=missing)
    effects = fit_effects(values, group, covariates)
    male = (covariates.sex == "m").to_numpy()
    design = np.column_stack([np.ones(len(group)), group, covariates.age, male])
    for j, column in enumerate(values.T):
        rows = ~np.isnan(column)
        peer = sm.OLS(column[rows], design[rows]).fit()
        ours = [effects.estimate[j], effects.se[j], effects.t[j], effects.p[j], effects.df[j]]
        theirs = [peer.params[1], peer.bse[1], peer.tvalues[1], peer.pvalues[1], peer.df_resid]
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)
        assert effects.residual_sd[j] == pytest.approx(np.sqrt(peer.scale), rel=1e-9)


def test_without_covariates_it_is_students_test():
    values, group, _ = cohort(missing=0.2)
    effects = fit_effects(values, group)
    peer = stats.ttest_ind(values[group == 1], values[group == 0], nan_policy="omit")
    np.testing.assert_allclose(effects.t, np.asarray(peer.statistic), rtol=1e-9)
    np.testing.assert_allclose(effects.p, np.asarray(peer.pvalue), rtol=1e-9)


def test_hedges_g_has_the_exact_correction_and_its_variance():
    effects = fit_effects([[1.0], [2.0], [4.0], [2.0], [4.0], [5.0], [9.0]], [0, 0, 0, 1, 1, 1, 1])
    df, d = 5, effects.estimate[0] / effects.residual_sd[0]
    j = gamma(df / 2) / (np.sqrt(df / 2) * gamma((df - 1) / 2))
    assert effects.hedges_g[0] == pytest.approx(j * d, rel=1e-12)
    variance = 1 / 3 + 1 / 4 + (j * d) ** 2 / (2 * 7)
    assert effects.hedges_g_variance[0] == pytest.approx(variance, rel=1e-12)


def test_one_residual_degree_of_freedom_gives_an_effect_without_hedges_g():
    effects = fit_effects([[1.0], [2.0], [4.0], [7.0]], [0, 0, 1, 1], [[1.0], [3.0], [2.0], [5.0]])
    assert effects.df[0] == 1
    assert np.isfinite(effects.p[0])
    assert np.isnan(effects.hedges_g[0])


def test_a_feature_without_an_estimate_says_why():
    group = [0, 0, 0, 1, 1, 1]
    values = np.array(
        [
            [1, 1, 5, 0.1, 1],
            [2, 2, 5, 0.1, 3],
            [3, 3, 5, 0.1, 2],
            [4, np.nan, 5, 0.7, 5],
            [np.nan, np.nan, 5, 0.7, 4],
            [np.nan, 1, 5, 0.7, 5],
        ]
    )
    effects = fit_effects(values, group)
    assert effects.reason == (
        "fewer than 2 cases measured (1)",
        "fewer than 2 cases measured (1)",
        module.CONSTANT,
        module.EXACT_FIT,
        "",
    )
    for name in (*FIELDS, "residual_sd"):
        assert np.isnan(getattr(effects, name)[:4]).all()
        assert np.isfinite(getattr(effects, name)[4])


@pytest.mark.parametrize("hole", [np.nan, 0.5])
def test_a_group_that_the_covariates_determine_has_no_effect_of_its_own(hole):
    values = np.array([[1.0], [2.0], [4.0], [3.0], [5.0], [8.0], [hole]])
    sex = pd.DataFrame({"sex": ["f", "f", "f", "m", "m", "m", "m"]})
    effects = fit_effects(values, [0, 0, 0, 1, 1, 1, 1], sex)
    assert effects.reason == (module.DETERMINED,)


def test_covariates_may_use_up_all_degrees_of_freedom():
    many = np.random.default_rng(0).normal(size=(6, 4))
    effects = fit_effects(np.arange(6.0)[:, None] ** 2, [0, 1, 0, 1, 0, 1], many)
    assert effects.reason == (module.NO_DF,)


def test_a_covariate_that_is_constant_where_a_feature_was_measured_is_passed_over():
    values, group, covariates = cohort(n=40, m=3)
    values[(covariates.sex == "m").to_numpy(), 1] = np.nan
    effects = fit_effects(values, group, covariates)
    women = (covariates.sex == "f").to_numpy()
    alone = fit_effects(values[women][:, [1]], group[women], covariates[women][["age"]])
    assert effects.p[1] == pytest.approx(alone.p[0], rel=1e-9)
    assert effects.df[1] == alone.df[0]


def test_samples_without_a_covariate_are_left_out_and_counted():
    values, group, covariates = cohort()
    covariates.loc[[3, 7], "age"] = np.nan
    effects = fit_effects(values, group, covariates)
    assert effects.n_left_out == 2
    assert (effects.n_case + effects.n_control == 58).all()
    known = covariates.age.notna().to_numpy()
    same(effects, fit_effects(values[known], group[known], covariates[known]))


def test_a_tiny_residual_beside_a_huge_effect_keeps_its_digits():
    rng = np.random.default_rng(1)
    group = np.arange(40) % 2
    noise = rng.normal(size=(40, 1))
    big = fit_effects(noise * 1e-5 + 1e3 * group[:, None], group)
    assert big.residual_sd[0] == pytest.approx(
        1e-5 * fit_effects(noise, group).residual_sd[0], 1e-6
    )


def test_the_smallest_units_are_no_constants():
    values, group, covariates = cohort()
    small = fit_effects((values - 1000) * 1e-25, group, covariates)
    np.testing.assert_allclose(small.p, fit_effects(values - 1000, group, covariates).p, 1e-7)


def test_blocks_of_features_do_not_change_a_result():
    values, group, covariates = cohort(m=300, missing=0.05)
    whole = fit_effects(values, group, covariates)
    part = fit_effects(values[:, 290:], group, covariates)
    np.testing.assert_allclose(whole.p[290:], part.p, rtol=1e-9)


def same(one: Effects, other: Effects, rtol: float = 1e-7) -> None:
    assert one.reason == other.reason
    for name in FIELDS:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=rtol, atol=1e-9)


seeds = st.integers(0, 10_000)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, shift=st.floats(-1e4, 1e4), scale=st.floats(0.01, 100))
def test_shift_and_scale_of_a_feature_leave_its_test_alone(seed, shift, scale):
    values, group, covariates = cohort(seed, missing=0.1)
    before = fit_effects(values, group, covariates)
    after = fit_effects(values * scale + shift, group, covariates)
    np.testing.assert_allclose(after.estimate, before.estimate * scale, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(after.p, before.p, rtol=1e-5)
    np.testing.assert_allclose(after.hedges_g, before.hedges_g, rtol=1e-5, atol=1e-7)


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_the_order_of_samples_does_not_matter(seed):
    values, group, covariates = cohort(seed, missing=0.1)
    order = np.random.default_rng(seed).permutation(len(group))
    shuffled = fit_effects(values[order], group[order], covariates.iloc[order])
    same(fit_effects(values, group, covariates), shuffled)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, slope=st.floats(-10, 10))
def test_what_the_covariates_explain_is_no_effect(seed, slope):
    values, group, covariates = cohort(seed, missing=0.1)
    tilted = values + slope * covariates[["age"]].to_numpy()
    same(fit_effects(values, group, covariates), fit_effects(tilted, group, covariates), 1e-5)


@pytest.mark.parametrize(
    ("values", "group", "message"),
    [
        ([1.0, 2.0], [0, 1], "2 dimensions"),
        ([[1.0], [2.0]], [0, 1, 1], "one a sample"),
        ([[1.0], [2.0]], [0, 2], r"Row 1 has the group 2.0"),
        ([[1.0], [-np.inf]], [0, 1], r"row 1, feature 0: was a logarithm taken of zero"),
    ],
)
def test_unusable_input_is_refused_with_its_place(values, group, message):
    with pytest.raises(UnusableData, match=message):
        fit_effects(values, group)


def test_no_sample_with_all_covariates_is_no_error():
    gone = fit_effects([[1.0], [2.0]], [0, 1], pd.DataFrame({"a": [1, None], "b": [None, 2]}))
    assert gone.reason == ("fewer than 2 cases measured (0)",)
    assert gone.n_left_out == 2
