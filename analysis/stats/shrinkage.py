"""Empirical Bayes of ComBat: what all features of a batch say about the batch effect of one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.stats.errors import UnusableData

Floats = npt.NDArray[np.float64]

CONVERGED = 1e-4  # largest relative change that ends the iteration, as in sva
_MAX_ITERATIONS = 10_000
# Pairs of features weighed at once in the non-parametric estimate.
_PAIRS = 2_000_000


@dataclass(frozen=True)
class BatchSums:
    """One batch's standardised values, as sums per feature; arrays of shape (n_features,).

    ``gamma_hat`` is their mean, ``delta_hat`` their variance over n - 1, ``within`` their sum of
    squares around the mean and ``n`` how many were measured.
    """

    gamma_hat: Floats
    delta_hat: Floats
    within: Floats
    n: Floats


@dataclass(frozen=True)
class Priors:
    """Normal prior (``gamma_bar``, ``t2``) of the shift; inverse gamma (``a``, ``b``) of the scale.

    ``a`` and ``b`` are None where the scale is not adjusted.
    """

    gamma_bar: float
    t2: float
    a: float | None
    b: float | None


def priors_of(sums: BatchSums, *, mean_only: bool) -> Priors:
    """Priors of a batch by the method of moments [1]_.

    References
    ----------
    .. [1] Johnson, Li and Rabinovic 2007, doi:10.1093/biostatistics/kxj037
    """
    gamma_bar, t2 = float(sums.gamma_hat.mean()), float(sums.gamma_hat.var(ddof=1))
    if mean_only:
        return Priors(gamma_bar, t2, None, None)
    mean, spread = float(sums.delta_hat.mean()), float(sums.delta_hat.var(ddof=1))
    if spread <= 1e-20 * mean**2:
        # Every feature has the same scale: the prior is that one value.
        return Priors(gamma_bar, t2, None, mean)
    a = (2 * spread + mean**2) / spread
    return Priors(gamma_bar, t2, a, (mean * spread + mean**3) / spread)


def shrink_parametric(sums: BatchSums, priors: Priors, *, mean_only: bool) -> tuple[Floats, Floats]:
    """Posterior shift and scale (gamma_star, delta_star) of every feature of one batch.

    Raises
    ------
    UnusableData
        The iteration did not settle.
    """
    if mean_only:
        # One observation with the scale 1, as sva weighs it.
        return _gamma_star(sums.gamma_hat, priors, np.float64(1), np.float64(1)), _ones(sums)
    gamma, delta = sums.gamma_hat, sums.delta_hat
    for _ in range(_MAX_ITERATIONS):
        new_gamma = _gamma_star(sums.gamma_hat, priors, sums.n, delta)
        new_delta = _delta_star(sums, priors, new_gamma)
        change = max(_change(gamma, new_gamma), _change(delta, new_delta))
        gamma, delta = new_gamma, new_delta
        if change <= CONVERGED:
            return gamma, delta
    raise UnusableData(
        f"ComBat did not settle in {_MAX_ITERATIONS} iterations (last relative change "
        f"{change:.2g}): look for features or batches with extreme values, or use mean_only."
    )


def shrink_nonparametric(sums: BatchSums, *, mean_only: bool) -> tuple[Floats, Floats]:
    """As the parametric estimate, with the other features themselves as the prior.

    Likelihoods are weighed on the log scale, so that none underflows to a division of 0 by 0.
    """
    spread = _ones(sums) if mean_only else sums.delta_hat
    m = len(spread)
    gamma, delta = np.empty(m), np.empty(m)
    step = max(1, _PAIRS // m)
    log_spread, half_precision = np.log(2 * np.pi * spread), 1 / (2 * spread)
    for start in range(0, m, step):
        rows = slice(start, min(start + step, m))
        n, own = sums.n[rows, None], np.arange(rows.start, rows.stop)
        squares = (
            sums.within[rows, None] + n * (sums.gamma_hat[rows, None] - sums.gamma_hat[None]) ** 2
        )
        log_weight = -n / 2 * log_spread - squares * half_precision
        # A feature is no prior of itself.
        log_weight[own - rows.start, own] = -np.inf
        weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        gamma[rows], delta[rows] = weight @ sums.gamma_hat, weight @ spread
    return gamma, delta


def _gamma_star(
    gamma_hat: Floats, priors: Priors, n: Floats | np.float64, delta: Floats | np.float64
) -> Floats:
    return (priors.t2 * n * gamma_hat + delta * priors.gamma_bar) / (priors.t2 * n + delta)


def _delta_star(sums: BatchSums, priors: Priors, gamma: Floats) -> Floats:
    if priors.a is None or priors.b is None:
        return np.full(len(gamma), priors.b or 1.0)
    squares = sums.within + sums.n * (sums.gamma_hat - gamma) ** 2
    return (squares / 2 + priors.b) / (sums.n / 2 + priors.a - 1)


def _change(old: Floats, new: Floats) -> float:
    """Largest change relative to the old value, with its sign.

    sva divides by the signed value, so a negative shift never keeps the iteration going; its
    scale does. Taking the size instead would stop later than the reference implementation.
    """
    moved = np.abs(new - old)
    return float(
        np.divide(moved, old, out=np.zeros_like(old), where=(moved > 0) & (old != 0)).max()
    )


def _ones(sums: BatchSums) -> Floats:
    return np.ones_like(sums.gamma_hat)
