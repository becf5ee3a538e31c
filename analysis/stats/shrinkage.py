"""Empirical Bayes of ComBat: what all features of a batch say about the batch effect of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.stats.errors import UnusableData

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

CONVERGED = 1e-4  # largest relative change that ends the iteration, as in sva
_MAX_ITERATIONS = 10_000
# Pairs of features weighed at once in the non-parametric estimate.
_PAIRS = 2_000_000


@dataclass(frozen=True)
class BatchSums:
    """Standardised values of all batches as sums; arrays of shape (n_batches, n_features).

    ``gamma_hat`` is their mean, ``delta_hat`` their variance over n - 1, ``within`` their sum of
    squares around the mean and ``n`` how many were measured. Where ``n`` is 0 the others are
    finite and mean nothing.
    """

    gamma_hat: Floats
    delta_hat: Floats
    within: Floats
    n: Floats

    @property
    def seen(self) -> Bools:
        """Which batches measured a feature at all."""
        return self.n > 0

    def batch(self, number: int) -> BatchSums:
        """One batch and the features that it measured, arrays of shape (n_seen,)."""
        seen = self.n[number] > 0
        return BatchSums(*(part[number, seen] for part in self._parts))

    def batches(self, numbers: Ints) -> BatchSums:
        """Some of the batches."""
        return BatchSums(*(part[numbers] for part in self._parts))

    @property
    def _parts(self) -> tuple[Floats, Floats, Floats, Floats]:
        return self.gamma_hat, self.delta_hat, self.within, self.n


@dataclass(frozen=True)
class Priors:
    """Normal prior (``gamma_bar``, ``t2``) of the shift; inverse gamma (``a``, ``b``) of the scale.

    ``a`` and ``b`` are None where the scale is not adjusted.
    """

    gamma_bar: float
    t2: float
    a: float | None
    b: float | None


def priors_of(sums: BatchSums, *, mean_only: bool) -> tuple[Priors, ...]:
    """Priors of each batch by the method of moments [1]_.

    References
    ----------
    .. [1] Johnson, Li and Rabinovic 2007, doi:10.1093/biostatistics/kxj037
    """
    shifts = _mean_and_variance(sums.gamma_hat, sums.seen)
    scales = _mean_and_variance(sums.delta_hat, sums.seen)
    if mean_only:
        return tuple(Priors(*shift, None, None) for shift in shifts)
    return tuple(
        Priors(*shift, *_inverse_gamma(*scale)) for shift, scale in zip(shifts, scales, strict=True)
    )


def _mean_and_variance(values: Floats, seen: Bools) -> list[tuple[float, float]]:
    """Mean, and variance over n - 1, of every batch's features."""
    where = np.True_ if seen.all() else seen
    mean = values.mean(axis=1, where=where)
    return list(zip(mean.tolist(), values.var(axis=1, ddof=1, where=where).tolist(), strict=True))


def _inverse_gamma(mean: float, spread: float) -> tuple[float | None, float]:
    if spread <= 1e-20 * mean**2:
        # Every feature has the same scale: the prior is that one value.
        return None, mean
    return (2 * spread + mean**2) / spread, (mean * spread + mean**3) / spread


def shrink_parametric(
    sums: BatchSums, priors: Sequence[Priors], *, mean_only: bool
) -> tuple[Floats, Floats]:
    """Posterior shifts and scales (gamma_star, delta_star), shape (n_batches, n_features).

    Each batch is iterated until none of its features moves, as in sva, and then left out.

    Raises
    ------
    UnusableData
        The iteration did not settle.
    """
    gamma, delta = sums.gamma_hat.copy(), sums.delta_hat.copy()
    if mean_only:
        # One observation with the scale 1, as sva weighs it.
        one = BatchSums(gamma, delta, sums.within, np.ones_like(gamma))
        return _gamma_star(one, _columns(priors), np.ones_like(delta)), np.ones_like(delta)
    live, moving, prior = np.arange(len(gamma)), sums, _columns(priors)
    for _ in range(_MAX_ITERATIONS):
        new_gamma = _gamma_star(moving, prior, delta[live])
        new_delta = _delta_star(moving, prior, new_gamma)
        change = np.maximum(
            _change(gamma[live], new_gamma, moving.n), _change(delta[live], new_delta, moving.n)
        )
        gamma[live], delta[live] = new_gamma, new_delta
        still = change > CONVERGED
        if not still.any():
            return gamma, delta
        if not still.all():
            live = live[still]
            moving, prior = sums.batches(live), _columns([priors[batch] for batch in live.tolist()])
    raise UnusableData(
        f"ComBat did not settle in {_MAX_ITERATIONS} iterations (last relative change "
        f"{change.max():.2g}): look for features or batches with extreme values, or use mean_only."
    )


def shrink_nonparametric(sums: BatchSums, *, mean_only: bool) -> tuple[Floats, Floats]:
    """As the parametric estimate of one batch, with its other features themselves as the prior.

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


@dataclass(frozen=True)
class _Columns:
    """Priors of some batches, each of shape (n_batches, 1).

    delta_star = (half * squares + b) / (half * n + a1); ``half`` is 0 where the prior of the scale
    is one value, and 1/2 elsewhere.
    """

    gamma_bar: Floats
    t2: Floats
    half: Floats
    a1: Floats
    b: Floats


def _columns(priors: Sequence[Priors]) -> _Columns:
    rows = [
        (p.gamma_bar, p.t2, 0.0, 1.0, p.b or 1.0)
        if p.a is None
        else (p.gamma_bar, p.t2, 0.5, p.a - 1, p.b or 0.0)
        for p in priors
    ]
    return _Columns(*np.array(rows).T[:, :, None])


def _gamma_star(sums: BatchSums, prior: _Columns, delta: Floats) -> Floats:
    weight = prior.t2 * sums.n
    star = weight * sums.gamma_hat
    star += delta * prior.gamma_bar
    weight += delta
    star /= weight
    return star


def _delta_star(sums: BatchSums, prior: _Columns, gamma: Floats) -> Floats:
    squares = sums.gamma_hat - gamma
    squares *= squares
    squares *= sums.n
    squares += sums.within
    squares *= prior.half
    squares += prior.b
    squares /= prior.half * sums.n + prior.a1
    return squares


def _change(old: Floats, new: Floats, n: Floats) -> Floats:
    """Each batch's largest change relative to the old value, with its sign, shape (n_batches,).

    sva divides by the signed value, so a negative shift never keeps the iteration going; its
    scale does. Taking the size instead would stop later than the reference implementation.
    """
    moved = np.abs(new - old)
    relative = np.divide(moved, old, out=np.zeros_like(old), where=(n > 0) & (old != 0))
    largest: Floats = relative.max(axis=1)
    return largest


def _ones(sums: BatchSums) -> Floats:
    return np.ones_like(sums.gamma_hat)
