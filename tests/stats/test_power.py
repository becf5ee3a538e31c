"""What a pooled estimate could have seen."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.power import normal_power

from analysis.stats.errors import UnusableData
from analysis.stats.power import power_of_pooled, smallest_detectable

errors = st.floats(0.01, 10)
freedoms = st.sampled_from([1.0, 2, 3, 5, 20, math.inf])


def test_power_of_a_normal_test_is_that_of_statsmodels():
    assert power_of_pooled(0.5, 0.28) == pytest.approx(normal_power(0.5 / 0.28, 1, 0.05))


@pytest.mark.parametrize("df", [1, 3, 9])
def test_power_of_a_t_test_is_the_share_of_simulated_tests_that_reject(df):
    rng = np.random.default_rng(1)
    t = rng.normal(2.0, 1, 200_000) / np.sqrt(rng.chisquare(df, 200_000) / df)
    limit = {1: 12.7062, 3: 3.18245, 9: 2.26216}[df]
    assert power_of_pooled(0.5, 0.25, df=df) == pytest.approx((abs(t) > limit).mean(), abs=0.004)


def test_forty_two_cases_and_forty_one_controls_see_what_the_fact_sheet_says():
    se = math.sqrt(1 / 42 + 1 / 41)
    assert smallest_detectable(se) == pytest.approx(0.615, abs=0.001)


@given(effect=st.floats(-5, 5), se=errors, df=freedoms)
def test_power_has_no_side_and_never_falls_under_the_level(effect, se, df):
    power = power_of_pooled(effect, se, df=df)
    assert 0.05 - 1e-9 <= power <= 1
    assert power == pytest.approx(power_of_pooled(-effect, se, df=df))


@given(effect=st.floats(0, 5), se=errors, df=freedoms)
def test_a_larger_effect_or_a_smaller_error_is_seen_no_less(effect, se, df):
    power = power_of_pooled(effect, se, df=df)
    assert power_of_pooled(effect * 1.5, se, df=df) >= power - 1e-9
    assert power_of_pooled(effect, se / 1.5, df=df) >= power - 1e-9


@given(se=errors, power=st.floats(0.1, 0.99), df=freedoms)
def test_the_smallest_detectable_effect_has_just_that_power(se, power, df):
    effect = smallest_detectable(se, power, df=df)
    assert power_of_pooled(effect, se, df=df) == pytest.approx(power, abs=1e-6)


def test_few_cohorts_see_less_than_the_normal_test_pretends():
    assert power_of_pooled(0.5, 0.2, df=2) < power_of_pooled(0.5, 0.2)


@pytest.mark.parametrize("se", [0.0, -1.0, math.nan, math.inf])
def test_an_estimate_without_an_error_has_no_power(se):
    with pytest.raises(UnusableData, match="standard error above 0"):
        power_of_pooled(0.5, se)


def test_levels_and_powers_outside_their_range_are_refused():
    with pytest.raises(UnusableData, match="df above 0"):
        power_of_pooled(0.5, 0.1, df=0)
    with pytest.raises(UnusableData, match="Power 1 is out of reach"):
        smallest_detectable(0.1, 1.0)


def test_an_effect_that_cannot_be_missed_has_power_one():
    """There the noncentral distribution itself has no digits left, at some points not even a 0."""
    for df in (1, 2, 5, 20, 100, 1e6):
        power = [power_of_pooled(shift, 1.0, df=df) for shift in np.arange(15, 80, 0.5)]
        assert np.isfinite(power).all()
        assert power == sorted(power)
    assert power_of_pooled(40.0, 1.0, df=20) == 1.0
