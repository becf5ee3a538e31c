"""ComBat equals R's sva, is undone by nothing but its model, and refuses what it cannot know."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.stats.combat import CombatModel, fit_combat
from analysis.stats.errors import UnusableData
from tests.stats.r_reference import REFERENCE

SAMPLES = pd.read_csv(REFERENCE / "combat_sva_samples.csv")
COVARIATES = SAMPLES[["group", "age"]]
# sva's values are stored to 10 decimals.
CLOSE = {"rtol": 0, "atol": 1e-9}


def table(name: str) -> np.ndarray:
    return pd.read_csv(REFERENCE / f"combat_sva_{name}.csv", header=None).to_numpy()


def study(seed: int = 0, sizes: tuple[int, ...] = (20, 15, 25), m: int = 30):
    rng = np.random.default_rng(seed)
    batch = np.repeat([f"site {i}" for i in range(len(sizes))], sizes)
    covariates = pd.DataFrame(
        {"age": rng.normal(40, 8, len(batch)), "group": np.arange(len(batch)) % 2}
    )
    values = rng.normal(10, 1, (len(batch), m)) + covariates[["group"]].to_numpy()
    for name in np.unique(batch):
        rows = batch == name
        values[rows] = values[rows] * rng.uniform(0.5, 2, m) + rng.normal(0, 2, m)
    return values, batch, covariates


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("parametric", {}),
        ("nonparametric", {"parametric": False}),
        ("mean_only", {"mean_only": True}),
        ("nonparametric_mean_only", {"parametric": False, "mean_only": True}),
        ("reference_batch", {"reference_batch": "b"}),
    ],
)
def test_complete_data_come_out_as_from_sva(name, options):
    values = table("values")
    model = fit_combat(values, SAMPLES.batch, COVARIATES, **options)
    adjusted = model.apply(values, SAMPLES.batch, COVARIATES)
    np.testing.assert_allclose(adjusted, table(name), **CLOSE)


def test_without_covariates_it_is_sva_too():
    values = table("values")
    adjusted = fit_combat(values, SAMPLES.batch).apply(values, SAMPLES.batch)
    np.testing.assert_allclose(adjusted, table("plain"), **CLOSE)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("parametric", {}),
        ("nonparametric", {"parametric": False}),
        ("reference_batch", {"reference_batch": "b"}),
    ],
)
def test_missing_values_are_adjusted_around_as_in_sva(name, options):
    values = table("gaps")
    model = fit_combat(values, SAMPLES.batch, COVARIATES, **options)
    adjusted = model.apply(values, SAMPLES.batch, COVARIATES)
    np.testing.assert_allclose(adjusted, table(f"gaps_{name}"), **CLOSE)


def test_a_batch_of_one_has_only_shifts_adjusted_and_the_model_says_so():
    values = table("values")
    model = fit_combat(values, SAMPLES.one, COVARIATES)
    adjusted = model.apply(values, SAMPLES.one, COVARIATES)
    np.testing.assert_allclose(adjusted, table("single"), **CLOSE)
    assert model.mean_only
    assert "Batch single has one sample" in model.notes[0]


def test_a_feature_constant_inside_a_batch_is_left_alone_and_teaches_nothing():
    values, batch, covariates = study()
    with_constant = np.column_stack([values, values[:, 0]])
    with_constant[batch == "site 1", -1] = 0.1
    model = fit_combat(with_constant, batch, covariates)
    adjusted = model.apply(with_constant, batch, covariates)
    assert np.flatnonzero(model.left_alone).tolist() == [30]
    np.testing.assert_array_equal(adjusted[:, -1], with_constant[:, -1])
    without = fit_combat(values, batch, covariates).apply(values, batch, covariates)
    # A small study without such a feature is fitted another way, which rounds another way.
    np.testing.assert_allclose(adjusted[:, :-1], without, rtol=1e-12)


def test_a_constant_beside_missing_values_is_still_a_constant():
    values, batch, _ = study()
    values[batch == "site 1", 4] = 2.0
    values[[21, 22], 4] = np.nan
    model = fit_combat(values, batch)
    assert np.flatnonzero(model.left_alone).tolist() == [4]


def test_a_batch_that_never_measured_a_feature_takes_no_part_in_it():
    values, batch, _ = study()
    values[batch == "site 2", 7] = np.nan
    model = fit_combat(values, batch)
    adjusted = model.apply(values, batch)
    gap = abs(np.diff([adjusted[batch == f"site {i}", 7].mean() for i in (0, 1)]))[0]
    before = abs(np.diff([values[batch == f"site {i}", 7].mean() for i in (0, 1)]))[0]
    assert gap < before / 4
    assert np.isnan(adjusted[batch == "site 2", 7]).all()
    late = values.copy()
    late[-1, 7] = 3.0
    with pytest.raises(UnusableData, match="Feature 7 was not measured in batch site 2"):
        model.apply(late, batch)


@pytest.mark.parametrize("in_one_tile", [True, False])
def test_the_reference_batch_stays_as_it_is_to_the_last_bit(in_one_tile, monkeypatch):
    monkeypatch.setattr("analysis.stats.adjustment.in_one_tile", lambda _: in_one_tile)
    values, batch, covariates = study()
    rows = np.random.default_rng(0).permutation(len(batch))
    values, batch, covariates = values[rows], batch[rows], covariates.iloc[rows]
    model = fit_combat(values, batch, covariates, reference_batch="site 1")
    adjusted = model.apply(values, batch, covariates)
    np.testing.assert_array_equal(adjusted[batch == "site 1"], values[batch == "site 1"])


def test_new_rows_are_adjusted_as_the_rows_that_were_fitted():
    values, batch, covariates = study()
    covariates["sex"] = np.resize(["f", "m", "m"], len(batch))
    model = fit_combat(values, batch, covariates)
    whole = model.apply(values, batch, covariates)
    few = [3, 30, 55]
    part = model.apply(values[few], batch[few], covariates.iloc[few])
    np.testing.assert_allclose(part, whole[few], rtol=1e-12)


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_a_model_survives_its_journey_as_text(missing):
    values, batch, covariates = study()
    values[np.random.default_rng(1).random(values.shape) < missing] = np.nan
    values[:, 3] = 1.0
    model = fit_combat(values, batch, covariates)
    copy = CombatModel.from_json(model.to_json())
    np.testing.assert_array_equal(
        copy.apply(values, batch, covariates), model.apply(values, batch, covariates)
    )
    assert copy.to_json() == model.to_json()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), shift=st.floats(-1e3, 1e3), scale=st.floats(0.1, 10))
def test_the_unit_of_the_values_does_not_matter(seed, shift, scale):
    values, batch, covariates = study(seed)
    before = fit_combat(values, batch, covariates).apply(values, batch, covariates)
    moved = values * scale + shift
    after = fit_combat(moved, batch, covariates).apply(moved, batch, covariates)
    np.testing.assert_allclose(after, before * scale + shift, rtol=1e-7, atol=1e-7)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999))
def test_the_order_of_samples_does_not_matter(seed):
    values, batch, covariates = study(seed)
    values[np.random.default_rng(seed).random(values.shape) < 0.05] = np.nan
    order = np.random.default_rng(seed).permutation(len(batch))
    ordered = fit_combat(values, batch, covariates).apply(values, batch, covariates)
    model = fit_combat(values[order], batch[order], covariates.iloc[order])
    shuffled = model.apply(values[order], batch[order], covariates.iloc[order])
    np.testing.assert_allclose(shuffled, ordered[order], rtol=1e-8)


def test_the_difference_between_groups_stays():
    values, batch, covariates = study(sizes=(200, 200), m=20)
    adjusted = fit_combat(values, batch, covariates).apply(values, batch, covariates)
    case = covariates.group == 1
    inside = [
        adjusted[(batch == b) & case].mean(0) - adjusted[(batch == b) & ~case].mean(0)
        for b in np.unique(batch)
    ]
    overall = adjusted[case].mean(0) - adjusted[~case].mean(0)
    np.testing.assert_allclose(overall, np.mean(inside, axis=0), atol=0.05)
    assert overall.mean() > 0.8


def test_a_group_that_the_batches_determine_is_refused_with_the_numbers():
    values, batch, _ = study()
    group = pd.DataFrame({"group": np.where(batch == "site 0", "case", "control")})
    message = r"Confounded with batch: group \(site 0 has group case in 20, .*control in 25\)"
    with pytest.raises(UnusableData, match=message):
        fit_combat(values, batch, group)


def test_covariates_that_only_together_are_a_batch_are_refused():
    values, batch, _ = study()
    rng = np.random.default_rng(0)
    first = rng.normal(size=len(batch))
    together = pd.DataFrame({"a": first, "b": (batch == "site 0") - first})
    with pytest.raises(UnusableData, match="Confounded with batch: b"):
        fit_combat(values, batch, together)


def test_values_that_no_model_could_adjust_are_refused():
    values, batch, covariates = study()
    model = fit_combat(values, batch, covariates)
    with pytest.raises(UnusableData, match=r"Batches \['site 9'\] are unknown"):
        model.apply(values[:1], ["site 9"], covariates[:1])
    infinite = values.copy()
    infinite[7, 2] = -np.inf
    with pytest.raises(UnusableData, match="row 7, feature 2 is infinite"):
        model.apply(infinite, batch, covariates)
    with pytest.raises(UnusableData, match="30 features and the values 29"):
        model.apply(values[:, 1:], batch, covariates)
    with pytest.raises(UnusableData, match=r"Covariates \['age', 'group'\] are missing"):
        model.apply(values, batch)
    with pytest.raises(UnusableData, match="1 samples lack one of"):
        model.apply(values, batch, covariates.replace({"age": {covariates.age[4]: np.nan}}))


def test_unusable_fits_are_refused_by_name():
    values, batch, covariates = study()
    with pytest.raises(UnusableData, match="at least 2 batches"):
        fit_combat(values, np.zeros(len(batch)))
    with pytest.raises(UnusableData, match='reference batch "site 9"'):
        fit_combat(values, batch, reference_batch="site 9")
    with pytest.raises(UnusableData, match="Row 2 has no batch"):
        fit_combat(values, [None if i == 2 else b for i, b in enumerate(batch)])
    with pytest.raises(UnusableData, match=r"1 samples lack a covariate \(age\).*row 6"):
        fit_combat(
            values, batch, covariates.assign(age=covariates.age.where(covariates.index != 6))
        )
    with pytest.raises(UnusableData, match="needs at least 2 to learn from"):
        fit_combat(values[:, :1], batch)
    with pytest.raises(UnusableData, match="row 1, feature 0 is infinite"):
        fit_combat(np.array([[1.0], [np.inf]]), ["a", "b"])


def test_digits_survive_a_level_far_above_the_spread_and_a_covariate_that_explains_nearly_all():
    values, batch, covariates = study()
    before = fit_combat(values, batch, covariates).apply(values, batch, covariates)
    moved = values + 1e7 + 1e5 * covariates[["age"]].to_numpy()
    after = fit_combat(moved, batch, covariates).apply(moved, batch, covariates)
    kept = after - 1e7 - 1e5 * covariates[["age"]].to_numpy()
    np.testing.assert_allclose(kept, before, atol=1e-6)


def test_a_covariate_that_is_constant_among_the_samples_measured_takes_nothing():
    values, batch, covariates = study(m=20)
    values[covariates["group"] == 1, 3] = np.nan
    both = fit_combat(values, batch, covariates).apply(values, batch, covariates)
    age = covariates[["age"]]
    alone = fit_combat(values[:, [3, 4]], batch, age).coefficients[:, 0]
    np.testing.assert_allclose(fit_combat(values, batch, covariates).coefficients[0, 3], alone)
    assert np.isfinite(both[covariates["group"] == 0, 3]).all()


@pytest.mark.parametrize("width", [7, 2048])
@pytest.mark.parametrize("order", ["shuffled", "by batch"])
@pytest.mark.parametrize("missing", [0.0, 0.05])
@pytest.mark.parametrize("lies", ["in rows", "in columns"])
def test_neither_the_size_of_the_tiles_nor_how_the_values_lie_in_memory_matters(
    lies, missing, order, width, monkeypatch
):
    values, batch, covariates = study()
    if order == "shuffled":
        rows = np.random.default_rng(0).permutation(len(batch))
        values, batch, covariates = values[rows], batch[rows], covariates.iloc[rows]
    values[np.random.default_rng(2).random(values.shape) < missing] = np.nan
    values[batch == "site 1", 4], values[:, 5] = np.nan, 2.5
    whole = fit_combat(values, batch, covariates).apply(values, batch, covariates)
    values = np.asarray(values, order="C" if lies == "in rows" else "F")
    monkeypatch.setattr("analysis.stats.moments._WIDTH", width)
    monkeypatch.setattr("analysis.stats.moments._TILE", 21)
    tiled = fit_combat(values, batch, covariates).apply(values, batch, covariates)
    np.testing.assert_allclose(tiled, whole, rtol=1e-12)


@pytest.mark.parametrize("kind", ["shuffled", "by batch"])
def test_the_values_given_are_not_touched(kind):
    values, batch, covariates = study()
    order = np.random.default_rng(0).permutation(len(batch))
    if kind == "shuffled":
        values, batch, covariates = values[order], batch[order], covariates.iloc[order]
    before = values.copy()
    fit_combat(values, batch, covariates).apply(values, batch, covariates)
    np.testing.assert_array_equal(values, before)
