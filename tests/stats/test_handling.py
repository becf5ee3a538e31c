"""The handling guard: late separation makes the male signature in the tube."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.stats.errors import UnusableData
from analysis.stats.handling import MARKERS_TOUCHED, arginine_ratio, judge_handling

PROMPT = {"arginine": [70.0, 80, 60], "ornithine": [40.0, 50, 45]}
LATE = {"arginine": [30.0, 40, 70], "ornithine": [80.0, 90, 40]}

amounts = st.floats(0.1, 500)


@given(arginine=amounts, ornithine=amounts, unit=st.sampled_from([0.001, 1.0, 1000.0]))
def test_the_ratio_is_a_share_that_no_common_unit_changes(arginine, ornithine, unit):
    ratio = arginine_ratio([arginine], [ornithine])
    assert 0 < ratio[0] < 1
    assert arginine_ratio([arginine * unit], [ornithine * unit]) == pytest.approx(ratio)


def test_a_missing_amount_or_two_zeros_have_no_ratio():
    np.testing.assert_array_equal(
        arginine_ratio([50, np.nan, 50, 0], [50, 50, np.nan, 0]), [0.5, np.nan, np.nan, np.nan]
    )


def test_prompt_blood_is_prompt_and_touches_no_marker():
    judged = judge_handling(**PROMPT, delay_hours=[0.5, 1.0, np.nan])
    assert (judged.verdict, judged.touches) == ("prompt", ())
    assert (judged.n_ratio, judged.n_delay, judged.median_delay_hours) == (3, 2, 0.75)


def test_blood_left_on_its_cells_is_suspect_with_the_figures_in_words():
    judged = judge_handling(**LATE)
    assert judged.verdict == "suspect"
    assert judged.touches == ("arginine", "ornithine")
    assert judged.share_below == pytest.approx(2 / 3)
    assert judged.reason == (
        "arginine / (arginine + ornithine) has the median 0.31 (0.50-0.74 when separated "
        "promptly), below 0.50 in 2 of 3 samples; time from collection to spin not recorded"
    )


def test_a_recorded_delay_over_two_hours_is_suspect_whatever_the_ratio():
    judged = judge_handling(**PROMPT, delay_hours=[1.0, 2.5, 6.0])
    assert judged.verdict == "suspect"
    assert "median time from collection to spin 2.5 h in 3 samples (limit 2 h)" in judged.reason


def test_the_limits_themselves_are_still_prompt():
    at_limits = judge_handling(arginine=[50.0], ornithine=[50.0], delay_hours=[2.0])
    assert at_limits.verdict == "prompt"


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"delay_hours": [np.nan, np.nan]},
        {"arginine": [np.nan], "ornithine": [3.0], "delay_hours": []},
    ],
)
def test_without_concentrations_and_times_nothing_is_known_and_nothing_counts(known):
    judged = judge_handling(**known)
    assert judged.verdict == "unknown"
    assert judged.touches == ("arginine", "ornithine")
    assert judged.median_ratio is None
    assert judged.reason == (
        "arginine and ornithine not measured as concentrations; "
        "time from collection to spin not recorded"
    )


def test_a_ratio_that_no_plasma_has_asks_for_the_units():
    assert "check the units" in judge_handling(arginine=[90.0], ornithine=[9.0]).reason


def test_every_marker_of_the_male_signature_has_a_fault_that_imitates_it():
    touched = {marker for markers in MARKERS_TOUCHED.values() for marker in markers}
    assert {"arginine", "ornithine", "arginase", "bilirubin"} <= touched


@pytest.mark.parametrize(
    ("given_values", "message"),
    [
        ({"arginine": [1.0]}, "give both or neither"),
        ({"arginine": [1.0], "ornithine": [1.0, 2.0]}, "give one value a sample"),
        ({"arginine": [-0.3], "ornithine": [1.0]}, "needs concentrations, not logarithms"),
        ({"delay_hours": [1.0, -2.0]}, "1 samples were spun before they were collected"),
    ],
)
def test_what_cannot_be_judged_is_refused(given_values, message):
    with pytest.raises(UnusableData, match=message):
        judge_handling(**given_values)
