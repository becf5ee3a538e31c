"""Covariates become columns of full rank, and what was left out has a name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.stats.design import build_design, encode, independent
from analysis.stats.errors import UnusableData


def test_constant_empty_and_redundant_covariates_are_left_out_by_name():
    frame = pd.DataFrame(
        {
            "age": [20.0, 30, 50, 40],
            "site": ["FUK"] * 4,
            "months": [240.0, 360, 600, 480],
            "bmi": [np.nan] * 4,
            "sex": ["f", "m", "m", "f"],
        }
    )
    design = build_design(frame, 4)
    assert design.adjusted_for == ("age", "sex")
    assert set(design.dropped) == {"site", "months", "bmi"}
    assert design.column_names == ("age", "sex=m")


def test_a_level_that_copies_another_column_is_left_out_alone():
    frame = pd.DataFrame({"male": [0, 1, 1, 0, 0], "arm": ["a", "b", "b", "c", "a"]})
    design = build_design(frame, 5)
    assert design.adjusted_for == ("male", "arm")
    assert design.dropped == ("arm=b",)


def test_truth_values_and_nullable_numbers_are_numbers():
    frame = pd.DataFrame({"drug_free": [True, False, True, False]})
    frame["age"] = pd.array([1, None, 3, 5], dtype="Int64")
    design = build_design(frame, 4)
    assert design.rows.tolist() == [True, False, True, True]
    np.testing.assert_array_equal(design.columns, [[1, 1], [1, 3], [0, 5]])


def test_an_empty_word_is_a_missing_category():
    design = build_design(pd.DataFrame({"sex": ["f", "", "m", None]}), 4)
    assert design.rows.tolist() == [True, False, True, False]


def test_a_large_level_does_not_make_a_covariate_constant():
    assert independent(np.array([[1e9], [1e9 + 1], [1e9 + 2]])).all()


def test_the_basis_is_orthonormal_and_holds_the_intercept():
    design = build_design(np.random.default_rng(0).normal(1e6, 1, (30, 3)), 30)
    basis = design.basis()
    np.testing.assert_allclose(basis.T @ basis, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(basis @ (basis.T @ np.ones(30)), 1, atol=1e-12)


def test_arrays_number_their_covariates():
    assert build_design([[1.0, 5], [2, 5], [4, 5]], 3).adjusted_for == ("covariate 1",)
    assert build_design([[1.0, 5], [2, 5], [4, 5]], 3).dropped == ("covariate 2",)


def test_none_is_an_intercept_alone():
    assert build_design(None, 7).columns.shape == (7, 0)


def test_a_new_level_is_refused_by_name():
    design = build_design(pd.DataFrame({"sex": ["f", "m"]}), 2)
    with pytest.raises(UnusableData, match=r'"sex" has levels \[\'x\'\] unknown'):
        encode(design.codings, pd.DataFrame({"sex": ["x"]}))


@pytest.mark.parametrize(
    ("covariates", "message"),
    [
        (pd.DataFrame({"age": [1.0]}), "1 rows and the values 2"),
        (pd.DataFrame({"age": [1.0, np.inf]}), 'Covariate "age" is infinite in row 1'),
        (pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]), "share a name"),
        (np.ones(2), "2 dimensions"),
    ],
)
def test_unusable_covariates_are_refused(covariates, message):
    with pytest.raises(UnusableData, match=message):
        build_design(covariates, 2)
