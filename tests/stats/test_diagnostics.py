"""Before and after: what of a table is its sites, its batches and its groups."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import f_oneway
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score

from analysis.stats.diagnostics import (
    compare,
    diagnose,
    principal_components,
    silhouette,
    variance_explained,
)
from analysis.stats.errors import UnusableData
from analysis.stats.harmonise import harmoniser
from analysis.stats.qc import fit_qc

NAN = np.nan


def study(seed: int = 0, *, shift: float = 2.0, m: int = 12):
    """Three sites of 20 that differ by ``shift`` SD, two batches a site, groups in each."""
    rng = np.random.default_rng(seed)
    site = np.repeat(["A", "B", "C"], 20)
    batch = np.array([f"{name}{i % 4 // 2}" for i, name in enumerate(site)])
    group = np.arange(60) % 2
    values = rng.normal(0, 1, (60, m)) + shift * rng.normal(0, 1, (3, m))[np.repeat(range(3), 20)]
    return values, site, batch, group


def test_the_share_of_variance_is_that_of_an_analysis_of_variance():
    values, site, _, _ = study()
    values[3:7, 2] = NAN
    found = variance_explained(values, site)
    for feature in range(values.shape[1]):
        column = pd.Series(values[:, feature])
        parts = [part.dropna() for _, part in column.groupby(site)]
        n = sum(map(len, parts))
        ratio = f_oneway(*parts).statistic * 2 / (n - 3)
        eta = ratio / (1 + ratio)
        assert found.eta_squared[feature] == pytest.approx(eta, rel=1e-10)
        assert found.adjusted[feature] == pytest.approx(1 - (1 - eta) * (n - 1) / (n - 3))
    assert found.n.tolist() == [60, 60, 56] + [60] * 9


def test_labels_without_meaning_explain_nothing_once_adjusted():
    values = np.random.default_rng(1).normal(0, 1, (60, 4000))
    found = variance_explained(values, np.arange(60) % 12)
    assert found.eta_squared.mean() == pytest.approx(11 / 59, abs=0.01)
    assert found.adjusted.mean() == pytest.approx(0, abs=0.01)
    assert (found.adjusted < 0).mean() == pytest.approx(0.5, abs=0.1)


def test_a_feature_of_which_nothing_can_be_said_has_no_share():
    values = np.random.default_rng(0).normal(0, 1, (6, 5))
    values[:, 0] = 0.1
    values[2:, 1] = NAN
    values[:, 2] = NAN
    values[[1, 2, 3, 5], 3] = NAN
    found = variance_explained(values, ["a", "a", "a", "b", "b", "b"])
    assert np.isnan(found.eta_squared).tolist() == [True, True, True, True, False]
    assert np.isnan(found.adjusted).tolist() == [True, True, True, True, False]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), shift=st.floats(-1e4, 1e4), scale=st.floats(0.01, 100))
def test_neither_unit_nor_order_nor_names_change_what_is_seen(seed, shift, scale):
    values, site, _, _ = study(seed)
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(60), rng.permutation(12)
    other = (values * scale + shift)[rows][:, columns]
    renamed = pd.Series(site[rows]).map({"A": "z", "B": "y", "C": "x"})
    before, after = variance_explained(values, site), variance_explained(other, renamed)
    np.testing.assert_allclose(after.eta_squared, before.eta_squared[columns], atol=1e-7)
    assert silhouette(other, renamed) == pytest.approx(silhouette(values, site), abs=1e-7)
    one, two = principal_components(values), principal_components(other)
    np.testing.assert_allclose(two.explained, one.explained, atol=1e-7)
    np.testing.assert_allclose(np.abs(two.scores), np.abs(one.scores[rows]), atol=1e-5)


def test_components_and_silhouette_are_those_of_scikit_learn():
    values, site, _, _ = study()
    standard = (values - values.mean(axis=0)) / values.std(axis=0, ddof=1)
    pca = PCA(3).fit(standard)
    found = principal_components(values, 3)
    np.testing.assert_allclose(np.abs(found.scores), np.abs(pca.transform(standard)), atol=1e-9)
    np.testing.assert_allclose(found.explained, pca.explained_variance_ratio_)
    assert silhouette(values, site) == pytest.approx(silhouette_score(standard, site))


def test_gaps_count_as_the_mean_and_constants_not_at_all():
    values, _, _, _ = study()
    values[5, 3] = NAN
    standard = (values - np.nanmean(values, axis=0)) / np.nanstd(values, axis=0, ddof=1)
    filled = np.nan_to_num(standard)
    found = principal_components(np.column_stack([values, np.full(60, 7.0), np.full(60, NAN)]), 2)
    u, s, _ = np.linalg.svd(filled)
    assert found.n_features == 12
    np.testing.assert_allclose(np.abs(found.scores), np.abs(u[:, :2] * s[:2]), atol=1e-9)


def test_components_of_more_features_than_samples_are_those_of_scikit_learn():
    values = np.random.default_rng(6).normal(size=(12, 40))
    pca = PCA(3).fit((values - values.mean(axis=0)) / values.std(axis=0, ddof=1))
    found = principal_components(values, 3)
    np.testing.assert_allclose(found.explained, pca.explained_variance_ratio_)
    largest = np.abs(pca.components_).argmax(axis=1)
    sign = np.sign(pca.components_[np.arange(3), largest])
    standard = (values - values.mean(axis=0)) / values.std(axis=0, ddof=1)
    np.testing.assert_allclose(found.scores, pca.transform(standard) * sign, atol=1e-9)


def test_one_label_or_one_each_has_no_silhouette():
    values, site, _, _ = study()
    assert np.isnan(silhouette(values, ["A"] * 60))
    assert np.isnan(silhouette(values[:3], site[[0, 20, 40]]))


def test_harmonisation_is_seen_to_take_the_sites_out_and_leave_the_groups():
    values, site, batch, group = study()
    values += 1.5 * group[:, None]
    adjusted = harmoniser("combat").fit(values, site, pd.DataFrame({"group": group}))
    after = adjusted.apply(values, site, pd.DataFrame({"group": group}))
    seen = compare(values, after, site, batch=batch, group=group)
    before, after = seen.before.summary(), seen.after.summary()
    assert list(before) == [
        *(f"{what}_{name}" for what in ("site", "batch", "group") for name in
          ("eta_squared", "adjusted")),
        "site_silhouette", "batch_silhouette", "group_silhouette",
    ]  # fmt: skip
    assert before["site_adjusted"] > 0.5 > 0.02 > after["site_adjusted"]
    assert before["site_silhouette"] > 0.3 > 0.02 > after["site_silhouette"]
    assert after["group_adjusted"] > 0.3 > before["group_adjusted"]
    assert seen.before.components.explained[0] > 0.3
    assert seen.before.qc_rsd_percent is None


def test_qc_samples_are_in_the_rsd_alone():
    values, site, batch, group = study()
    is_qc = np.arange(60) % 5 == 0
    moved = np.where(is_qc[:, None], values + 100, values)
    whole = {"batch": batch, "group": group, "is_qc": is_qc}
    one, two = (diagnose(table, site, **whole) for table in (values, moved))
    assert one.components.scores.shape == (48, 2)
    np.testing.assert_array_equal(one.components.scores, two.components.scores)
    assert one.silhouette == two.silhouette
    assert one.explained["site"].n.tolist() == [48] * 12
    assert one.qc_rsd_percent.shape == (12,)
    assert "qc_rsd_percent" in one.summary()


def test_what_cannot_be_had_is_left_out_of_the_summary():
    values, _, _, _ = study()
    is_qc = np.arange(60) < 2
    summary = diagnose(values, ["A"] * 60, is_qc=is_qc).summary()
    assert summary == {}


def test_batches_of_mtbls79_are_seen_and_their_correction_too(real_data):
    folder = real_data / "mtbls79_batches"
    samples = pd.read_csv(folder / "samples.csv")
    values = pd.read_csv(folder / "measurements.csv", index_col="sample_id").loc[samples.sample_id]
    table, is_qc = values.to_numpy(), (samples.sample_type == "QC").to_numpy()
    corrected = fit_qc(table, is_qc, samples.batch, samples.file_order).apply(
        table, samples.batch, samples.file_order
    )
    seen = compare(
        np.log(table), np.log(corrected), ["one laboratory"] * len(table),
        batch=samples.batch, group=samples.species.fillna("pool"), is_qc=is_qc,
    )  # fmt: skip
    before, after = seen.before.summary(), seen.after.summary()
    assert before["batch_adjusted"] == pytest.approx(0.110, abs=0.003)
    assert after["batch_adjusted"] == pytest.approx(0.054, abs=0.003)
    # What tells cows from sheep comes out from under the batches.
    assert before["group_adjusted"] == pytest.approx(0.074, abs=0.003)
    assert after["group_adjusted"] == pytest.approx(0.099, abs=0.003)
    assert before["qc_rsd_percent"] == pytest.approx(23.1, abs=0.1)
    assert after["qc_rsd_percent"] == pytest.approx(9.4, abs=0.1)
    assert "site_adjusted" not in before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": np.empty((0, 2))}, r"shape \(0, 2\)"),
        ({"values": np.full((60, 2), np.inf)}, "infinite"),
        ({"values": np.full((60, 2), NAN)}, "None of 2 features varies over 60 samples"),
        ({"values": np.ones((60, 2))}, "None of 2 features varies over 60 samples"),
        ({"site": ["A"] * 3}, r"Labels of site have the shape \(3,\) for 60 samples"),
        ({"group": [0, 1]}, r"Labels of group have the shape \(2,\)"),
        ({"n_components": 13}, "13 components wanted .* between 1 and 12 can be had"),
        ({"n_components": 0}, "0 is no count; give a whole number from 1 up"),
        ({"is_qc": np.full(60, False)}, "None of the 60 samples is a QC sample"),
        ({"is_qc": np.full(60, True)}, "None of the samples is a study sample"),
        ({"scale": "cube", "is_qc": np.arange(60) < 9}, 'scale "cube"'),
    ],
)
def test_what_cannot_be_diagnosed_is_refused(changes, message):
    values, site, _, _ = study()
    with pytest.raises(UnusableData, match=message):
        diagnose(**({"values": values, "site": site} | changes))


def test_one_sample_shows_nothing():
    with pytest.raises(UnusableData, match="None of 2 features varies over 1 samples"):
        diagnose([[1.0, 2.0]], ["A"])


def test_two_tables_of_different_shape_are_not_compared():
    values, site, _, _ = study()
    with pytest.raises(UnusableData, match=r"shape \(60, 12\) and after \(60, 11\)"):
        compare(values, values[:, 1:], site)
