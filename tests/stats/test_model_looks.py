"""A classifier and a severity model looked at fifty times: how often chance is called."""

import numpy as np
import pytest
from scipy import integrate
from scipy.stats import norm

from analysis.stats.errors import UnusableData
from analysis.stats.model_looks import area_over_looks, correlation_over_looks
from tests.stats.looks_at_models import ever_called, left_out_with, linear_areas, simulated

SHAPES = [(2, 2), (3, 5), (3, 10)]


@pytest.mark.parametrize(("first", "last"), SHAPES)
def test_in_fifty_looks_a_classifier_of_nothing_is_called_in_at_most_5_of_100_studies(first, last):
    always, ordinary, _ = ever_called(np.random.default_rng(1947), 300, first, last, effect=0)
    assert always <= 0.05
    assert ordinary > 0.3  # what the rule is for


@pytest.mark.parametrize(("first", "last"), SHAPES[1:])
def test_in_fifty_looks_a_severity_model_of_nothing_is_called_in_at_most_5_of_100(first, last):
    rng = np.random.default_rng(1937)
    always, ordinary, _ = ever_called(rng, 300, first, last, effect=0, what="correlations")
    assert always <= 0.05
    assert ordinary > 0.3


@pytest.mark.parametrize(("what", "least"), [("areas", 0.3), ("correlations", 0.2)])
def test_with_sites_left_out_in_groups_nothing_is_called_as_seldom(what, least):
    rng = np.random.default_rng(44)
    always, ordinary, _ = ever_called(rng, 100, 12, 12, effect=0, what=what, n_looks=25, most=5)
    assert always <= 0.05
    assert ordinary > least


def test_sites_of_one_group_teach_one_another_nothing():
    """Of two groups: a site's area does not move when another site of its group is another one."""
    n, rng = np.full(12, 10), np.random.default_rng(8)
    values = simulated(rng, 5, 12, 0.3)
    before = linear_areas(values, n, most=2)
    site, *beside = left_out_with(n, 2)[0]
    values[:, beside] = rng.normal(size=values[:, beside].shape)
    assert linear_areas(values, n, most=2)[site] == pytest.approx(before[site])
    assert not np.allclose(linear_areas(values, n)[site], linear_areas(values, n, most=2)[site])


def test_this_projects_own_pls_calls_no_more_than_the_model_of_the_simulation():
    rng = np.random.default_rng(7)
    found = ever_called(rng, 20, 3, 3, effect=0, what="correlations", real=True, n_looks=12)
    assert found[0] <= 0.1


def test_five_sites_find_what_differs_and_what_follows_severity():
    assert ever_called(np.random.default_rng(3), 100, 3, 5, effect=0.5)[0] > 0.9
    found = ever_called(np.random.default_rng(4), 100, 3, 5, effect=0.25, what="correlations")
    assert found[0] > 0.9


def test_areas_of_sites_that_taught_one_another_vary_twice_as_much_as_they_say():
    """Why the variance is doubled: without it the interval would be too short by a root of two."""
    n = np.array([20, 20, 20])
    areas = linear_areas(simulated(np.random.default_rng(5), 2000, 3, 0), n)
    alone = 41 / (12 * 400)
    assert areas.var(axis=1) == pytest.approx(alone, rel=0.15)
    assert areas.mean(axis=0).var() == pytest.approx(2 * alone / 3, rel=0.15)


def test_the_evidence_is_the_mixed_likelihood_of_a_sum_on_the_clock_of_squared_information():
    found = area_over_looks([0.7, 0.6], [20, 30], [25, 30])
    variance = np.array([2 * 46 / (12 * 500), 2 * 61 / (12 * 900)])
    mean, information = np.average([0.2, 0.1], weights=1 / variance), (1 / variance).sum()
    clock = (information * 0.15) ** 2

    def mixed(area):
        away = (mean - area) * np.sqrt(information * clock)  # a Brownian motion at that time

        def at_drift(drift):
            return norm.pdf(drift, 0, 0.15) * norm.pdf(away, drift * clock, np.sqrt(clock))

        top = away / clock
        return integrate.quad(at_drift, -2, 2, points=[top])[0] / norm.pdf(away, 0, np.sqrt(clock))

    assert found.mean == pytest.approx(0.5 + mean)
    assert found.log_e == pytest.approx(np.log(mixed(0)))
    # At either end the e-value is exactly 20.
    assert mixed(found.ci_low[0] - 0.5) == pytest.approx(20)
    assert mixed(found.ci_high[0] - 0.5) == pytest.approx(20)


def test_no_interval_leaves_what_can_be():
    tiny = area_over_looks([1.0, 0.9], [2, 2], [2, 2])
    assert (tiny.ci_low[0], tiny.ci_high[0]) == (0, 1)


def test_a_site_that_was_not_tested_changes_nothing():
    with_it = area_over_looks([0.7, np.nan, 0.6], [20, 0, 30], [25, 9, 30])
    assert with_it.ci_low == pytest.approx(area_over_looks([0.7, 0.6], [20, 30], [25, 30]).ci_low)
    r = correlation_over_looks([0.5, np.nan, 0.4], [30, 1, 40])
    assert r.ci_low == pytest.approx(correlation_over_looks([0.5, 0.4], [30, 40]).ci_low)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: area_over_looks([1.2], [5], [5]), "area under the curve lies from 0 to 1"),
        (lambda: area_over_looks([0.5], [0], [5]), "An area needs a case and a control"),
        (lambda: area_over_looks([0.5, 0.5], [5], [5]), r"shapes \(2,\), \(1,\), \(1,\)"),
        (lambda: correlation_over_looks([1.5], [5]), "correlation lies from -1 to 1"),
        (lambda: correlation_over_looks([0.5], [20], level=95), "Level 95 is no probability"),
        (lambda: area_over_looks([np.nan], [5], [5]), "No site has a statistic"),
        (lambda: correlation_over_looks([0.5], [2]), "correlation needs 3 people"),
    ],
)
def test_what_is_no_area_or_no_correlation_is_refused(call, message):
    with pytest.raises(UnusableData, match=message):
        call()
