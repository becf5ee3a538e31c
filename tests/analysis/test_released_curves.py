"""Curves of single sites: nothing of a few people can be worked out of them and their sum."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.services.disclosure.released_curves import curves_for
from analysis.steps.model_bins import ROC_STEPS, roc_by_site, sites_tested

K = 10


def document(sizes, seed=1, gap=1.0):
    """A classifier's curves by site, for sites of so many cases and as many controls."""
    rng = np.random.default_rng(seed)
    sites = np.repeat([f"S{n}" for n in range(len(sizes))], [2 * n for n in sizes])
    is_case = np.concatenate([np.arange(2 * n) < n for n in sizes])
    scores = rng.normal(is_case * gap)
    return {"roc_by_site": roc_by_site(sites_tested(scores, is_case, sites))}


def cut_at(curves):
    return [round(point["false_positive"] * ROC_STEPS) for point in curves[0]["points"]]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(3, 90), min_size=1, max_size=6),
    st.integers(0, 99),
    st.floats(0, 3),
    st.sets(st.integers(0, 5), max_size=3),
)
def test_what_is_told_and_what_is_left_hold_enough_people_in_every_step(sizes, seed, gap, hidden):
    data = document(sizes, seed, gap)
    untold = {f"S{n}" for n in hidden if n < len(sizes)}
    told = curves_for(data, untold, K)
    names = {curve["site"] for curve in told}
    assert not names & untold
    if not told:
        return
    cuts = cut_at(told)
    assert all(cut_at([curve]) == cuts for curve in told)
    rest = [each for each in data["roc_by_site"] if each["site"] not in names]
    groups = [[each] for each in data["roc_by_site"] if each["site"] in names]
    for group in [*groups, *([rest] if rest else [])]:
        cases = np.sum([each["n_case"] for each in group], axis=0)
        for start, end in itertools.pairwise(cuts):
            n = cases[start:end].sum()
            assert n >= K or (end == ROC_STEPS and n == 0)


def test_large_sites_are_drawn_with_steps_in_common():
    curves = curves_for(document([80, 70, 60]), (), K)
    assert [curve["site"] for curve in curves] == ["S0", "S1", "S2"]
    assert len(curves[0]["points"]) > 3
    for curve in curves:
        rates = [point["true_positive"] for point in curve["points"]]
        assert rates == sorted(rates)
        assert rates[0] == 0.0
        assert rates[-1] == 1.0


def test_a_small_site_does_not_keep_the_large_ones_from_being_drawn():
    curves = curves_for(document([80, 70, 30]), (), K)
    assert {curve["site"] for curve in curves} >= {"S0", "S1"}


def test_one_hidden_site_would_be_the_difference():
    data = document([80, 70, 60, 60])
    assert curves_for(data, {"S3"}, K) == []
    assert [curve["site"] for curve in curves_for(data, {"S2", "S3"}, K)] == ["S0", "S1"]


@pytest.mark.parametrize("data", [{}, {"roc_by_site": []}, document([8, 7])])
def test_nothing_is_drawn_of_few_people_or_of_a_run_without_curves_by_site(data):
    assert curves_for(data, (), K) == []
