"""Whether a model beats chance at sites that it never saw, however often a growing study looks.

At each look the models are fitted anew, so that a site's own statistic (the area under the ROC
curve, the correlation of prediction and outcome) is one draw a look, not a sum that only grows.
Two things are known all the same where labels or outcomes are exchangeable within sites: the mean
of the statistic and its variance, given everything that the models learnt elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.stats.errors import UnusableData
from analysis.stats.tables import real_numbers

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

CHANCE = 0.5
MOST_PEOPLE = 2**53
# Above chance: an AUC of 0.65, a correlation of 0.3.
AREA_OF_INTEREST = 0.15
CORRELATION_OF_INTEREST = 0.3
# Site A is tested by what B taught and B by what A taught: see `area_over_looks`.
SHARED = 2.0


@dataclass(frozen=True)
class OverLooks:
    """What may be said at this look and at all others together; arrays of shape (n_models,).

    ``mean`` of the sites' statistics, its always-valid interval, and the natural logarithm of the
    e-value against chance: at most 1 - level of models of nothing ever leave the interval.
    """

    mean: Floats
    ci_low: Floats
    ci_high: Floats
    log_e: Floats
    n_sites: NDArray[np.int64]

    def about(self, centre: float, within: tuple[float, float]) -> OverLooks:
        """The same interval about another zero, cut off where no value can be."""
        low, high = (np.clip(end + centre, *within) for end in (self.ci_low, self.ci_high))
        return replace(self, mean=self.mean + centre, ci_low=low, ci_high=high)


def area_over_looks(
    areas: ArrayLike, n_case: ArrayLike, n_control: ArrayLike, *, level: float = 0.95
) -> OverLooks:
    """The always-valid interval of the mean area under the ROC curve at these left-out sites.

    Sites are weighted by the variance that Mann and Whitney's statistic has where labels are
    exchangeable within the site, (n + 1) / (12 n_case n_control) [3]_: known, not estimated from
    the scores, and no smaller than at other areas. It is doubled, because the areas of two sites
    rest on one another: what A and B share by chance raises both. Where a score is a sum of what
    each training site taught (a linear model), an area is a sum of terms Z_AB of pairs of sites,
    uncorrelated between pairs, each of which enters two areas; (a + b)^2 <= 2 (a^2 + b^2) bounds
    the variance of any weighted mean at twice that of independent sites, and equal sites reach
    the bound. Such a sum over pairs of people grows like their number squared, so Robbins' normal
    mixture [1]_ [2]_, N(m, 0.15^2) about each area m in question, runs on the clock of the squared
    information: looks decorrelate faster than those at a mean of people. Sites that are left out
    in one group teach one another nothing and share less. Chance is the same at every site, so no
    heterogeneity is weighed: the interval speaks of these sites, not of others.

    Parameters
    ----------
    areas : array-like of shape (n_sites,) or (n_sites, n_models)
        From 0 to 1; NaN where a site was not tested.
    n_case, n_control : array-likes of the same shape
        People behind each area.
    level : float
        Probability that no look misses.

    Returns
    -------
    OverLooks
        The interval in areas, from 0 to 1; ``log_e`` is the evidence against 0.5.

    Notes
    -----
    A mean of sites is not quite a martingale, so the level was measured, on linear models alone
    (tests/stats/looks_at_models.py: 50 looks; tables and the power lost are in
    docs/for-statisticians.md). Forests are not linear: that they keep the level is neither proved
    nor measured.

    Raises
    ------
    UnusableData
        An area outside [0, 1], shapes that differ, or a site with an area and without both groups.

    References
    ----------
    .. [1] Robbins 1970, doi:10.1214/aoms/1177696786
    .. [2] Howard, Ramdas, McAuliffe and Sekhon 2021, doi:10.1214/20-AOS1991
    .. [3] Mann and Whitney 1947, doi:10.1214/aoms/1177730491
    """
    area, case, control = _columns("Areas", areas, n_case, n_control)
    known = _known("Areas", area, case, control)
    if ((area < 0) | (area > 1))[known].any():
        raise UnusableData("An area under the curve lies from 0 to 1: correct the others.")
    if (np.minimum(case, control)[known] < 1).any():
        raise UnusableData("An area needs a case and a control at its site: leave that site out.")
    pairs = np.where(known, case * control, 1.0)
    variance = SHARED * (case + control + 1) / (12 * pairs)
    return _mixture(area - CHANCE, variance, AREA_OF_INTEREST, level).about(CHANCE, (0.0, 1.0))


def correlation_over_looks(
    correlations: ArrayLike, n_people: ArrayLike, *, level: float = 0.95
) -> OverLooks:
    """The always-valid interval of the mean correlation of predictions at left-out sites.

    As `area_over_looks`: a correlation of one site has mean 0 and variance 1 / (n - 1) over the
    permutations of its outcomes, whatever the predictions are [1]_, doubled for the same reason.

    Parameters
    ----------
    correlations : array-like of shape (n_sites,) or (n_sites, n_models)
        Within one site each, from -1 to 1; NaN where a site has none.
    n_people : array-like of the same shape
    level : float
        Probability that no look misses.

    Raises
    ------
    UnusableData
        A correlation outside [-1, 1], shapes that differ, or a site of fewer than 3 people.

    References
    ----------
    .. [1] Pitman 1937, doi:10.2307/2983647
    """
    r, n = _columns("Correlations", correlations, n_people)
    known = _known("Correlations", r, n)
    if (np.abs(r[known]) > 1 + 1e-9).any():
        raise UnusableData("A correlation lies from -1 to 1: correct the others.")
    if (n[known] < 3).any():
        raise UnusableData("A correlation needs 3 people at its site: leave that site out.")
    variance = SHARED / np.where(known, n - 1, 1.0)
    return _mixture(r, variance, CORRELATION_OF_INTEREST, level).about(0.0, (-1.0, 1.0))


def _columns(what: str, *given: ArrayLike) -> list[Floats]:
    """Each as (n_sites, n_models)."""
    arrays = [real_numbers(part, what) for part in given]
    if len({part.shape for part in arrays}) > 1 or arrays[0].ndim not in (1, 2):
        shapes = ", ".join(str(part.shape) for part in arrays)
        raise UnusableData(f"{what} and counts have the shapes {shapes}: give one a site of each.")
    counts = np.concatenate([part.ravel() for part in arrays[1:]])
    if (counts > MOST_PEOPLE).any() or np.isinf(arrays[0]).any():
        raise UnusableData(f"{what} or counts are infinite or too large: correct them.")
    return [part.reshape(len(part), -1) for part in arrays]


def _known(what: str, statistic: Floats, *counts: Floats) -> Bools:
    """Where there is a statistic; refuses one without its counts."""
    known: Bools = np.isfinite(statistic)
    if np.isnan(np.array(counts))[:, known].any():
        raise UnusableData(f"{what} without the number of people behind them: give it, or none.")
    return known


def _mixture(y: Floats, v: Floats, effect: float, level: float) -> OverLooks:
    """Robbins' interval of the weighted mean on the clock of the squared information."""
    if not 0.5 <= level < 1:
        raise UnusableData(f"Level {level:g} is no probability of not missing: give 0.95.")
    known = np.isfinite(y)
    weight = np.where(known, 1 / v, 0.0)
    information = weight.sum(axis=0)
    if (information == 0).any():
        raise UnusableData("No site has a statistic: there is nothing to look at.")
    mean = (weight * np.where(known, y, 0.0)).sum(axis=0) / information
    gain = (information * effect**2) ** 2
    log_e = mean**2 * information * gain / (2 * (1 + gain)) - 0.5 * np.log1p(gain)
    allowed = -2 * math.log(1 - level) + np.log1p(gain)
    reach = np.sqrt(allowed * (1 + gain) / gain / information)
    return OverLooks(mean, mean - reach, mean + reach, log_e, known.sum(axis=0))
