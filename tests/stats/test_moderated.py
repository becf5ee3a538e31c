"""Moderated tests: equal to limma's eBayes, plain, with a trend, robust, and both."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import polygamma

from analysis.stats import robust_prior
from analysis.stats.effects import fit_effects
from analysis.stats.errors import UnusableData
from analysis.stats.lowess import lowess
from analysis.stats.moderated import fit_moderated_effects
from analysis.stats.robust_prior import fit_prior_robustly
from analysis.stats.variance_prior import fit_prior, trend_basis, trigamma_inverse
from tests.stats import r_reference

FIELDS = ("df_prior", "s2_prior", "s2_post", "t", "p", "df_total")
# limma seeks the robust prior df d by a root of d / (1 + d) to 1e-8, which leaves it an error of
# up to (1 + d) * 1e-8 of itself: 1e-6 at the largest d here. Everything else is the same formula.
ROBUST = 1e-6


def assert_like_limma(r, values, group, covariates):
    usable = np.isfinite(fit_effects(values, group, covariates).estimate)
    for trend in (False, True):
        for robust in (False, True):
            ours = fit_moderated_effects(values, group, covariates, trend=trend, robust=robust)
            label = "limma" + "_trend" * trend + "_robust" * robust
            for name in FIELDS:
                np.testing.assert_allclose(
                    getattr(ours, name)[usable],
                    r_reference.numbers(r[label][name]),
                    rtol=ROBUST if robust else 1e-8,
                    err_msg=f"{label} {name}",
                )
            assert np.isnan(ours.p[~usable]).all()


@pytest.mark.parametrize("name", r_reference.LINEAR)
def test_it_is_the_ebayes_of_limma(name):
    r = r_reference.stored("linear_models")[name]
    assert_like_limma(r, *r_reference.linear(name))


def test_on_real_cohorts_it_is_the_ebayes_of_limma(real_data, tmp_path):
    tables = {name: table for name, *table in r_reference.real_tables(real_data)}
    del tables["heart"]  # variables of eleven kinds share no prior
    for name, table in tables.items():
        r_reference.write_linear(tmp_path, name, *table)
    r = r_reference.run_again("linear_models.R", *tables, folder=tmp_path)
    for name, table in tables.items():
        assert_like_limma(r[name], *table)


def panel(seed=0, n=12, m=40, prior_df=6.0):
    rng = np.random.default_rng(seed)
    sd = np.sqrt(prior_df / rng.chisquare(prior_df, m))
    return rng.normal(size=(n, m)) * sd + rng.normal(8, 2, m), np.arange(n) % 2


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100), robust=st.booleans())
def test_scale_and_order_leave_the_tests_alone(seed, scale, robust):
    values, group = panel(seed)
    order = np.random.default_rng(seed).permutation(40)
    before = fit_moderated_effects(values, group, robust=robust, trend=True)
    after = fit_moderated_effects(values[:, order] * scale, group, robust=robust, trend=True)
    np.testing.assert_allclose(after.p, before.p[order], rtol=1e-5)
    np.testing.assert_allclose(after.s2_post, before.s2_post[order] * scale**2, rtol=1e-5)


def test_a_variance_moves_towards_the_prior_and_never_past_it():
    values, group = panel()
    ours = fit_moderated_effects(values, group)
    own = fit_effects(values, group).residual_sd ** 2
    low, high = np.minimum(own, ours.s2_prior), np.maximum(own, ours.s2_prior)
    assert ((ours.s2_post > low) & (ours.s2_post < high)).all()


def test_under_the_null_the_moderated_test_keeps_its_level_and_finds_more():
    found = []
    for shift in (0.0, 1.5):
        values, group = panel(3, n=8, m=4000)
        moderated = fit_moderated_effects(values + shift * group[:, None], group).p < 0.05
        plain = fit_effects(values + shift * group[:, None], group).p < 0.05
        found.append((moderated.mean(), plain.mean()))
    assert found[0][0] == pytest.approx(0.05, abs=0.014)
    assert found[1][0] > found[1][1] + 0.02


def test_a_feature_without_an_estimate_is_no_part_of_the_prior():
    values, group = panel()
    gone = np.column_stack([values, np.full((12, 3), 5.0)])
    ours = fit_moderated_effects(gone, group)
    np.testing.assert_allclose(ours.p[:40], fit_moderated_effects(values, group).p, rtol=1e-9)
    assert ours.reason[40:] == ("constant: every measured value is the same",) * 3
    assert np.isnan(ours.df_prior[40:]).all()


@pytest.mark.parametrize("robust", [False, True])
def test_one_feature_alone_is_its_plain_test(robust):
    values, group = panel(m=1)
    ours = fit_moderated_effects(values, group, robust=robust)
    assert ours.df_prior == [0.0]
    assert ours.p == pytest.approx(fit_effects(values, group).p)


def test_no_feature_with_an_estimate_is_refused():
    with pytest.raises(UnusableData, match=r'"constant: every .*"\): send more samples'):
        fit_moderated_effects(np.ones((6, 2)), [0, 0, 0, 1, 1, 1])


def test_features_of_one_average_have_no_trend():
    assert trend_basis(np.full(9, 4.0)).shape == (9, 1)
    variance, df = np.random.default_rng(0).chisquare(5, 9), np.full(9, 5.0)
    one = fit_prior(variance, df, np.full(9, 4.0))
    np.testing.assert_allclose(one.variance, fit_prior(variance, df).variance)


@pytest.mark.parametrize("value", [1e-9, 1e-4, 1.0, 50.0, 1e8])
def test_the_inverse_of_trigamma_is_its_inverse(value):
    assert float(polygamma(1, trigamma_inverse(value))) == pytest.approx(value, rel=1e-3)


def test_an_outlier_beyond_any_float_still_has_a_prior_of_its_own():
    variance = np.random.default_rng(1).chisquare(8, 60) / 8
    df = np.full(60, 400.0)
    variance[7] = 1e12
    prior = fit_prior_robustly(variance, df)
    assert prior.df[7] < 0.05 * prior.pooled_df


# R: pf(ratio, df, prior_df, lower.tail = FALSE, log.p = TRUE)
@pytest.mark.parametrize(
    ("ratio", "df", "prior_df", "expected"),
    [
        (1e9, 400, 40, -395.965741161206),
        (1e14, 7, 40, -603.367535895243),
        (1e14, 7, 80.5, -1191.05934135666),
    ],
)
def test_a_tail_too_small_for_a_float_keeps_its_logarithm(ratio, df, prior_df, expected):
    log_tail = robust_prior._log_tail(np.array([ratio]), df, prior_df)
    assert log_tail[0] == pytest.approx(expected, rel=1e-10)


def test_features_none_of_which_is_an_outlier_share_the_whole_prior():
    np.testing.assert_array_equal(robust_prior._shrunk(np.full(3, 0.5), 5.0, 7.0), np.full(3, 7.0))


def test_a_robust_fit_never_trusts_the_prior_less_than_the_plain_one():
    # Log variances spread evenly have no tails to cut back.
    variance = np.exp(np.random.default_rng(0).uniform(-2, 2, 30))
    plain = fit_prior(variance, np.full(30, 5.0))
    assert fit_prior_robustly(variance, np.full(30, 5.0)).pooled_df == plain.pooled_df


def test_variances_that_differ_by_chance_alone_need_no_robust_fit():
    variance = np.random.default_rng(57).chisquare(5, 12) / 5
    prior = fit_prior_robustly(variance, np.full(12, 5.0))
    assert np.isinf(prior.df).all()
    assert prior.variance == pytest.approx(fit_prior(variance, np.full(12, 5.0)).variance)


@pytest.mark.parametrize(("ratio", "upper"), [(3.0, True), (0.2, False)])
@pytest.mark.parametrize("prior_df", [5.0, np.inf])
def test_a_feature_with_fewer_samples_keeps_its_quantile(ratio, upper, prior_df):
    changed = robust_prior._on_equal_df(np.array([ratio, 1.0]), np.array([4.0, 9.0]), 9.0, prior_df)
    if np.isinf(prior_df):
        laws = (stats.chi2(4, scale=1 / 4), stats.chi2(9, scale=1 / 9))
    else:
        laws = (stats.f(4, prior_df), stats.f(9, prior_df))
    tails = [
        law.sf(x) if upper else law.cdf(x) for law, x in zip(laws, (ratio, changed[0]), strict=True)
    ]
    assert tails[0] == pytest.approx(tails[1], rel=1e-9)
    assert changed[1] == 1.0


def test_lowess_draws_a_straight_line_straight_and_passes_an_outlier():
    x = np.random.default_rng(0).uniform(0, 10, 80)
    np.testing.assert_allclose(lowess(x, 3 + 2 * x, span=0.4), 3 + 2 * x, rtol=1e-9)
    y = np.sin(x)
    bent = y.copy()
    bent[40] += 50
    np.testing.assert_allclose(
        lowess(x, bent, span=0.3)[:40], lowess(x, y, span=0.3)[:40], atol=0.05
    )


def test_lowess_leaves_points_where_all_around_is_an_outlier():
    x = np.arange(100.0)
    y = np.where((x >= 40) & (x < 60), 1000.0 * (-1) ** x, np.sin(x))
    smooth = lowess(x, y, span=0.06)
    assert smooth[50] == 1000
    assert abs(smooth[20]) < 1


def test_lowess_of_few_or_tied_points_is_finite():
    x = np.array([1.0, 1.0, 1.0, 2.0, 5.0, 5.0])
    y = np.array([1.0, 2.0, 9.0, 2.0, 1.0, 4.0])
    smooth = lowess(x, y, span=0.4)
    assert np.isfinite(smooth).all()
    assert smooth[0] == smooth[1] == smooth[2]
