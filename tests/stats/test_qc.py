"""Pooled QC samples show drift and batches; what they show is taken out, and no more."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.nonparametric.smoothers_lowess import lowess

from analysis.stats.errors import UnusableData
from analysis.stats.loess import loess_weights
from analysis.stats.qc import fit_qc, left_out_rsd_percent, qc_rsd_percent

NAN = np.nan


def assay(seed: int = 0, *, n: int = 40, m: int = 6, noise: float = 0.05):
    """Two batches with a QC sample at every fourth place, a shift and a drift in each."""
    rng = np.random.default_rng(seed)
    batch = np.repeat(["b1", "b2"], n)
    order = np.r_[np.arange(n), np.arange(n)].astype(float)
    is_qc = order % 4 == 0
    level = rng.uniform(3, 9, m)
    truth = np.where(is_qc[:, None], level, level + rng.normal(0, 0.5, (2 * n, m)))
    shift = np.where(batch == "b1", 0.4, -0.3)[:, None]
    drift = (
        np.where(batch == "b1", 1, -0.5)[:, None] * rng.uniform(0.3, 0.8, m) * order[:, None] / n
    )
    values = np.exp(truth + shift + drift + rng.normal(0, noise, truth.shape))
    return values, is_qc, batch, order, np.exp(truth)


@pytest.mark.parametrize("span", [0.4, 0.66, 1.0])
def test_local_lines_equal_those_of_statsmodels(span):
    rng = np.random.default_rng(3)
    x, y = np.sort(rng.uniform(0, 50, 30)), rng.normal(0, 1, 30)
    between = np.linspace(x[0], x[-1], 77)
    ours = loess_weights(x, between, span) @ y
    theirs = lowess(y, x, frac=span, it=0, xvals=between)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)
    at_points = lowess(y, x, frac=span, it=0, delta=0, return_sorted=False)
    np.testing.assert_allclose(loess_weights(x, x, span) @ y, at_points, rtol=0, atol=1e-10)


def test_a_line_through_three_points_far_from_two_of_them_is_the_value_of_the_third():
    weights = loess_weights(np.array([0.0, 1.0, 2.0]), np.array([1.0]), 1.0)
    np.testing.assert_allclose(weights, [[0, 1, 0]], atol=1e-15)


def test_a_straight_drift_is_taken_out_and_the_samples_keep_their_differences():
    values, is_qc, batch, order, truth = assay(noise=0.0)
    corrected = fit_qc(values, is_qc, batch, order).apply(values, batch, order)
    ratio = corrected / truth
    # One level a feature remains; QC samples reach to within 4 places of the end of a batch.
    inside = order <= 36
    np.testing.assert_allclose(ratio[inside] / ratio[0], 1, rtol=1e-10)
    assert qc_rsd_percent(values, is_qc).min() > 20
    assert qc_rsd_percent(corrected, is_qc).max() < 1e-8


def test_median_ratios_take_out_the_batch_and_leave_the_drift():
    values, is_qc, batch, _, _ = assay(noise=0.0)
    corrected = fit_qc(values, is_qc, batch, method="median_ratio").apply(values, batch)
    for name in ("b1", "b2"):
        rows = batch == name
        level = np.median(np.log(corrected[rows & is_qc]), axis=0)
        np.testing.assert_allclose(level, np.median(np.log(corrected[is_qc & ~rows]), axis=0))
        steps = corrected[rows] / values[rows]
        np.testing.assert_allclose(steps, np.repeat(steps[:1], 40, axis=0))


def test_beyond_the_last_qc_sample_the_level_stays_where_it_was():
    values, is_qc, batch, order, _ = assay()
    model = fit_qc(values, is_qc, batch, order)
    factors = model.apply(np.ones((3, 6)), ["b1"] * 3, [36, 39, 400])
    np.testing.assert_allclose(factors[1:], factors[[0, 0]])


def test_only_qc_samples_teach_the_model():
    values, is_qc, batch, order, _ = assay()
    other = np.where(is_qc[:, None], values, 7.0)
    one, two = (fit_qc(data, is_qc, batch, order) for data in (values, other))
    np.testing.assert_array_equal(one.apply(values, batch, order), two.apply(values, batch, order))


def test_too_few_qc_samples_for_a_curve_give_a_ratio_and_none_give_no_value():
    values, is_qc, batch, order, _ = assay()
    first = np.flatnonzero(is_qc & (batch == "b1"))
    values[first[3:], 0] = NAN
    values[first, 1] = NAN
    values[first[4:6], 2] = NAN
    model = fit_qc(values, is_qc, batch, order)
    corrected = model.apply(values, batch, order)
    assert np.argwhere(model.fell_back).tolist() == [[0, 0]]
    assert np.argwhere(model.uncorrectable).tolist() == [[0, 1]]
    assert np.isnan(corrected[batch == "b1", 1]).all()
    assert np.isfinite(corrected[batch == "b2", 1]).all()
    ratio = corrected[1:4, 0] / values[1:4, 0]
    np.testing.assert_allclose(ratio, ratio[0])
    assert np.isfinite(corrected[1:4, 2]).all()
    assert model.n_qc == (10, 10)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 999), unit=st.floats(1e-3, 1e3))
def test_neither_the_unit_nor_the_order_of_rows_and_features_matters(seed, unit):
    values, is_qc, batch, order, _ = assay(seed)
    before = fit_qc(values, is_qc, batch, order).apply(values, batch, order)
    rows, columns = np.random.default_rng(seed).permutation(80), [5, 3, 1, 0, 2, 4]
    mixed = unit * values[rows][:, columns]
    model = fit_qc(mixed, is_qc[rows], batch[rows], 60 * order[rows] + 5)
    after = model.apply(mixed, batch[rows], 60 * order[rows] + 5)
    np.testing.assert_allclose(after, unit * before[rows][:, columns], rtol=1e-8)


def test_the_qc_rsd_is_that_of_each_scale():
    values = np.array([[1.0, NAN, 1.0], [2.0, 2.0, -1.0], [3.0, 3.0, 0.0], [9.0, 9.0, 9.0]])
    is_qc = np.array([True, True, True, False])
    np.testing.assert_allclose(qc_rsd_percent(values, is_qc), [50, NAN, NAN])
    logs = np.random.default_rng(0).normal(0, 0.2, (5000, 1))
    always = np.full(5000, True)
    exact = qc_rsd_percent(np.exp(logs), always)[0]
    for scale, base in (("ln", 1.0), ("log2", np.log(2)), ("log10", np.log(10))):
        assert qc_rsd_percent(logs / base, always, scale=scale)[0] == pytest.approx(exact, rel=0.03)


def test_left_out_qc_samples_unmask_a_curve_that_follows_noise():
    values, is_qc, batch, order, _ = assay(noise=0.3)
    followed = fit_qc(values, is_qc, batch, order, span=0.3, min_qc=3).apply(values, batch, order)
    flattering = np.median(qc_rsd_percent(followed, is_qc))
    honest = np.median(left_out_rsd_percent(values, is_qc, batch, order, span=0.3, min_qc=3))
    assert flattering < 15 < 30 < honest


def test_the_only_qc_sample_of_a_batch_has_no_others_to_correct_it():
    values, is_qc, batch, order, _ = assay()
    keep = ~is_qc | (batch == "b1") | (order == 0)
    arguments = values[keep], is_qc[keep], batch[keep]
    with_one = left_out_rsd_percent(*arguments, method="median_ratio")
    first = batch[keep] == "b1"
    without = left_out_rsd_percent(*(array[first] for array in arguments), method="median_ratio")
    np.testing.assert_allclose(with_one, without)


def test_drift_correction_makes_the_qc_samples_of_mtbls79_agree(real_data):
    folder = real_data / "mtbls79_batches"
    samples = pd.read_csv(folder / "samples.csv")
    values = pd.read_csv(folder / "measurements.csv", index_col="sample_id").loc[samples.sample_id]
    table, is_qc = values.to_numpy(), (samples.sample_type == "QC").to_numpy()
    assert np.median(qc_rsd_percent(table, is_qc)) == pytest.approx(23.3, abs=0.1)
    # Fitted and left-out RSD in percent: most of the drift is between batches.
    for method, fitted, left_out in (("median_ratio", 11.5, 14.1), ("loess", 9.4, 13.7)):
        options = table, is_qc, samples.batch, samples.file_order
        corrected = fit_qc(*options, method=method).apply(table, samples.batch, samples.file_order)
        assert np.nanmedian(qc_rsd_percent(corrected, is_qc)) == pytest.approx(fitted, abs=0.1)
        honest = np.nanmedian(left_out_rsd_percent(*options, method=method))
        assert honest == pytest.approx(left_out, abs=0.1)
    # The same cow or sheep in eight batches, which no QC sample has seen.
    animal = samples.biological_id[~is_qc].to_numpy()
    assert repeat_sd(table[~is_qc], animal) == pytest.approx(0.235, abs=0.002)
    assert repeat_sd(corrected[~is_qc], animal) == pytest.approx(0.196, abs=0.002)


def repeat_sd(values: np.ndarray, animal: np.ndarray) -> float:
    """Median over features of the mean SD of ln within an animal."""
    return pd.DataFrame(np.log(values)).groupby(animal).std().mean().median()


VALUES, IS_QC, BATCH, ORDER, _ = assay()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "spline"}, 'No QC correction is called "spline"'),
        ({"span": 0.0}, "A span of 0.0"),
        ({"min_qc": 2}, "2 is no count; give a whole number from 3 up"),
        ({"is_qc": IS_QC & (BATCH == "b1")}, r"No QC sample in batch b2 \(40 samples\)"),
        ({"is_qc": IS_QC & False}, "None of the 80 samples is a QC sample"),
        ({"is_qc": IS_QC[:5]}, r"shape \(5,\) and the kind bool: .* each of \(80,\)"),
        ({"is_qc": IS_QC.astype(int)}, "the kind int64"),
        ({"values": -VALUES}, "120 QC values are not positive, the first in row 0, feature 0"),
        ({"values": VALUES * NAN}, "The 20 QC samples have no measured value"),
        ({"values": np.empty((0, 3))}, r"the shape \(0, 3\)"),
        ({"values": np.where(VALUES > 20, VALUES, np.inf)}, "is infinite"),
        ({"batch": BATCH[:7]}, r"7 batch labels of the shape \(7,\) for 80 samples"),
        ({"injection_order": None}, "A curve needs the injection order"),
        ({"injection_order": ORDER[:9]}, r"shape \(9,\) for 80 samples"),
        ({"injection_order": np.where(ORDER == 3, NAN, ORDER)}, "2 samples lack .* row 3"),
        ({"injection_order": ORDER // 8}, "Two QC samples of batch b1 share an injection order"),
    ],
)
def test_unusable_qc_is_refused_by_name(changes, message):
    whole = {"values": VALUES, "is_qc": IS_QC, "batch": BATCH, "injection_order": ORDER}
    with pytest.raises(UnusableData, match=message):
        fit_qc(**(whole | changes))


def test_amounts_that_are_called_logarithms_get_no_infinite_rsd():
    amounts = np.column_stack([np.linspace(1, 2, 6), np.linspace(10, 900, 6)])
    with pytest.raises(
        UnusableData, match=r'features \[1\].* on the scale "log2"\? Say scale="raw"'
    ):
        qc_rsd_percent(amounts, np.full(6, True), scale="log2")


def test_no_rsd_is_given_on_an_unknown_scale():
    with pytest.raises(UnusableData, match='scale "cube"'):
        qc_rsd_percent(VALUES, IS_QC, scale="cube")


def test_a_model_refuses_rows_that_it_knows_nothing_of():
    values, is_qc, batch, order, _ = assay()
    model = fit_qc(values, is_qc, batch, order)
    with pytest.raises(UnusableData, match=r"Batches \['b9'\] have no QC"):
        model.apply(values[:1], ["b9"], [0])
    with pytest.raises(UnusableData, match="has 6 features and the values 5"):
        model.apply(values[:, 1:], batch, order)
    with pytest.raises(UnusableData, match="needs the injection order"):
        model.apply(values, batch)
