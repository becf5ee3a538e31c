"""What ComBat will not adjust, and the ways by which covariates reach it."""

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
