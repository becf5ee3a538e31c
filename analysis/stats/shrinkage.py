"""Empirical Bayes of ComBat: what all features of a batch say about the batch effect of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
    if mean_only:
        return tuple(Priors(*shift, None, None) for shift in shifts)
    scales = _mean_and_variance(sums.delta_hat, sums.seen)
    return tuple(
        Priors(*shift, *_inverse_gamma(*scale)) for shift, scale in zip(shifts, scales, strict=True)
    )


def _mean_and_variance(values: Floats, seen: Bools) -> list[tuple[float, float]]:
    """Mean, and variance over n - 1, of every batch's features."""
    n = np.add.reduce(seen, axis=1, dtype=np.float64)
    mean = np.add.reduce(values, axis=1, where=seen) / n
    rest = values - mean[:, None]
    rest *= rest
    variance = np.add.reduce(rest, axis=1, where=seen) / (n - 1)
    return list(zip(mean.tolist(), variance.tolist(), strict=True))


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
    if mean_only:
        # One observation with the scale 1, as sva weighs it.
        one = np.ones_like(sums.n)
        return _Update.of(replace(sums, n=one), priors).gamma_star(one), one
    star = np.array([sums.gamma_hat, sums.delta_hat])
    live, moving = np.arange(len(priors)), _Update.of(sums, priors)
    for _ in range(_MAX_ITERATIONS):
        old = star if len(live) == len(priors) else star[:, live]
        new = moving.next(old[1])
        change = moving.change(old, new)
        if len(live) == len(priors):
            star = new
        else:
            star[:, live] = new
        still = change > CONVERGED
        if not still.any():
            return star[0], star[1]
        if not still.all():
            live = live[still]
            moving = _Update.of(sums.batches(live), [priors[batch] for batch in live.tolist()])
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
class _Update:
    """One step of the iteration for some batches, what does not change worked out before.

    gamma_star = (``pull`` + delta * ``gamma_bar``) / (``weight`` + delta) and
    delta_star = (``half_n`` * (``gamma_hat`` - gamma)^2 + ``rest``) / ``below``. ``complete`` says
    that no batch lacks a feature.
    """

    gamma_hat: Floats
    gamma_bar: Floats
    pull: Floats
    weight: Floats
    half_n: Floats
    rest: Floats
    below: Floats
    n: Floats
    complete: bool

    @classmethod
    def of(cls, sums: BatchSums, priors: Sequence[Priors]) -> _Update:
        """The step for these batches and their priors."""
        # A scale that is the same in all features is its own prior: 0 observations say more.
        rows = [
            (p.gamma_bar, p.t2, 0.0, 1.0, p.b or 1.0)
            if p.a is None
            else (p.gamma_bar, p.t2, 0.5, p.a - 1, p.b or 0.0)
            for p in priors
        ]
        gamma_bar, t2, half, a1, b = np.array(rows).T[:, :, None]
        weight, half_n = t2 * sums.n, half * sums.n
        return cls(
            gamma_hat=sums.gamma_hat,
            gamma_bar=gamma_bar,
            pull=weight * sums.gamma_hat,
            weight=weight,
            half_n=half_n,
            rest=half * sums.within + b,
            below=half_n + a1,
            n=sums.n,
            complete=bool(sums.n.all()),
        )

    def gamma_star(self, delta: Floats) -> Floats:
        """Shifts, given the scales."""
        star = delta * self.gamma_bar
        star += self.pull
        star /= self.weight + delta
        return star

    def next(self, delta: Floats) -> Floats:
        """New shifts and scales, shape (2, n_batches, n_features), from the old scales."""
        new = np.empty((2, *delta.shape))
        new[0] = self.gamma_star(delta)
        squares = np.subtract(self.gamma_hat, new[0], out=new[1])
        squares *= squares
        squares *= self.half_n
        squares += self.rest
        squares /= self.below
        return new

    def change(self, old: Floats, new: Floats) -> Floats:
        """Each batch's largest change relative to the old value, with its sign, (n_batches,).

        sva divides by the signed value, so a negative shift never keeps the iteration going; its
        scale does. Taking the size instead would stop later than the reference implementation.
        """
        moved = new - old
        np.abs(moved, out=moved)
        if self.complete and old.all():
            moved /= old
        else:
            known = (self.n > 0) & (old != 0)
            moved = np.divide(moved, old, out=np.zeros_like(old), where=known)
        largest: Floats = np.maximum.reduce(moved, axis=(0, 2))
        return largest


def _ones(sums: BatchSums) -> Floats:
    return np.ones_like(sums.gamma_hat)
