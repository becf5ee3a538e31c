"""Reliability and items of a scale: equal to R's psych."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.stats.errors import UnusableData
from analysis.stats.psychometrics import cronbach_alpha, item_statistics
from tests.stats import r_reference

ITEMS = pd.read_csv(r_reference.REFERENCE / "items.csv").drop(columns="language")
R = r_reference.stored("psychometrics")["scale"]


@pytest.mark.parametrize("name", ["alpha", "standardised", "ci_low", "ci_high"])
def test_alpha_and_feldts_interval_are_those_of_psych(name):
    assert getattr(cronbach_alpha(ITEMS), name) == pytest.approx(R[name][0], rel=1e-10)


@pytest.mark.parametrize("name", ["item_rest", "alpha_if_dropped", "mean", "sd"])
def test_item_statistics_are_those_of_psych(name):
    np.testing.assert_allclose(getattr(item_statistics(ITEMS), name), R[name], rtol=1e-10)


def test_alpha_if_dropped_is_the_alpha_without_the_item():
    found = item_statistics(ITEMS)
    for item, alpha in zip(found.item, found.alpha_if_dropped, strict=True):
        assert cronbach_alpha(ITEMS.drop(columns=item)).alpha == pytest.approx(alpha)


def test_people_who_lack_an_answer_are_left_out_and_counted():
    gaps = ITEMS.astype(float)
    gaps.iloc[[3, 9], 1] = np.nan
    found = cronbach_alpha(gaps)
    assert found.n_left_out == 2
    assert found.alpha == cronbach_alpha(ITEMS.drop(index=[3, 9])).alpha


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), shift=st.floats(-100, 100), scale=st.floats(0.01, 100))
def test_shift_scale_and_order_of_answers_leave_alpha_alone(seed, shift, scale):
    rng = np.random.default_rng(seed)
    items = rng.integers(0, 5, (30, 6)) + rng.normal(size=(30, 1))
    before = cronbach_alpha(items)
    after = cronbach_alpha(rng.permutation(items[:, rng.permutation(6)] * scale + shift))
    assert after.alpha == pytest.approx(before.alpha, rel=1e-6, abs=1e-8)
    assert before.ci_low < before.alpha < before.ci_high


def test_feldts_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(4)
    # Parallel items of loading 1 and error variance 2: alpha is 6 / (6 + 2).
    covered = 0
    for _ in range(1500):
        items = rng.normal(size=(40, 1)) + np.sqrt(2) * rng.normal(size=(40, 6))
        found = cronbach_alpha(items, level=0.9)
        covered += found.ci_low < 0.75 < found.ci_high
    assert covered / 1500 == pytest.approx(0.9, abs=0.031)


def test_an_item_that_everybody_answers_alike_has_no_correlation():
    constant = ITEMS.assign(same=2)
    assert np.isnan(item_statistics(constant).item_rest[-1])
    assert np.isnan(cronbach_alpha(constant).standardised)


def test_dropping_one_of_two_items_or_leaving_no_spread_has_no_alpha():
    assert np.isnan(item_statistics([[0, 1], [1, 1], [2, 3]]).alpha_if_dropped).all()
    lone = item_statistics([[0, 1, 1], [1, 1, 1], [2, 1, 1]])
    assert np.isnan(lone.alpha_if_dropped[0])
    assert lone.alpha_if_dropped[1] == 0


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([[1], [2], [3]], "at least 2 items, got 1"),
        ([[1, 2], [2, 3]], "2 of 2 people have all 2 answers, 3 are needed"),
        ([[1, np.nan], [2, np.nan], [3, 1]], "1 of 3 .* most are missing in 1"),
        ([[1, 2], [2, np.inf], [3, 1]], "row 1, feature 1 is infinite"),
        ([["often", 1], ["never", 2], ["never", 1]], "give real numbers"),
        ([[1, 2], [2, 1], [3, 0]], "All 3 people have the total 3"),
    ],
)
def test_unusable_answers_are_refused_with_their_place(items, message):
    with pytest.raises(UnusableData, match=message):
        cronbach_alpha(items)


def test_a_level_that_is_no_coverage_is_refused():
    with pytest.raises(UnusableData, match="level 95 is no coverage"):
        cronbach_alpha(ITEMS, level=95)
