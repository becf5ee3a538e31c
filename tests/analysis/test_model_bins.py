"""Groups of people behind the plots of models: right before the rules, large enough after them."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from analysis.services.disclosure import released_groups
from analysis.steps import model_bins
from analysis.steps.model_bins import calibration_groups, severity_groups, sites_tested

K = 10


def people(n=400, gap=1.0, seed=1):
    rng = np.random.default_rng(seed)
    is_case = rng.random(n) < 0.5
    return rng.normal(is_case * gap), is_case, np.array(["FUK", "TYO"])[rng.integers(0, 2, n)]


def roc_steps(scores, is_case, sites):
    return model_bins.roc_steps(sites_tested(scores, is_case, sites), np.random.default_rng(3))


def test_the_curve_compares_each_case_with_controls_of_its_own_site():
    scores, is_case, sites = people()
    # A site whose scores all lie higher changes no placement.
    shifted = scores + 5.0 * (sites == "TYO")
    assert roc_steps(scores, is_case, sites) == roc_steps(shifted, is_case, sites)


def test_the_area_under_the_curve_is_the_auc_of_one_site():
    scores, is_case, _ = people(2000)
    one = np.full(len(scores), "FUK")
    steps = roc_steps(scores, is_case, one)
    share = np.cumsum([0, *(step["n_case"] for step in steps)]) / is_case.sum()
    area = np.trapezoid(share, [0.0, *(step["false_positive"] for step in steps)])
    assert area == pytest.approx(roc_auc_score(is_case, scores), abs=0.02)


def test_the_untested_stand_in_no_group():
    scores, is_case, sites = people()
    scores[sites == "TYO"] = np.nan
    n = (sites == "FUK").sum()
    assert sum(step["n_case"] for step in roc_steps(scores, is_case, sites)) < n
    groups = calibration_groups(scores, is_case)
    assert sum(group["n_case"] + group["n_control"] for group in groups) == n


def test_nobody_tested_gives_no_curve():
    scores, is_case, sites = people()
    assert roc_steps(np.full(len(scores), np.nan), is_case, sites) == []
    assert severity_groups(np.empty(0), np.empty(0)) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(12, 300), st.floats(0, 3), st.integers(0, 99))
def test_no_step_that_is_shown_rests_on_few(n, gap, seed):
    scores, is_case, sites = people(n, gap, seed)
    steps = roc_steps(scores, is_case, sites)
    points = released_groups.roc_for(steps, K)
    rates = [point["true_positive"] for point in points]
    assert rates == sorted(rates)
    for before, after in itertools.pairwise(points):
        within = [
            step["n_case"]
            for step in steps
            if before["false_positive"] < step["false_positive"] <= after["false_positive"] + 1e-9
        ]
        assert sum(within) >= K or sum(within) == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(12, 300), st.integers(0, 99))
def test_no_group_that_is_shown_is_small(n, seed):
    scores, is_case, _ = people(n, 1.0, seed)
    raw = calibration_groups(scores, is_case)
    shown = released_groups.calibration_for(raw, K)
    assert len(shown) <= min(is_case.sum(), (~is_case).sum()) // K
    told = released_groups.severity_for(severity_groups(scores, scores + 1.0), K)
    assert len(told) <= n // K
    assert all(group["n"] >= K for group in told)


def test_too_few_people_draw_nothing():
    scores, is_case, sites = people(15)
    assert released_groups.roc_for(roc_steps(scores, is_case, sites), K) == []
    assert released_groups.calibration_for(calibration_groups(scores, is_case), K) == []


def test_the_curve_has_an_interval_that_holds_it_and_none_where_it_is_fixed():
    points = released_groups.roc_for(roc_steps(*people()), K)
    assert [points[n]["ci_low"] for n in (0, -1)] == [None, None]
    for point in points[1:-1]:
        assert point["ci_low"] <= point["true_positive"] <= point["ci_high"]
        assert point["ci_high"] > point["ci_low"]


def test_a_run_of_before_there_were_intervals_has_its_curve_without():
    old = [{**step} for step in roc_steps(*people())]
    for step in old:
        del step["inflation"]
    points = released_groups.roc_for(old, K)
    assert len(points) > 2
    assert {point["ci_low"] for point in points} == {None}
