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

    ``hat`` (2, n_batches, n_features) is their mean and their variance over n - 1, ``within`` their
    sum of squares around the mean and ``n`` how many were measured. Where ``n`` is 0 the others
    are finite and mean nothing. ``complete`` says that nothing is missing.
    """

    hat: Floats
    within: Floats
    n: Floats
    complete: bool

    @property
    def gamma_hat(self) -> Floats:
        """Means."""
        means: Floats = self.hat[0]
        return means

    @property
    def delta_hat(self) -> Floats:
        """Variances."""
        variances: Floats = self.hat[1]
        return variances

    @property
    def seen(self) -> Bools:
        """Which batches measured a feature at all."""
        return self.n > 0

    def batch(self, number: int) -> BatchSums:
        """One batch and the features that it measured, arrays of shape (n_seen,)."""
        seen = self.n[number] > 0
        return BatchSums(
            self.hat[:, number, seen],
            self.within[number, seen],
            self.n[number, seen],
            self.complete,
        )

    def batches(self, numbers: list[int]) -> BatchSums:
        """Some of the batches."""
        return BatchSums(self.hat[:, numbers], self.within[numbers], self.n[numbers], self.complete)


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
    mean, variance = _mean_and_variance(sums)
    moments = zip(*mean, *variance, strict=True)
    if mean_only:
        return tuple([Priors(shift, t2, None, None) for shift, _, t2, _ in moments])
    return tuple(
        [Priors(shift, t2, *_inverse_gamma(scale, spread)) for shift, scale, t2, spread in moments]
    )


def _mean_and_variance(sums: BatchSums) -> tuple[list[list[float]], list[list[float]]]:
    """Mean, and variance over n - 1, of every batch's features: of their shifts and scales."""
    seen = sums.complete or sums.seen
    n = sums.n.shape[1] if sums.complete else np.add.reduce(sums.seen, axis=1, dtype=np.float64)
    mean = np.add.reduce(sums.hat, axis=2, where=seen) / n
    rest = sums.hat - mean[:, :, None]
    rest *= rest
    variance = np.add.reduce(rest, axis=2, where=seen) / (n - 1)
    return mean.tolist(), variance.tolist()


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
        return _shrink_shifts(sums, priors), np.ones_like(sums.n)
    step, live, star = _Step.of(sums, priors), list(range(len(priors))), np.empty_like(sums.hat)
    delta, share = sums.delta_hat, np.zeros(1)
    # Division by 0 in a relative change keeps the iteration going, as in sva.
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(_MAX_ITERATIONS):
            new, new_share = step.next(delta)
            change = step.change(delta, new)
            # The shifts follow the scales, so that they matter only where these have settled.
            if min(change) <= CONVERGED:
                shifts = step.change(step.gamma(share), step.gamma(new_share))
                change = [max(pair) for pair in zip(change, shifts, strict=True)]
            still = [place for place, moved in enumerate(change) if moved > CONVERGED]
            if not still and len(live) == len(priors):
                return step.gamma(new_share), new
            if len(still) < len(live):
                star[0, live], star[1, live] = step.gamma(new_share), new
                if not still:
                    return star[0], star[1]
                live = [live[place] for place in still]
                step, new, new_share = step.of_batches(still), new[still], new_share[still]
            delta, share = new, new_share
    raise UnusableData(
        f"ComBat did not settle in {_MAX_ITERATIONS} iterations (last relative change "
        f"{max(change):.2g}): look for features or batches with extreme values, or use mean_only."
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
class _Step:
    """One step of the iteration for some batches, what does not change worked out before.

    From the old scales delta comes the share of the way to its prior mean that a shift goes,
    delta / (``weight`` + delta): gamma_star = ``gamma_hat`` - share * ``away``, and the new scales
    are ``floor`` + ``lean`` * share^2. ``seen`` is None in complete data.
    """

    gamma_hat: Floats
    away: Floats
    weight: Floats
    lean: Floats
    floor: Floats
    seen: Bools | None

    @classmethod
    def of(cls, sums: BatchSums, priors: Sequence[Priors]) -> _Step:
        """The step for these batches and their priors."""
        # A scale that is the same in all features is its own prior: 0 observations say more.
        rows = [
            (p.gamma_bar, p.t2, 0.0, 1.0, p.b or 1.0)
            if p.a is None
            else (p.gamma_bar, p.t2, 0.5, p.a - 1, p.b or 0.0)
            for p in priors
        ]
        gamma_bar, t2, half, a1, b = np.array(rows).T[:, :, None]
        lean = half * sums.n
        below = lean + a1
        away = sums.gamma_hat - gamma_bar
        lean *= away
        lean *= away
        lean /= below
        floor = half * sums.within
        floor += b
        floor /= below
        seen = None if sums.complete else sums.seen
        return cls(sums.gamma_hat, away, t2 * sums.n, lean, floor, seen)

    def of_batches(self, numbers: list[int]) -> _Step:
        """The step for some of these batches."""
        return _Step(
            self.gamma_hat[numbers],
            self.away[numbers],
            self.weight[numbers],
            self.lean[numbers],
            self.floor[numbers],
            None if self.seen is None else self.seen[numbers],
        )

    def next(self, delta: Floats) -> tuple[Floats, Floats]:
        """New scales, and the shares from which they and the shifts come."""
        share = self.weight + delta
        np.divide(delta, share, out=share)
        new = share * share
        new *= self.lean
        new += self.floor
        return new, share

    def gamma(self, share: Floats) -> Floats:
        """Shifts."""
        shifts: Floats = self.gamma_hat - self.away * share
        return shifts

    def change(self, old: Floats, new: Floats) -> list[float]:
        """Each batch's largest change relative to the old value, with its sign, (n_batches,).

        sva divides by the signed value, so a negative shift never keeps the iteration going; its
        scale does. Taking the size instead would stop later than the reference implementation.
        """
        moved = new - old
        np.abs(moved, out=moved)
        moved /= old
        if self.seen is not None:
            moved[~self.seen] = 0.0
        # What stays at 0 has not moved, though 0 / 0 is no number.
        largest: list[float] = np.fmax.reduce(moved, axis=1).tolist()
        return largest


def _shrink_shifts(sums: BatchSums, priors: Sequence[Priors]) -> Floats:
    """Posterior shifts where the scale is 1, each from one observation, as sva weighs it."""
    gamma_bar, t2 = np.array([(p.gamma_bar, p.t2) for p in priors]).T[:, :, None]
    shifts: Floats = (t2 * sums.gamma_hat + gamma_bar) / (t2 + 1)
    return shifts


def _ones(sums: BatchSums) -> Floats:
    return np.ones_like(sums.gamma_hat)
