"""What ComBat will not adjust, and the ways by which covariates reach it."""

import re
from functools import partial

import numpy as np
import pandas as pd
import pytest

from analysis.stats import shrinkage
from analysis.stats.combat import fit_combat
from analysis.stats.errors import UnusableData

BATCH = np.repeat(["A", "B", "C"], 8)
AGE = np.tile([20.0, 25, 31, 38, 44, 52, 60, 67], 3)


def values() -> np.ndarray:
    return np.random.default_rng(5).normal(size=(24, 6))


def test_a_batch_that_shares_too_few_features_with_the_others_is_refused():
    alone = values()
    alone[BATCH == "C", 1:] = np.nan
    with pytest.raises(UnusableData, match="batch numbered 2 shares 1 features with the others"):
        fit_combat(alone, BATCH)


def test_a_feature_measured_once_in_each_batch_is_refused():
    once = values()
    once[np.arange(24) % 8 > 0, 3] = np.nan
    with pytest.raises(UnusableData, match=r"1 features do not vary inside batches .* is the 4th"):
        fit_combat(once, BATCH, mean_only=True)


def test_priors_that_do_not_settle_are_refused(monkeypatch):
    monkeypatch.setattr(shrinkage, "_MAX_ITERATIONS", 1)
    with pytest.raises(UnusableData, match="did not settle in 1 iterations"):
        fit_combat(values(), BATCH)


def test_covariates_adjust_alike_as_a_table_and_as_an_array():
    table = pd.DataFrame({"covariate 1": AGE})
    model = fit_combat(values(), BATCH, AGE[:, None])
    found = model.apply(values(), BATCH, AGE[:, None])
    np.testing.assert_array_equal(
        found, fit_combat(values(), BATCH, table).apply(values(), BATCH, table)
    )
    assert not np.allclose(found, fit_combat(values(), BATCH).apply(values(), BATCH))


def test_covariates_are_found_by_name_whatever_their_order_and_what_stands_beside_them():
    rng = np.random.default_rng(5)
    table = pd.DataFrame({"age": AGE, "bmi": rng.normal(24, 3, len(AGE))})
    model = fit_combat(values(), BATCH, table)
    wider = table[["bmi", "age"]].assign(height=rng.normal(170, 9, len(AGE)))
    np.testing.assert_array_equal(
        model.apply(values(), BATCH, wider), model.apply(values(), BATCH, table)
    )


def test_a_covariate_that_was_constant_is_no_part_of_the_model_and_new_rows_need_none():
    table = pd.DataFrame({"age": AGE, "kit": "first"})
    model = fit_combat(values(), BATCH, table)
    assert (model.adjusted_for, model.dropped) == (("age",), ("kit",))
    np.testing.assert_array_equal(
        model.apply(values(), BATCH, table[["age"]]), model.apply(values(), BATCH, table)
    )


@pytest.mark.parametrize("number", [1e151, -1e200])
@pytest.mark.parametrize("form", [np.asarray, lambda age: pd.DataFrame(age, columns=["age"])])
def test_a_covariate_too_large_for_its_square_is_refused_in_the_fit_and_in_new_rows(number, form):
    model = fit_combat(values(), BATCH, form(AGE[:, None]))
    far = AGE[:, None].copy()
    far[5] = number
    for refuses in (partial(fit_combat, values(), BATCH), partial(model.apply, values(), BATCH)):
        with pytest.raises(UnusableData, match=re.escape(f"is {number:.3g} in row 5, too large")):
            refuses(form(far))


@pytest.mark.parametrize("in_one_tile", [True, False])
def test_new_values_too_large_for_their_square_are_refused_without_a_warning(
    in_one_tile, monkeypatch
):
    model = fit_combat(values(), BATCH)
    monkeypatch.setattr("analysis.stats.adjustment.in_one_tile", lambda _: in_one_tile)
    far = values()
    far[3, 2] = -1e200
    with pytest.raises(UnusableData, match=r"row 3, feature 2 is -1e\+200"):
        model.apply(far, BATCH)


def test_columns_made_by_hand_do_not_stand_in_for_the_words_of_the_fit():
    words = pd.DataFrame({"kit": np.tile(["first", "second"], 12)})
    model = fit_combat(values(), BATCH, words)
    by_hand = pd.DataFrame({"kit=second": np.tile([0.0, 1.0], 12)})
    with pytest.raises(UnusableData, match=r"Covariates \['kit'\] are missing"):
        model.apply(values(), BATCH, by_hand)


def test_a_number_that_becomes_a_word_in_new_rows_is_refused():
    model = fit_combat(values(), BATCH, pd.DataFrame({"age": AGE}))
    with pytest.raises(UnusableData, match='Covariate "age" was numeric and is not here'):
        model.apply(values(), BATCH, pd.DataFrame({"age": ["old"] * 24}))


@pytest.mark.parametrize("offset", [0.0, 5.0])
def test_a_feature_that_age_explains_in_full_is_left_as_it_came_and_teaches_nothing(offset):
    spent = np.column_stack([values(), 3 * AGE + 7 + offset * (BATCH == "B")])
    model = fit_combat(spent, BATCH, pd.DataFrame({"age": AGE}))
    adjusted = model.apply(spent, BATCH, pd.DataFrame({"age": AGE}))
    np.testing.assert_array_equal(adjusted[:, 6], spent[:, 6])
    assert model.notes[0].startswith("Batches and covariates explain 1 features in full")
    without = fit_combat(values(), BATCH, pd.DataFrame({"age": AGE}))
    np.testing.assert_allclose(model.gamma_star[:, :6], without.gamma_star, rtol=1e-12)


def test_a_spread_far_above_rounding_at_a_high_level_is_adjusted():
    model = fit_combat(values() * 1e-3 + 1e5, BATCH)
    assert not model.left_alone.any()
    assert model.notes == ()


@pytest.mark.parametrize("number", [2**70, -(2**64), 2**63])
def test_a_covariate_of_more_than_64_bits_is_refused(number):
    ages = pd.DataFrame({"age": [number, *range(23)]})
    with pytest.raises(UnusableData, match=r'"age" is -?\d+ in row 0, more than 64 bits hold'):
        fit_combat(values(), BATCH, ages)


def test_objects_that_are_no_wide_numbers_stay_levels_of_a_covariate():
    sex = pd.DataFrame({"sex": np.array(["f", "m"] * 12, dtype=object)}, dtype=object)
    assert fit_combat(values(), BATCH, sex).adjusted_for == ("sex",)


@pytest.mark.parametrize("height", [3, 11, 20])
def test_batches_that_lie_mixed_are_adjusted_in_tiles_as_at_once(monkeypatch, height):
    mixed = np.random.default_rng(2).permutation(24)
    covariates = pd.DataFrame({"age": AGE[mixed]})
    whole = fit_combat(values(), BATCH[mixed], covariates)
    expected = whole.apply(values(), BATCH[mixed], covariates)
    monkeypatch.setattr("analysis.stats.moments._WIDTH", 4)
    monkeypatch.setattr("analysis.stats.moments._TILE", 4 * height)
    cut = fit_combat(values(), BATCH[mixed], covariates)
    found = cut.apply(values(), BATCH[mixed], covariates)
    np.testing.assert_allclose(found, expected, rtol=1e-11)
