"""What holds for the effects of any cohort, whatever its numbers."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.stats.effects import fit_effects
from tests.stats.effect_studies import cohort, same

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


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_the_order_of_features_does_not_matter(seed):
    values, group, covariates = cohort(seed, missing=0.2)
    order = np.random.default_rng(seed).permutation(values.shape[1])
    whole = fit_effects(values, group, covariates)
    shuffled = fit_effects(values[:, order], group, covariates)
    np.testing.assert_allclose(shuffled.p, whole.p[order], rtol=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_everybody_twice_leaves_the_estimate_and_is_only_surer_of_it(seed):
    values, group, covariates = cohort(seed, missing=0.2)
    once = fit_effects(values, group, covariates)
    twice = fit_effects(np.tile(values, (2, 1)), np.tile(group, 2), pd.concat([covariates] * 2))
    np.testing.assert_allclose(twice.estimate, once.estimate, rtol=1e-7, atol=1e-9)
    # The same squares over more degrees of freedom, and twice the information.
    expected = once.se * np.sqrt(once.df / twice.df)
    np.testing.assert_allclose(twice.se, expected, rtol=1e-7)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, m=st.integers(1, 8))
def test_any_pattern_of_gaps_is_the_textbook_formula_in_a_loop(seed, m):
    rng = np.random.default_rng(seed)
    values, group, covariates = cohort(seed, n=24, m=m, missing=rng.uniform(0, 0.6))
    effects = fit_effects(values, group, covariates)
    design = np.column_stack([np.ones(24), covariates.age, covariates.sex == "m", group])
    for j, y in enumerate(values.T):
        rows = ~np.isnan(y)
        x = design[rows][:, [True, True, len(set(design[rows, 2])) > 1, True]].astype(float)
        if effects.reason[j]:
            few = min(x[:, -1].sum(), (1 - x[:, -1]).sum()) < 2 or len(x) <= x.shape[1]
            assert few or np.linalg.matrix_rank(x) < x.shape[1]
            continue
        inverse = np.linalg.inv(x.T @ x)
        beta = inverse @ x.T @ y[rows]
        s2 = ((y[rows] - x @ beta) ** 2).sum() / (len(x) - x.shape[1])
        assert effects.estimate[j] == pytest.approx(beta[-1], rel=1e-6, abs=1e-7)
        assert effects.se[j] == pytest.approx(np.sqrt(s2 * inverse[-1, -1]), rel=1e-6)
