"""Adjusted p values are those of R's p.adjust, and an untested feature costs nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from analysis.stats.errors import UnusableData
from analysis.stats.multiplicity import adjust_p
from tests.stats.r_reference import numbers, stored

PEERS = {
    "bh": "fdr_bh",
    "by": "fdr_by",
    "holm": "holm",
    "hochberg": "simes-hochberg",
    "hommel": "hommel",
    "bonferroni": "bonferroni",
}
R = stored("multiplicity_r")["families"]
families = st.lists(st.floats(0, 1), min_size=1, max_size=20)


@pytest.mark.parametrize("family", R)
@pytest.mark.parametrize("method", PEERS)
def test_it_equals_p_adjust_of_r(family, method):
    expected = numbers(R[family]["adjusted"][method])
    found = adjust_p(numbers(R[family]["p"]), method)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("method", PEERS)
@settings(max_examples=20, deadline=None)
@given(p=families)
def test_it_equals_statsmodels(method, p):
    expected = multipletests(p, method=PEERS[method])[1]
    np.testing.assert_allclose(adjust_p(p, method), expected, rtol=1e-10, atol=1e-300)


@pytest.mark.parametrize("method", PEERS)
@settings(max_examples=20, deadline=None)
@given(p=families, seed=st.integers(0, 99))
def test_a_feature_without_a_test_is_not_counted(method, p, seed):
    with_gaps = np.array([*p, *[np.nan] * 5])
    order = np.random.default_rng(seed).permutation(len(with_gaps))
    adjusted = adjust_p(with_gaps[order], method)
    expected = np.array([*adjust_p(p, method), *[np.nan] * 5])[order]
    np.testing.assert_allclose(adjusted, expected, rtol=1e-12)


def test_the_shape_is_kept():
    assert adjust_p(np.full((2, 3), 0.5)).shape == (2, 3)
    assert adjust_p([]).shape == (0,)
    assert np.isnan(adjust_p([np.nan, np.nan])).all()


def test_what_is_no_p_value_is_refused():
    with pytest.raises(UnusableData, match=r"1\.5 is not a p value"):
        adjust_p([0.1, 1.5])
    with pytest.raises(UnusableData, match='No adjustment is called "fdr"'):
        adjust_p([0.1], "fdr")
