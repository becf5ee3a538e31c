"""Below the limit of detection is not missing, and neither is invented."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.stats.errors import UnusableData
from analysis.stats.impute import impute

NAN = np.nan


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
        ([1.0], [1], {}, "2 dimensions"),
    ],
)
def test_unusable_input_is_refused(values, flags, options, message):
    with pytest.raises(UnusableData, match=message):
        impute(values, flags, **options)
