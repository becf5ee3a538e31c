"""Ordered answers explained by columns of numbers: the proportional odds model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from analysis.stats.errors import UnusableData
from analysis.stats.tables import real_numbers

Floats = npt.NDArray[np.float64]

# Newton's steps double the digits: a fit that needs more than these runs to infinity.
_MOST_STEPS = 50
_DONE = 1e-10
# Log odds, across the whole range of a column, that only a perfect separation reaches.
_SEPARATED = 30.0


@dataclass(frozen=True)
class OrdinalFit:
    """Log odds of a higher answer: ``coefficients`` and ``se`` (n_columns,), per unit of a column.

    ``thresholds`` (n_categories - 1,) are the log odds of an answer at or below each category
    where all columns are 0. ``converged`` is False where the likelihood has no maximum, as where
    a column tells the answers apart without error; the other numbers then mean nothing.
    """

    coefficients: Floats
    se: Floats
    thresholds: Floats
    log_likelihood: float
    converged: bool


def fit_proportional_odds(answers: npt.ArrayLike, columns: Floats) -> OrdinalFit:
    """Fit logit P(answer <= j) = threshold_j - columns @ coefficients by Newton's method [1]_.

    Parameters
    ----------
    answers : array of shape (n,)
        Numbers whose order is that of the categories; none missing.
    columns : array of shape (n, n_columns)
        Without an intercept, and of full rank beside one. May have no column.

    Raises
    ------
    UnusableData
        Fewer than two different answers, or other than one finite number a person.

    References
    ----------
    .. [1] McCullagh 1980, doi:10.1111/j.2517-6161.1980.tb01109.x; the likelihood is concave by
       Pratt 1981, doi:10.1080/01621459.1981.10477613
    """
    given = real_numbers(answers, "Answers")
    if given.shape != (len(columns),) or not np.isfinite(given).all():
        raise UnusableData(
            f"Answers of the shape {given.shape} for {len(columns)} people: give each a number."
        )
    levels, codes = np.unique(given, return_inverse=True)
    if len(levels) < 2:
        raise UnusableData(f"All answers are {list(levels)}: nothing to explain; leave it out.")
    n_cuts = len(levels) - 1
    # Columns of mean 0 and range 1 keep the Hessian even; the fit is the same.
    mean = columns.mean(axis=0)
    width = np.ptp(columns, axis=0)
    likelihood = _Likelihood(codes, n_cuts, (columns - mean) / width)
    share = np.cumsum(np.bincount(codes))[:-1] / len(codes)
    start = np.concatenate([np.log(share / (1 - share)), np.zeros(columns.shape[1])])
    found, hessian, converged = _climbed(likelihood, start)
    slopes = found[n_cuts:]
    converged = converged and bool((np.abs(slopes) < _SEPARATED).all())
    variances = np.diag(np.linalg.pinv(-hessian))[n_cuts:]
    return OrdinalFit(
        coefficients=slopes / width,
        se=np.sqrt(np.maximum(variances, 0.0)) / width,
        thresholds=found[:n_cuts] + float(slopes @ (mean / width)),
        log_likelihood=likelihood.value(found),
        converged=converged,
    )


class _Likelihood:
    """The log likelihood of thresholds and coefficients, and its derivatives.

    An answer lies between an upper and a lower threshold; each is a linear function of the
    parameters, but for the outermost ones, which are infinite.
    """

    def __init__(self, codes: npt.NDArray[np.intp], n_cuts: int, columns: Floats) -> None:
        cuts = np.vstack([np.zeros(n_cuts), np.eye(n_cuts), np.zeros(n_cuts)])
        above, below = codes < n_cuts, codes > 0
        self.upper = np.hstack([cuts[codes + 1], -columns * above[:, None]])
        self.lower = np.hstack([cuts[codes], -columns * below[:, None]])
        self.above = np.where(above, 0.0, np.inf)
        self.below = np.where(below, 0.0, -np.inf)

    def ends(self, parameters: Floats) -> tuple[Floats, Floats]:
        return self.upper @ parameters + self.above, self.lower @ parameters + self.below

    def value(self, parameters: Floats) -> float:
        """Minus infinity where thresholds are out of order."""
        upper, lower = self.ends(parameters)
        if (upper <= lower).any():
            return -np.inf
        # F(u) - F(l) without cancellation.
        logs = -np.logaddexp(0, -upper) - np.logaddexp(0, lower) + np.log(-np.expm1(lower - upper))
        return float(logs.sum())

    def derivatives(self, parameters: Floats) -> tuple[Floats, Floats]:
        """Gradient and Hessian."""
        upper, lower = self.ends(parameters)
        # Beyond 700 the exponential has no float, and nothing is left of its inverse.
        gap = np.minimum(upper - lower, 700.0)
        inner = 1 / np.expm1(gap)
        curve = 1 / (4 * np.sinh(gap / 2) ** 2)
        at_upper, at_lower = expit(upper), expit(lower)
        gradient = self.upper.T @ (1 - at_upper + inner) - self.lower.T @ (at_lower + inner)
        both = self.upper.T @ (curve[:, None] * self.lower)
        hessian = (
            both
            + both.T
            - self.upper.T @ ((at_upper * (1 - at_upper) + curve)[:, None] * self.upper)
            - self.lower.T @ ((at_lower * (1 - at_lower) + curve)[:, None] * self.lower)
        )
        return gradient, hessian


def _climbed(likelihood: _Likelihood, start: Floats) -> tuple[Floats, Floats, bool]:
    """Parameters at the maximum, the Hessian there, and whether it was reached."""
    here, height = start, likelihood.value(start)
    gradient, hessian = likelihood.derivatives(here)
    for _ in range(_MOST_STEPS):
        step = np.linalg.lstsq(-hessian, gradient, rcond=None)[0]
        # Twice the gain that a full step promises.
        if gradient @ step < _DONE:
            # One more step is free, and takes the last digits.
            last = here + step if likelihood.value(here + step) >= height else here
            return last, likelihood.derivatives(last)[1], True
        size = 1.0
        while size > 1e-6 and likelihood.value(here + size * step) <= height:
            size /= 2
        here = here + size * step
        height = likelihood.value(here)
        gradient, hessian = likelihood.derivatives(here)
    return here, hessian, False
