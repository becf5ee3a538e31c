"""Effects of a cohort: equal to per-feature least squares, whatever is missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from scipy.special import gamma

from analysis.stats import effects as module
from analysis.stats.effects import checked, fit_effects
from analysis.stats.errors import UnusableData
from analysis.stats.multiplicity import adjust_p
from tests.stats import r_reference
from tests.stats.effect_studies import FIELDS, cohort, same


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


@pytest.mark.parametrize("name", r_reference.LINEAR)
def test_every_feature_is_the_one_of_lm_and_of_limma(name):
    assert_like_r(r_reference.stored("linear_models")[name], *r_reference.linear(name))


def assert_like_r(r, values, group, covariates):
    """Estimates of R's lm and limma's lmFit to 1e-8, where there is one; the group comes last."""
    effects = fit_effects(values, group, covariates)
    for name in ("estimate", "se", "df", "p"):
        theirs = r_reference.numbers(r[name])
        np.testing.assert_allclose(getattr(effects, name), theirs, rtol=1e-8, err_msg=name)
    usable = np.isfinite(effects.estimate)
    assert [not why for why in effects.reason] == list(usable)
    limma = {name: r_reference.numbers(column) for name, column in r["limma"].items()}
    np.testing.assert_allclose(effects.estimate[usable], limma["estimate"], rtol=1e-8)
    np.testing.assert_allclose(effects.residual_sd[usable], limma["sigma"], rtol=1e-8)


def test_real_cohorts_with_their_gaps_are_the_ones_of_lm_and_of_limma(real_data, tmp_path):
    tables = {name: table for name, *table in r_reference.real_tables(real_data)}
    for name, table in tables.items():
        r_reference.write_linear(tmp_path, name, *table)
    r = r_reference.run_again("linear_models.R", *tables, folder=tmp_path)
    for name, table in tables.items():
        assert_like_r(r[name], *table)


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


def test_usable_values_and_group_come_back_as_floats():
    data, labels = checked([[1, 2], [3, 4]], [True, False])
    assert data.dtype == labels.dtype == np.float64


def test_features_that_share_their_gaps_are_fitted_again_alike():
    rng = np.random.default_rng(1)
    group = np.arange(40) % 2
    values = 1e-5 * rng.normal(size=(40, 3)) + 1e3 * group[:, None]
    values[3, :2] = np.nan
    together = fit_effects(values, group)
    alone = [fit_effects(values[:, [j]], group).p[0] for j in range(3)]
    np.testing.assert_allclose(together.p, alone, rtol=1e-9)


def test_the_smallest_units_are_no_constants():
    values, group, covariates = cohort()
    small = fit_effects((values - 1000) * 1e-25, group, covariates)
    np.testing.assert_allclose(small.p, fit_effects(values - 1000, group, covariates).p, 1e-7)


def test_blocks_of_features_do_not_change_a_result():
    values, group, covariates = cohort(m=300, missing=0.05)
    whole = fit_effects(values, group, covariates)
    part = fit_effects(values[:, 290:], group, covariates)
    np.testing.assert_allclose(whole.p[290:], part.p, rtol=1e-9)


def test_a_table_stored_by_feature_gives_the_same():
    values, group, covariates = cohort(n=50, m=30, missing=0.1)
    by_feature = fit_effects(np.asfortranarray(values), group, covariates)
    same(fit_effects(values, group, covariates), by_feature, 1e-10)


def test_covariates_that_are_nearly_copies_among_the_samples_measured_keep_their_digits():
    rng = np.random.default_rng(3)
    one = rng.normal(size=40)
    other = one + np.where(np.arange(40) < 20, 1e-5, 1.0) * rng.normal(size=40)
    values = rng.normal(size=(40, 2))
    values[20:, 1] = np.nan
    group = np.arange(40) % 2
    effects = fit_effects(values, group, np.column_stack([one, other]))
    design = np.column_stack([np.ones(20), group[:20], one[:20], other[:20]])
    peer = sm.OLS(values[:20, 1], design).fit()
    ours = [effects.estimate[1], effects.se[1], effects.p[1], effects.df[1]]
    assert ours == pytest.approx([peer.params[1], peer.bse[1], peer.pvalues[1], 16], rel=1e-8)


def test_an_outlier_that_comes_first_costs_no_digits():
    values, group, covariates = cohort(m=2, missing=0.1)
    values[0] = 1e9
    order = np.roll(np.arange(len(group)), 7)
    first = fit_effects(values, group, covariates)
    same(first, fit_effects(values[order], group[order], covariates.iloc[order]), 1e-8)


def test_differences_too_small_for_their_squares_are_no_constants():
    effects = fit_effects(np.array([[1.0], [2.0], [4.0], [3.0]]) * 1e-170, [0, 0, 1, 1])
    assert effects.reason == (module.VANISHING,)


def test_a_feature_without_an_estimate_is_no_test_among_many():
    values, group, covariates = cohort(m=6)
    few = np.column_stack([values, np.full((60, 4), 3.0)])
    adjusted = adjust_p(fit_effects(few, group, covariates).p)
    assert np.isnan(adjusted[6:]).all()
    alone = adjust_p(fit_effects(values, group, covariates).p)
    np.testing.assert_allclose(adjusted[:6], alone, rtol=1e-12)


def test_the_interval_of_hedges_g_covers_as_often_as_it_says():
    rng = np.random.default_rng(11)
    group = np.arange(40) % 2
    for delta in (0.0, 0.5, 1.2):
        effects = fit_effects(rng.normal(size=(40, 4000)) + delta * group[:, None], group)
        half = 1.96 * np.sqrt(effects.hedges_g_variance)
        covered = np.abs(effects.hedges_g - delta) < half
        # Four errors of a share of 0.95 in 4,000 draws are 0.014.
        assert covered.mean() == pytest.approx(0.95, abs=0.014)
        assert effects.hedges_g.mean() == pytest.approx(delta, abs=0.025)


def test_the_false_discovery_rate_is_kept_under_the_null_and_beside_real_effects():
    rng = np.random.default_rng(12)
    group = np.arange(30) % 2
    values = rng.normal(size=(30, 400 * 50))
    null = adjusted_in_fifties(fit_effects(values, group).p) < 0.05
    # Where nothing is real, any discovery is false; three errors of 0.05 in 400 are 0.033.
    assert null.any(axis=1).mean() == pytest.approx(0.05, abs=0.033)
    real = np.tile(np.arange(50) < 10, 400)
    found = adjusted_in_fifties(fit_effects(values + 1.5 * group[:, None] * real, group).p) < 0.05
    false = found[:, 10:].sum(axis=1) / np.maximum(found.sum(axis=1), 1)
    assert false.mean() == pytest.approx(0.05 * 40 / 50, abs=0.012)
    assert found[:, :10].mean() > 0.6


def adjusted_in_fifties(p):
    return np.array([adjust_p(family) for family in p.reshape(-1, 50)])


@pytest.mark.parametrize(
    ("values", "group", "message"),
    [
        ([1.0, 2.0], [0, 1], "2 dimensions"),
        ([[1.0], [2.0]], [0, 1, 1], "one a sample"),
        ([[1.0], [2.0]], [0, 2], r"Row 1 has the group 2.0"),
        ([[1.0], [-np.inf]], [0, 1], r"row 1, feature 0: was a logarithm taken of zero"),
        ([[np.inf], [2.0]], [0, 1], r"row 0, feature 0: was a logarithm"),
        ([[1.0, np.inf], [np.nan, 2.0]], [0, 1], r"row 0, feature 1: was a logarithm"),
        ([[1.0], [1e200]], [0, 1], r"1e\+200 in row 1, feature 0 is too large for its"),
        ([[1], [2**60 + 1]], [0, 1], r"at \(1, 0\) are 1152921504606846977, beyond 2\^53"),
        ([[1.0], [10**400]], [0, 1], "no real numbers .*too large"),
        ([["a"], ["b"]], [0, 1], "Values are of the kind <U1"),
        ([[1.0], [2.0]], ["0", "1"], "The group are of the kind"),
        (np.array([["x"], [None]], dtype=object), [0, 1], "no real numbers"),
    ],
)
def test_unusable_input_is_refused_with_its_place(values, group, message):
    for refuses in (fit_effects, checked):
        if "too large for its" in message and refuses is checked:
            continue  # a square is taken by the fit alone
        with pytest.raises(UnusableData, match=message):
            refuses(values, group)


def test_no_sample_with_all_covariates_is_no_error():
    gone = fit_effects([[1.0], [2.0]], [0, 1], pd.DataFrame({"a": [1, None], "b": [None, 2]}))
    assert gone.reason == ("fewer than 2 cases measured (0)",)
    assert gone.n_left_out == 2


@pytest.mark.parametrize(
    ("n_case", "n_control", "reason"),
    [
        (0, 0, "fewer than 2 cases measured (0)"),
        (1, 0, "fewer than 2 cases measured (1)"),
        (3, 0, "fewer than 2 controls measured (0)"),
        (3, 1, "fewer than 2 controls measured (1)"),
    ],
)
@pytest.mark.parametrize("hole", [False, True])
def test_a_cohort_with_hardly_anybody_says_so_of_every_feature(n_case, n_control, reason, hole):
    values = np.random.default_rng(0).normal(size=(n_case + n_control, 3))
    if hole:
        values = np.vstack([values, np.full((2, 3), np.nan)])
    group = [1] * n_case + [0] * n_control + [0, 1] * hole
    effects = fit_effects(values, group)
    assert effects.reason == (reason,) * 3
    assert np.isnan(effects.p).all()


@pytest.mark.parametrize("hole", [np.nan, 0.5])
def test_a_constant_feature_has_no_effect_at_any_level(hole):
    values = np.array([[0.3, 1e9, 0.0]] * 6 + [[hole, 1e9, 0.0]])
    values[1, 0] = 0.1 + 0.2  # 0.30000000000000004
    effects = fit_effects(values, [0, 0, 0, 1, 1, 1, 1])
    assert effects.reason[1:] == (module.CONSTANT,) * 2
    assert (effects.reason[0] == module.CONSTANT) == np.isnan(hole)
