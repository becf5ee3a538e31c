"""Below the limit of detection is not missing, and neither is invented."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.stats import censored as module
from analysis.stats.censored import fit_qrilc, fit_tobit
from analysis.stats.errors import UnusableData
from analysis.stats.impute import impute
from tests.stats.r_reference import stored

NAN = np.nan

CENSORED = stored("preparation_r")["censored"]
FITTED = ["tobit_mean", "tobit_draw", "qrilc"]


def table(name: str) -> np.ndarray:
    return np.array(CENSORED[name], dtype=float)


def log_normal(seed: int, *, n: int = 40, m: int = 3, share: float = 0.3):
    """Log-normal values, and which of them lie below the limit of their feature."""
    values = np.exp(np.random.default_rng(seed).normal(1, 0.5, (n, m)))
    limits = np.quantile(values, share, axis=0)
    return values, values < limits, limits


def fill(values, below, limits=None, *, method, seed=0):
    known = np.where(below, NAN, values)
    return impute(known, below.astype(int), limits, method=method, rng=np.random.default_rng(seed))


def test_a_limit_of_zero_is_no_limit():
    imputed = impute([[0.0], [4.0]], [[1], [0]], [0.0], method="half_limit")
    assert imputed.values.tolist() == [[2.0], [4.0]]


def test_missing_stays_missing_and_excluded_values_go():
    imputed = impute([[1.0, NAN], [7.0, 2.0]], [[0, 2], [3, 0]])
    np.testing.assert_array_equal(imputed.values, [[1, NAN], [NAN, 2]])
    assert imputed.n_touched.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("method", "filled"),
    [("half_minimum", 0.6), ("half_limit", 0.3), ("limit_over_sqrt2", 0.6 / np.sqrt(2))],
)
def test_a_known_limit_is_used_as_the_method_says_and_never_exceeded(method, filled):
    imputed = impute([[0.6], [4.0], [3.0]], [[1], [0], [0]], method=method)
    assert imputed.values[0, 0] == pytest.approx(filled)
    assert imputed.n_touched.tolist() == [1]


@pytest.mark.parametrize("method", ["half_minimum", "half_limit", "limit_over_sqrt2"])
def test_without_a_limit_half_of_the_smallest_measured_value_stands_in(method):
    imputed = impute([[NAN], [4.0], [3.0], [0.0]], [[1], [0], [0], [0]], method=method)
    assert imputed.values[0, 0] == 1.5


def test_limits_may_come_beside_the_values():
    imputed = impute([[NAN, NAN], [9, 9]], [[1, 1], [0, 0]], [2.0, NAN], method="half_limit")
    assert imputed.values[0].tolist() == [1.0, 4.5]


def test_a_feature_with_nothing_measured_and_no_limit_stays_missing():
    imputed = impute([[NAN], [NAN]], [[1], [1]])
    assert np.isnan(imputed.values).all()
    assert imputed.n_touched.tolist() == [0]


def test_a_feature_never_measured_takes_half_of_its_limit():
    assert impute([[2.0], [2.0]], [[1], [1]]).values.tolist() == [[1.0], [1.0]]


def test_the_input_is_not_changed():
    values = np.array([[1.0], [2.0]])
    impute(values, [[1], [0]])
    assert values.tolist() == [[1.0], [2.0]]


@pytest.mark.parametrize(
    ("values", "flags", "options", "message"),
    [
        ([[NAN], [-2.0]], [[1], [0]], {}, "before taking logs"),
        ([[1.0]], [[7]], {}, r"Flags \[.*7.*\] are unknown"),
        ([[1.0]], [[0, 1]], {}, "one each"),
        ([[1.0]], [[1]], {"method": "zero"}, 'No imputation is called "zero"'),
        ([[1.0]], [[1]], {"limits": [1.0, 2.0]}, "one a feature"),
        ([1.0], [1], {}, "samples and features"),
        (np.empty((0, 3)), np.empty((0, 3)), {}, r"the shape \(0, 3\)"),
        ([[np.inf]], [[0]], {}, "row 0, feature 0 is infinite"),
        ([[1.0]], [[1]], {"limits": [np.inf]}, "limit of detection is infinite"),
        ([[1.0]], [[1]], {"method": "qrilc"}, '"qrilc" draws: give it rng'),
        ([[1.0]], [[1]], {"method": "tobit_draw"}, '"tobit_draw" draws: give it rng'),
        ([[0.0], [1.0]], [[0], [1]], {"method": "tobit_mean"}, "Feature 0 .* measured zeros"),
    ],
)
def test_unusable_input_is_refused(values, flags, options, message):
    with pytest.raises(UnusableData, match=message):
        impute(values, flags, **options)


def test_tobit_equals_survreg_of_r():
    fit = fit_tobit(table("values"), CENSORED["below"], table("limits"))
    np.testing.assert_allclose(fit.mean, CENSORED["tobit_mean"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(fit.sd, CENSORED["tobit_sd"], rtol=0, atol=1e-9)
    assert fit.n_below.tolist() == [6, 10, 20, 10, 0]


def test_the_regression_of_qrilc_equals_that_of_r():
    fit = fit_qrilc(table("values"), CENSORED["below"])
    np.testing.assert_allclose(fit.mean, CENSORED["qrilc_mean"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(fit.sd, CENSORED["qrilc_sd"], rtol=0, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), shift=st.floats(-100, 100), scale=st.floats(0.01, 100))
def test_the_fits_follow_the_unit_of_the_values(seed, shift, scale):
    values, below, limits = log_normal(seed)
    moved, moved_limits = values * scale + shift, limits * scale + shift
    for before, after in (
        (fit_tobit(values, below, limits), fit_tobit(moved, below, moved_limits)),
        (fit_qrilc(values, below), fit_qrilc(moved, below)),
    ):
        np.testing.assert_allclose(after.mean, before.mean * scale + shift, atol=1e-7 * scale)
        np.testing.assert_allclose(after.sd, before.sd * scale, rtol=1e-7)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999))
def test_the_order_of_samples_and_of_features_does_not_matter(seed):
    values, below, limits = log_normal(seed)
    rows, columns = np.random.default_rng(seed).permutation(40), [2, 0, 1]
    filled = fill(values, below, limits, method="tobit_mean").values
    mixed = fill(
        values[rows][:, columns], below[rows][:, columns], limits[columns], method="tobit_mean"
    )
    np.testing.assert_allclose(mixed.values, filled[rows][:, columns], rtol=1e-9)


# QRILC weighs far quantiles like near ones: at 70 % censored it is 0.08 SD low and 10 % too wide.
@pytest.mark.parametrize(("share", "lean"), [(0.1, 0.0), (0.4, 0.01), (0.7, 0.045)])
def test_the_distribution_that_was_planted_is_found_under_the_censored_share(share, lean):
    values, below, limits = log_normal(1, n=4000, m=4, share=share)
    tobit = fit_tobit(np.log(values), below, np.log(limits))
    np.testing.assert_allclose(tobit.mean, 1, atol=0.04)
    np.testing.assert_allclose(tobit.sd, 0.5, atol=0.03)
    qrilc = fit_qrilc(np.log(values), below)
    np.testing.assert_allclose(qrilc.mean, 1 - lean, atol=0.05)
    np.testing.assert_allclose(qrilc.sd, 0.5 + lean, atol=0.05)


def test_draws_give_the_spread_back_that_half_of_the_minimum_distorts():
    values, below, limits = log_normal(2, n=2000, m=1)
    spread = {
        method: np.log(fill(values, below, limits, method=method).values).std()
        for method in ("half_minimum", "tobit_draw", "qrilc")
    }
    assert spread["tobit_draw"] == pytest.approx(0.5, abs=0.02)
    assert spread["qrilc"] == pytest.approx(0.5, abs=0.02)
    assert abs(spread["half_minimum"] - 0.5) > 0.1


def test_the_mean_below_the_limit_is_that_of_many_draws():
    values, below, limits = log_normal(3, n=60, m=1)
    mean = fill(values, below, limits, method="tobit_mean").values[below]
    draws = [
        np.log(fill(values, below, limits, method="tobit_draw", seed=seed).values[below])
        for seed in range(300)
    ]
    assert len(set(mean)) == 1
    assert np.mean(draws) == pytest.approx(np.log(mean[0]), abs=0.015)


@pytest.mark.parametrize("method", FITTED)
def test_censored_values_alone_are_filled_below_their_limit_and_counted(method):
    values, below, limits = log_normal(4)
    gaps = values.copy()
    gaps[0, 1] = NAN
    below[0, 1] = False
    flags = np.where(below, 1, np.where(np.isnan(gaps), 2, 0))
    imputed = impute(gaps, flags, limits, method=method, rng=np.random.default_rng(0))
    assert (imputed.values < limits)[below].all()
    assert (imputed.values > 0)[below].all()
    np.testing.assert_array_equal(imputed.values[~below], gaps[~below])
    assert imputed.n_touched.tolist() == below.sum(axis=0).tolist()
    assert imputed.notes == ()


@pytest.mark.parametrize("method", ["tobit_mean", "tobit_draw"])
def test_without_a_known_limit_the_smallest_measured_value_is_the_limit_of_tobit(method):
    values, below, _ = log_normal(5)
    filled = fill(values, below, method=method).values
    lowest = np.nanmin(np.where(below, NAN, values), axis=0)
    given = fill(values, below, lowest, method=method).values
    assert (filled < lowest)[below].all()
    np.testing.assert_array_equal(filled, given)


def test_qrilc_needs_no_limit_and_never_exceeds_a_known_one():
    values, below, _ = log_normal(5)
    assert np.isfinite(fill(values, below, method="qrilc").values).all()
    low = fill(values, below, np.full(3, 0.5), method="qrilc").values
    assert (low[below] < 0.5).all()


def test_without_flags_nothing_is_filled():
    imputed = impute([[1.0, NAN]], method="tobit_mean")
    np.testing.assert_array_equal(imputed.values, [[1.0, NAN]])
    assert imputed.n_touched.tolist() == [0, 0]


@pytest.mark.parametrize("method", ["tobit_draw", "qrilc"])
def test_the_same_seed_draws_the_same_values(method):
    values, below, limits = log_normal(6)
    first, same, other = (
        fill(values, below, limits, method=method, seed=seed).values for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, same)
    assert (first != other)[below].all()


@pytest.mark.parametrize("method", FITTED)
def test_a_feature_that_no_distribution_fits_takes_half_of_its_minimum_and_says_so(method):
    values = [[1.0, NAN, 5.0], [1.0, NAN, 6.0], [4.0, 3.0, 7.0], [NAN, 4.0, 8.0]]
    flags = [[1, 1, 0], [1, 1, 0], [0, 0, 0], [2, 0, 0]]
    imputed = impute(values, flags, method=method, rng=np.random.default_rng(0))
    assert imputed.values[:2, 0].tolist() == [1.0, 1.0]
    assert imputed.notes == (
        "Feature 0: half_minimum, as its 1 measured values are fewer than 2 different ones.",
    )


def test_qrilc_has_no_quantile_above_a_share_of_all_but_one_in_a_hundred():
    values = np.r_[np.full(300, NAN), 2.0, 3.0][:, None]
    below = np.isnan(values)
    assert fit_qrilc(values, below).reason == ("99.3% of its values are below the limit",)
    imputed = fill(values, below, method="qrilc")
    assert imputed.values[0, 0] == 1.0
    assert "99.3%" in imputed.notes[0]


def test_a_limit_far_above_or_below_the_measured_values_still_gives_a_fit():
    rng = np.random.default_rng(0)
    values = np.tile(rng.normal(0, 1, (50, 1)), (1, 2))
    below = np.zeros((50, 2), dtype=bool)
    below[:3] = True
    fit = fit_tobit(values, below, [50.0, -50.0])
    assert fit.mean[0] == pytest.approx(values[3:, 0].mean(), abs=1e-9)
    assert fit.mean[1] < fit.mean[0]
    assert fit.sd[1] > 5


def test_unusable_fits_are_refused(monkeypatch):
    with pytest.raises(UnusableData, match=r"shape \(1, 2\) .* true or false for each of \(1, 1\)"):
        fit_tobit([[1.0]], [[True, False]], [1.0])
    with pytest.raises(UnusableData, match=r"Feature 1 \(of 1\) .* limit that is not known"):
        fit_tobit([[1.0, 1.0]], [[False, True]], [NAN, NAN])
    monkeypatch.setattr(module, "_MAX_STEPS", 1)
    with pytest.raises(UnusableData, match="did not settle in 1 steps for 1 features"):
        fit_tobit([[1.0], [2.0], [3.0]], [[True], [False], [False]], [1.5])
