"""Effects with HC3 errors: equal to R's sandwich, and honest where the groups vary unlike."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.stats import robust as module
from analysis.stats.effects import fit_effects
from analysis.stats.errors import UnusableData
from analysis.stats.robust import fit_robust_effects
from tests.stats import r_reference


def cohort(seed=0, n=40, m=6, missing=0.2):
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.arange(n) % 2)
    covariates = pd.DataFrame({"age": rng.normal(40, 9, n), "sex": rng.choice(["f", "m"], n)})
    values = rng.normal(1000, 2, (n, m)) * (1 + group[:, None])
    values[rng.random(values.shape) < missing] = np.nan
    return values, group, covariates


@pytest.mark.parametrize("name", r_reference.LINEAR)
def test_the_error_is_the_one_of_sandwich(name):
    values, group, covariates = r_reference.linear(name)
    theirs = r_reference.numbers(r_reference.stored("linear_models")[name]["hc3"])
    effects = fit_robust_effects(values, group, covariates)
    np.testing.assert_allclose(effects.se, theirs, rtol=1e-8)
    np.testing.assert_allclose(effects.t, effects.estimate / theirs, rtol=1e-8)


def test_on_real_cohorts_the_error_is_the_one_of_sandwich(real_data, tmp_path):
    name, *table = next(r_reference.real_tables(real_data))
    r_reference.write_linear(tmp_path, name, *table)
    r = r_reference.run_again("linear_models.R", name, folder=tmp_path)[name]
    np.testing.assert_allclose(
        fit_robust_effects(*table).se, r_reference.numbers(r["hc3"]), rtol=1e-8
    )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_any_pattern_of_gaps_is_the_formula_of_mackinnon_and_white_in_a_loop(seed):
    values, group, covariates = cohort(seed, missing=0.4)
    effects = fit_robust_effects(values, group, covariates)
    design = np.column_stack([np.ones(40), covariates.age, covariates.sex == "m", group])
    for j, y in enumerate(values.T):
        rows = ~np.isnan(y)
        x, y = design[rows].astype(float), y[rows]
        bread = np.linalg.inv(x.T @ x)
        leverage = np.einsum("ij,jk,ik->i", x, bread, x)
        share = (y - x @ bread @ x.T @ y) / (1 - leverage)
        variance = (bread @ x.T * share**2 @ x @ bread)[-1, -1]
        assert effects.se[j] == pytest.approx(np.sqrt(variance), rel=1e-6)
        assert effects.max_leverage[j] == pytest.approx(leverage.max(), rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), shift=st.floats(-1e4, 1e4), scale=st.floats(0.01, 100))
def test_shift_scale_and_order_leave_the_test_alone(seed, shift, scale):
    values, group, covariates = cohort(seed)
    order = np.random.default_rng(seed).permutation(40)
    before = fit_robust_effects(values, group, covariates)
    changed = values[order][:, ::-1] * scale + shift
    after = fit_robust_effects(changed, group[order], covariates.iloc[order])
    np.testing.assert_allclose(after.p[::-1], before.p, rtol=1e-5)


def test_it_keeps_its_level_where_the_smaller_group_varies_more():
    rng = np.random.default_rng(5)
    group = np.repeat([1, 0], [10, 40])
    values = rng.normal(size=(50, 4000)) * np.where(group == 1, 3.0, 1.0)[:, None]
    assert (fit_effects(values, group).p < 0.05).mean() > 0.15
    assert (fit_robust_effects(values, group).p < 0.05).mean() == pytest.approx(0.055, abs=0.02)


def test_a_feature_without_a_test_says_why():
    group = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    hospital = pd.DataFrame({"hospital": list("aaabaaaa")})
    values = np.random.default_rng(0).normal(size=(8, 4))
    values[3, 1] = np.nan
    values[:, 2] = 4.0
    # Within b and c nobody differs, so that no residual weighs on the group.
    effects = fit_robust_effects(values, group, hospital)
    assert effects.reason == (
        module.ALONE,
        "",
        "constant: every measured value is the same",
        module.ALONE,
    )
    assert np.isfinite(effects.p[1])
    assert np.isnan(effects.p[[0, 2, 3]]).all()
    assert effects.adjusted_for == ("hospital",)


def test_residuals_that_all_fall_where_the_group_has_no_weight_give_no_error():
    # In hospital b everybody is a control: its spread says nothing of the difference in a.
    group = [0, 0, 1, 1, 0, 0]
    hospital = pd.DataFrame({"hospital": list("aaaabb")})
    values = np.array([[1.0], [1.0], [2.0], [2.0], [5.0], [9.0]])
    effects = fit_robust_effects(values, group, hospital)
    assert effects.reason == (module.NO_ERROR,)
    assert np.isnan(effects.se).all()


def test_what_effects_refuse_is_refused_here():
    with pytest.raises(UnusableData, match="row 1, feature 0"):
        fit_robust_effects([[1.0], [np.inf]], [0, 1])
