"""The band around a ROC curve covers what it should, and more than a share of cases alone."""

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.proportion import proportion_confint

from analysis.stats.roc_band import inflation, placements, share_interval

ENDS = np.arange(1, 21) / 20


def drawn(rng, gap=1.0, n_case=40, n_control=40, n_sites=3):
    cases = [rng.normal(gap, 1, n_case) for _ in range(n_sites)]
    return cases, [rng.normal(0, 1, n_control) for _ in range(n_sites)]


def test_the_band_holds_the_true_curve_as_often_as_it_says():
    rng, held, plainly = np.random.default_rng(5), np.zeros(20), np.zeros(20)
    true = norm.cdf(1.0 + norm.ppf(ENDS - 1e-12))
    for _ in range(120):
        cases, controls = drawn(rng)
        wider = inflation(cases, controls, ENDS, rng=rng)
        placed = np.concatenate([placements(c, u) for c, u in zip(cases, controls, strict=True)])
        height = (placed[:, None] <= ENDS + 1e-9).mean(axis=0)
        for end in range(20):
            for found, n in ((held, len(placed) / wider[end]), (plainly, len(placed))):
                low, high = share_interval(height[end], n)
                found[end] += low <= true[end] <= high
    # At the first steps a quantile of 40 controls lies between two of them.
    assert (held[2:19] / 120).min() > 0.88
    assert (held[2:19] / 120).mean() > 0.94
    assert (plainly[2:19] / 120).mean() < (held[2:19] / 120).mean() - 0.03


@pytest.mark.parametrize(("share", "n"), [(0.0, 30), (0.4, 30), (1.0, 30), (0.9, 212)])
def test_the_interval_of_a_share_is_wilsons(share, n):
    expected = proportion_confint(share * n, n, method="wilson")
    assert share_interval(share, n) == pytest.approx(expected, abs=1e-9)


def test_controls_without_number_widen_nothing_and_few_controls_much():
    rng = np.random.default_rng(2)
    many = inflation(*drawn(rng, n_control=20_000), ENDS, rng=rng)
    few = inflation(*drawn(rng, n_control=10), ENDS, rng=rng)
    assert np.median(many) < 1.2
    assert np.median(few) > 1.5
    assert min(many.min(), few.min()) >= 1.0


def test_where_every_case_is_found_nothing_varies():
    apart = inflation([np.full(9, 5.0)], [np.zeros(9)], ENDS, rng=np.random.default_rng(1))
    assert apart.tolist() == [1.0] * 20
    assert share_interval(1.0, 9)[0] == pytest.approx(0.70, abs=0.01)


def test_ties_count_against_the_case():
    assert placements(np.array([1.0, 2.0]), np.array([0.0, 1.0, 1.0, 2.0])).tolist() == [0.75, 0.25]
