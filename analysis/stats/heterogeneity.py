"""How far the cohorts' true effects lie apart, with intervals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from analysis.stats.errors import UnusableData
from analysis.stats.meta import checked_effects
from analysis.stats.newton import MAX_STEPS, fall_through_zero
from analysis.stats.tau2 import (
    Moments,
    between_variance,
    generalised_q,
    moments,
)

Floats = NDArray[np.float64]

FEW = "under two cohorts: heterogeneity cannot be seen"
UNCONVERGED = f"tau2 or its interval did not settle within {MAX_STEPS} steps: check the variances"


@dataclass(frozen=True)
class Heterogeneity:
    """Heterogeneity of each feature; arrays of shape (n_features,).

    ``tau2`` and its interval are in the unit of the effect squared; ``i2*`` are percent.

    ``i2`` and ``h2`` come from tau2 and the typical variance s2 within cohorts (Higgins and
    Thompson 2002, equation 9): 100 tau2 / (tau2 + s2) and (tau2 + s2) / s2; their limits are those
    of tau2, put through the same formula. ``i2_from_q`` and ``h2_from_q`` come from Cochran's Q:
    100 (Q - df) / Q, not below 0, and Q / df. The two definitions agree where tau2 is
    DerSimonian-Laird's and above 0, and not otherwise.

    The interval is Q-profile [1]_: it does not depend on how tau2 is estimated and need not hold
    it. Where Q lies so low that no tau2 fits, both limits are 0.

    References
    ----------
    .. [1] Viechtbauer 2007, doi:10.1002/sim.2514
    """

    tau2: Floats
    tau2_low: Floats
    tau2_high: Floats
    i2: Floats
    i2_low: Floats
    i2_high: Floats
    i2_from_q: Floats
    h2: Floats
    h2_low: Floats
    h2_high: Floats
    h2_from_q: Floats
    q_statistic: Floats
    q_p: Floats
    n_cohorts: NDArray[np.int64]
    reason: tuple[str, ...]
    tau2_method: str


def heterogeneity(
    estimates: ArrayLike, variances: ArrayLike, *, tau2: str = "REML", level: float = 0.95
) -> Heterogeneity:
    """Estimate tau2, I2 and H2 of each feature with Q-profile intervals.

    Parameters
    ----------
    estimates, variances, tau2
        As for `pool_effects`; the tau2 of FE is 0, and its ``i2`` with it.
    level : float
        Coverage of the intervals, between 0 and 1.

    Raises
    ------
    UnusableData
        As `pool_effects`; a level outside (0, 1).
    """
    if not 0 < level < 1:
        raise UnusableData(f"An interval cannot cover {level:g}: give a level inside (0, 1).")
    y, v = checked_effects(estimates, variances)
    present = np.isfinite(y)
    n_cohorts = present.sum(axis=0)
    several = n_cohorts >= 2
    y2 = np.where(present, y, 0.0)[:, several]
    v2 = np.where(present, v, np.inf)[:, several]
    numbers = np.full((len(_NUMBERS), len(several)), np.nan)
    numbers[:, several], settled = _estimate(y2, v2, tau2, level)
    reason = np.where(several, "", FEW).astype(object)
    reason[several] = np.where(settled, "", UNCONVERGED)
    return Heterogeneity(
        **dict(zip(_NUMBERS, numbers, strict=True)),
        n_cohorts=n_cohorts,
        reason=tuple(reason),
        tau2_method=tau2,
    )


_NUMBERS = (
    *("tau2", "tau2_low", "tau2_high", "i2", "i2_low", "i2_high"),
    *("h2", "h2_low", "h2_high", "q_statistic", "q_p", "i2_from_q", "h2_from_q"),
)


def _estimate(y: Floats, v: Floats, method: str, level: float) -> tuple[Floats, NDArray[np.bool_]]:
    """The rows of `_NUMBERS`, and whether every search ended."""
    known = moments(y, v)
    between = between_variance(y, v, method, known)
    q, df, typical = known.q, known.df, known.typical
    low, high, settled = _tau2_interval(y, v, known, level)
    settled = settled & between.converged
    tau2 = np.where(settled, [between.tau2, low, high], np.nan)
    # Identical cohorts have Q = 0 and no heterogeneity: 0 / 0 must not become NaN.
    i2_from_q = 100 * np.maximum(q - df, 0.0) / np.where(q > 0, q, 1.0)
    rows = [
        *tau2,
        *(100 * tau2 / (tau2 + typical)),
        *((tau2 + typical) / typical),
        q,
        special.chdtrc(df, q),
        i2_from_q,
        q / df,
    ]
    return np.array(rows), settled


def _tau2_interval(
    y: Floats, v: Floats, known: Moments, level: float
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Q-profile limits of tau2, and whether both searches ended."""
    # At the lower limit Q is as large as chance lets it be, at the upper as small.
    low, high = (
        fall_through_zero(
            generalised_q, (y, v, target), np.zeros(len(target)), known.typical, power=1
        )
        for target in (
            _chi_squared(known.df, (1 + level) / 2),
            _chi_squared(known.df, (1 - level) / 2),
        )
    )
    return low.x, high.x, low.converged & high.converged


def _chi_squared(df: Floats, below: float) -> Floats:
    quantile: Floats = special.chdtri(df, 1 - below).astype(np.float64, copy=False)
    return quantile
