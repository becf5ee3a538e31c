"""Normal distributions of which what lies below a limit was not measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import erfcx, log_ndtr, ndtri

from analysis.stats.errors import UnusableData
from analysis.stats.tables import LARGEST, finite_table, real_numbers, truth_values

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# Quantiles that QRILC regresses on, as shares of the measured values.
QUANTILES = np.linspace(0.001, 0.991, 100)
_MAX_STEPS = 100
# Values closer to one another have no square.
_LEAST_WIDTH = 1e-150
_SETTLED = 1e-18  # square of the Newton step, in units of its own standard error


@dataclass(frozen=True)
class CensoredNormal:
    """A normal distribution a feature, of which what lies low was not measured (n_features).

    ``mean`` and ``sd`` are in the unit of the values, NaN where ``reason`` says why none fits.
    """

    mean: Floats
    sd: Floats
    n_measured: npt.NDArray[np.int64]
    n_below: npt.NDArray[np.int64]
    reason: tuple[str, ...]


def fit_tobit(values: npt.ArrayLike, below: npt.ArrayLike, limits: npt.ArrayLike) -> CensoredNormal:
    """Maximum likelihood of a normal distribution of which some values are only known to be low.

    Parameters
    ----------
    values : array of shape (n_samples, n_features)
        On the scale on which they are normal, usually logarithms; NaN is missing.
    below : truth values of the same shape
        The value lies below its limit; what ``values`` has there is not read.
    limits : array of shape (n_features,) or (n_samples, n_features)
        Needed, in the unit of the values, where ``below`` is true.

    Raises
    ------
    UnusableData
        Shapes that differ, infinite values, a censored value without a limit, or an iteration
        that does not settle.

    References
    ----------
    Tobin 1958, doi:10.2307/1907382; Olsen 1978, doi:10.2307/1913082
    """
    y, low = _without_censored(values, below)
    limit = np.where(low, spread_limits(limits, y.shape), np.nan)
    unknown = np.flatnonzero((low & ~np.isfinite(limit)).any(axis=0))
    if len(unknown):
        raise UnusableData(
            f"Feature {unknown[0]} (of {len(unknown)}) has values below a limit that is not "
            "known: give the limit, or the smallest measured value in its place."
        )
    fit, (mean, sd) = _empty_fit(y, low), (np.full((2, y.shape[1]), np.nan))
    can = np.array([not reason for reason in fit.reason], dtype=bool)
    mean[can], sd[can] = _maximise(y[:, can], limit[:, can])
    return CensoredNormal(mean, sd, fit.n_measured, fit.n_below, fit.reason)


def fit_qrilc(values: npt.ArrayLike, below: npt.ArrayLike) -> CensoredNormal:
    """Normal distribution by regression of measured quantiles on those above the censored share.

    ``values`` and ``below`` as for `fit_tobit`; limits are not used, which is the point: the
    censored values are taken for the lowest of the feature, wherever its limit lies.

    References
    ----------
    Lazar et al. 2016, doi:10.1021/acs.jproteome.5b00981
    """
    y, low = _without_censored(values, below)
    fit = _empty_fit(y, low)
    reason = list(fit.reason)
    share = fit.n_below / np.maximum(fit.n_below + fit.n_measured, 1)
    mean, sd = np.full((2, y.shape[1]), np.nan)
    for feature in range(y.shape[1]):
        if not reason[feature] and share[feature] >= QUANTILES[-1] - QUANTILES[0]:
            reason[feature] = f"{share[feature]:.1%} of its values are below the limit"
        if reason[feature]:
            continue
        measured = y[~np.isnan(y[:, feature]), feature]
        normal = ndtri(np.linspace(share[feature] + QUANTILES[0], QUANTILES[-1], 100))
        sd[feature], mean[feature] = np.polyfit(normal, np.quantile(measured, QUANTILES), 1)
    return CensoredNormal(mean, sd, fit.n_measured, fit.n_below, tuple(reason))


def _without_censored(values: npt.ArrayLike, below: npt.ArrayLike) -> tuple[Floats, Bools]:
    """Values with NaN where they are censored, and where that is."""
    y = real_numbers(values).copy()
    low = truth_values(below, y.shape, "Marks of values below a limit")
    y[low] = np.nan
    return finite_table(y), low


def spread_limits(limits: npt.ArrayLike, shape: tuple[int, ...]) -> Floats:
    """Limits of detection, one a feature or one a value, in their shape; NaN is none."""
    array = real_numbers(limits, "Limits")
    if np.fmax.reduce(np.abs(array), axis=None, initial=0.0) > LARGEST:
        raise UnusableData(
            "A limit of detection is infinite or above 1e150: leave it empty where none is known."
        )
    if array.shape not in (shape, shape[1:]):
        raise UnusableData(
            f"Limits have the shape {array.shape}: give one a feature {shape[1:]}, or one a value."
        )
    return np.broadcast_to(array, shape)


def _maximise(y: Floats, limit: Floats) -> tuple[Floats, Floats]:
    """Newton's method in ``theta`` = 1/sd and ``delta`` = mean/sd, where the likelihood is concave.

    All features at once, in units of their measured values, whose sum is then 0 and whose sum of
    squares is their number; a step that loses is halved.
    """
    centre, scale = np.nanmean(y, axis=0), np.nanstd(y, axis=0)
    low = np.nonzero(~np.isnan(limit))
    tail = _Tail((~np.isnan(y)).sum(axis=0), low[1], ((limit - centre) / scale)[low])
    theta, delta = np.ones(len(centre)), np.zeros(len(centre))
    for _ in range(_MAX_STEPS):
        step_theta, step_delta, decrement = tail.newton(theta, delta)
        if (decrement < _SETTLED).all():
            return centre + scale * delta / theta, scale / theta
        here, size = tail.log_likelihood(theta, delta), np.ones(len(centre))
        lost = np.ones(len(centre), dtype=bool)
        while lost.any() and size.min() > _SETTLED:
            there = tail.log_likelihood(theta + size * step_theta, delta + size * step_delta)
            # Beside the top, rounding decides which of two equal likelihoods is the larger.
            lost = ~(there >= here - 1e-12 * (1 + np.abs(here)))
            size[lost] /= 2
        theta, delta = theta + size * step_theta, delta + size * step_delta
    raise UnusableData(
        f"Tobit did not settle in {_MAX_STEPS} steps for {(decrement >= _SETTLED).sum()} "
        "features: look for limits far from the measured values, or use half_minimum."
    )


@dataclass(frozen=True)
class _Tail:
    """All that the likelihood needs: measured values a feature, and the limit of each censored one.

    ``n`` (n_features); ``feature`` and ``limit`` (n_censored), in standard units.
    """

    n: npt.NDArray[np.int64]
    feature: npt.NDArray[np.int64]
    limit: Floats

    def log_likelihood(self, theta: Floats, delta: Floats) -> Floats:
        """Of each feature, but for a constant; minus infinity where theta is no scale."""
        scale = np.where(theta > 0, theta, 1.0)
        measured = self.n * (np.log(scale) - (scale**2 + delta**2) / 2)
        total = measured + self._sum(log_ndtr(self._z(scale, delta)))
        return np.where(theta > 0, total, -np.inf)

    def newton(self, theta: Floats, delta: Floats) -> tuple[Floats, Floats, Floats]:
        """Step in theta and in delta, and their product with the gradient (the decrement)."""
        z = self._z(theta, delta)
        hazard = hazard_below(z)
        slope = -hazard * (z + hazard)
        g_theta = self.n * (1 / theta - theta) + self._sum(hazard * self.limit)
        g_delta = -self.n * delta - self._sum(hazard)
        h_theta = -self.n * (1 / theta**2 + 1) + self._sum(slope * self.limit**2)
        h_both = -self._sum(slope * self.limit)
        h_delta = -self.n + self._sum(slope)
        determinant = h_theta * h_delta - h_both**2
        step_theta = (h_both * g_delta - h_delta * g_theta) / determinant
        step_delta = (h_both * g_theta - h_theta * g_delta) / determinant
        return step_theta, step_delta, g_theta * step_theta + g_delta * step_delta

    def _z(self, theta: Floats, delta: Floats) -> Floats:
        z: Floats = theta[self.feature] * self.limit - delta[self.feature]
        return z

    def _sum(self, terms: Floats) -> Floats:
        return np.asarray(np.bincount(self.feature, terms, len(self.n)), dtype=np.float64)


def hazard_below(z: Floats) -> Floats:
    """Standard normal density over distribution at z, by a form that neither under- nor overflows.

    Its negative is the mean of a standard normal below z.
    """
    hazard: Floats = np.sqrt(2 / np.pi) / erfcx(-z / np.sqrt(2))
    return hazard


def _empty_fit(y: Floats, below: Bools) -> CensoredNormal:
    """Counts, and the reason where the measured values fit no normal."""
    n, n_below = (~np.isnan(y)).sum(axis=0), below.sum(axis=0)
    lowest, highest = np.fmin.reduce(y, axis=0), np.fmax.reduce(y, axis=0)
    varies = highest - lowest > _LEAST_WIDTH
    reason = tuple(
        "" if can else f"its {count} measured values are fewer than 2 different ones"
        for can, count in zip(varies, n, strict=True)
    )
    nothing = np.full(y.shape[1], np.nan)
    return CensoredNormal(nothing, nothing, n, n_below, reason)
