"""Seven in ten must mean seven in ten."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.metrics import brier_score_loss

from analysis.stats import calibration as module
from analysis.stats.calibration import calibrate, recalibrate
from analysis.stats.errors import UnusableData
from analysis.stats.roc import auc
from tests.stats.r_reference import stored

R_GLM = stored("calibration_glm")


def foretold(n=2000, slope=1.0, shift=0.0, seed=1):
    """Labels drawn with chances whose logits the model gives as slope * logit + shift."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 1.2, n)
    return (rng.random(n) < expit(truth)).astype(int), expit(slope * truth + shift)


def test_slope_and_level_are_those_of_rs_glm():
    found = calibrate(R_GLM["case"], R_GLM["chance"])
    for name in (
        "slope",
        "intercept",
        "slope_se",
        "intercept_se",
        "in_the_large",
        "in_the_large_se",
        "brier",
        "expected_to_observed",
    ):
        assert getattr(found, name) == pytest.approx(R_GLM[name], rel=1e-8), name
    assert found.brier == pytest.approx(brier_score_loss(R_GLM["case"], R_GLM["chance"]))


def test_true_chances_are_calibrated_within_their_error():
    found = calibrate(*foretold())
    assert abs(found.slope - 1) < 3 * found.slope_se
    assert abs(found.in_the_large) < 3 * found.in_the_large_se
    assert found.brier_scaled > 0.1
    assert all(abs(part.mean_chance - part.share_of_cases) < 0.08 for part in found.bins)
    assert sum(part.n for part in found.bins) == 2000


def test_chances_that_are_too_extreme_have_a_slope_under_1():
    found = calibrate(*foretold(slope=2.0))
    assert found.slope == pytest.approx(0.5, abs=0.08)


def test_a_level_that_is_too_high_is_set_right_and_the_auc_stays():
    labels, chances = foretold(shift=1.5)
    found = calibrate(labels, chances)
    assert found.in_the_large == pytest.approx(-1.5, abs=0.2)
    assert found.expected_to_observed > 1.3
    moved = recalibrate(chances, found.in_the_large)
    assert calibrate(labels, moved).in_the_large == pytest.approx(0, abs=1e-8)
    assert calibrate(labels, moved).expected_to_observed == pytest.approx(1)
    assert auc(labels, moved).auc == pytest.approx(auc(labels, chances).auc, abs=1e-4)


@settings(max_examples=30, deadline=None)
@given(shift=st.floats(-2, 2), slope=st.floats(0.3, 3))
def test_recalibration_by_the_fitted_line_needs_no_further_one(shift, slope):
    labels, chances = foretold(n=300, slope=slope, shift=shift)
    found = calibrate(labels, chances)
    again = calibrate(labels, recalibrate(chances, found.intercept, found.slope))
    assert (again.slope, again.intercept) == (
        pytest.approx(1, abs=1e-2),
        pytest.approx(0, abs=1e-2),
    )


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 500))
def test_calling_cases_controls_and_turning_the_chances_round_keeps_the_slope(seed):
    labels, chances = foretold(n=80, seed=seed)
    found, turned = calibrate(labels, chances), calibrate(1 - labels, 1 - chances)
    assert turned.slope == pytest.approx(found.slope, rel=1e-6)
    assert turned.in_the_large == pytest.approx(-found.in_the_large, abs=1e-6)
    assert turned.brier == pytest.approx(found.brier)


@pytest.mark.parametrize(
    ("labels", "chances", "reason"),
    [
        ([1, 1, 0, 0], [0.9, 0.8, 0.2, 0.1], "part the two groups completely"),
        ([1, 1, 0, 0], [0.1, 0.2, 0.8, 0.9], "part the two groups completely"),
        ([1, 1, 0, 0], [0.4] * 4, "same predicted chance"),
    ],
)
def test_a_slope_that_has_no_end_is_none_with_the_reason(labels, chances, reason):
    found = calibrate(labels, chances)
    assert (found.slope, found.intercept) == (None, None)
    assert reason in found.reason
    assert np.isfinite(found.in_the_large)


def test_votes_of_all_trees_count_as_nearly_certain():
    assert logit(recalibrate([0.0, 1.0], 0.0)) == pytest.approx([-6.9067548, 6.9067548])


@pytest.mark.parametrize(
    ("labels", "chances", "message"),
    [
        ([1, 0], [0.5, 1.2], "1 chances lie outside 0 to 1"),
        ([1, 0], [0.5], "2 labels but 1 scores"),
        ([1, 1], [0.5, 0.5], "cases with controls, got 2 and 0"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(labels, chances, message):
    with pytest.raises(UnusableData, match=message):
        calibrate(labels, chances)


def test_a_curve_that_does_not_settle_is_refused(monkeypatch):
    monkeypatch.setattr(module, "MAX_STEPS", 1)
    with pytest.raises(UnusableData, match="did not settle in 1 steps"):
        calibrate(*foretold(n=50))
