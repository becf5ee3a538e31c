"""What stands in for a value below the limit of detection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import erfcx, log_ndtr, ndtri, ndtri_exp

from analysis.stats.errors import UnusableData
from analysis.stats.tables import finite_table, real_numbers

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MEASURED, BELOW_LOD, MISSING, EXCLUDED = 0, 1, 2, 3
_SHARE_OF_LIMIT = {"half_limit": 0.5, "limit_over_sqrt2": 2**-0.5}
_DRAWN = ("tobit_draw", "qrilc")
METHODS = ("half_minimum", *_SHARE_OF_LIMIT, "tobit_mean", *_DRAWN)

# Quantiles that QRILC regresses on, as shares of the measured values.
_QUANTILES = np.linspace(0.001, 0.991, 100)
_MAX_STEPS = 100
_SETTLED = 1e-18  # square of the Newton step, in units of its own standard error


@dataclass(frozen=True)
class Imputed:
    """Values with the censored ones filled, and how many of each feature were (n_features).

    ``notes`` names the features in which another method than the one asked for had to serve.
    """

    values: Floats
    n_touched: npt.NDArray[np.int64]
    notes: tuple[str, ...] = ()


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


def impute(
    values: npt.ArrayLike,
    flags: npt.ArrayLike | None = None,
    limits: npt.ArrayLike | None = None,
    *,
    method: str = "half_minimum",
    rng: np.random.Generator | None = None,
) -> Imputed:
    """Fill values below the limit of detection; what is missing stays missing.

    Parameters
    ----------
    values : array of shape (n_samples, n_features)
        On the raw scale, in one unit a feature. Where the flag is 1 the value is the limit of
        detection itself, or NaN where no limit is known. Zero is no limit.
    flags : integers of the same shape, optional
        0 measured, 1 below the limit of detection, 2 missing, 3 excluded. Without them nothing
        is filled.
    limits : array of shape (n_features,) or (n_samples, n_features), optional
        Limits of detection for the values that do not carry their own.
    method : {"half_minimum", "half_limit", "limit_over_sqrt2", "tobit_mean", "tobit_draw", "qrilc"}
        Half of the feature's smallest measured value, never above a known limit; or half the
        limit; or the limit over the square root of 2 [1]_. Where no limit is known all three
        use half of the smallest measured value; without either NaN stays.
        The others take the feature for log-normal. Tobit [2]_ fits it by maximum likelihood to
        the measured values and the limits (the smallest measured value where none is known) and
        fills in the exponential of the mean logarithm below the limit, or a draw from there.
        QRILC [3]_ fits the quantiles of the measured logarithms to those of a normal whose lower
        part is cut off, and draws from that part, here never above a known limit. It does so
        within a feature, whereas its authors pool the features of a sample, and with the fitted
        standard deviation. A feature that neither can fit takes "half_minimum"; ``notes`` say so.
    rng : Generator, for the methods that draw

    Returns
    -------
    Imputed
        A new array: missing and excluded values are NaN in it.

    Raises
    ------
    UnusableData
        Unknown method or flag, shapes that differ, infinite values, no generator to draw with, or
        censored values in a feature with negative ones, which is on a log or standardised scale
        where half of a value is no limit (or, for Tobit and QRILC, in one with measured zeros).

    References
    ----------
    .. [1] Hornung and Reed 1990, doi:10.1080/1047322X.1990.10389587
    .. [2] Tobin 1958, doi:10.2307/1907382, in the concave form of Olsen 1978, doi:10.2307/1913082
    .. [3] Lazar et al. 2016, doi:10.1021/acs.jproteome.5b00981
    """
    if method not in METHODS:
        raise UnusableData(f'No imputation is called "{method}": use one of {list(METHODS)}.')
    if method in _DRAWN and rng is None:
        raise UnusableData(f'"{method}" draws: give it rng, a seeded numpy Generator.')
    filled = finite_table(values).copy()
    if flags is None:
        return Imputed(filled, np.zeros(filled.shape[1], dtype=np.int64))
    flag = _checked_flags(flags, filled.shape)
    below = flag == BELOW_LOD
    limit = np.where(below, filled, np.nan)
    if limits is not None:
        limit = np.where(np.isnan(limit), _spread(limits, filled.shape), limit)
    limit[~(limit > 0)] = np.nan
    filled[flag != MEASURED] = np.nan
    simple = method if method in _SHARE_OF_LIMIT else "half_minimum"
    stand_in = np.broadcast_to(_stand_in(filled, below, limit, simple), filled.shape)
    notes: tuple[str, ...] = ()
    if method not in (simple, "half_minimum"):
        stand_in, notes = _fitted(filled, below, limit, stand_in, method, rng)
    filled[below] = stand_in[below]
    return Imputed(filled, (below & ~np.isnan(filled)).sum(axis=0), notes)


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
    low = np.asarray(below, dtype=bool)
    y = real_numbers(values).copy()
    if y.shape != low.shape:
        raise UnusableData(f"Values have the shape {y.shape} and below {low.shape}: one each.")
    y[low] = np.nan
    y = finite_table(y)
    limit = np.where(low, _spread(limits, y.shape), np.nan)
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
    low = np.asarray(below, dtype=bool)
    y = finite_table(np.where(low, np.nan, real_numbers(values)))
    fit = _empty_fit(y, low)
    reason = list(fit.reason)
    share = fit.n_below / np.maximum(fit.n_below + fit.n_measured, 1)
    mean, sd = np.full((2, y.shape[1]), np.nan)
    for feature in range(y.shape[1]):
        if not reason[feature] and share[feature] >= _QUANTILES[-1] - _QUANTILES[0]:
            reason[feature] = f"{share[feature]:.1%} of its values are below the limit"
        if reason[feature]:
            continue
        measured = y[~np.isnan(y[:, feature]), feature]
        normal = ndtri(np.linspace(share[feature] + _QUANTILES[0], _QUANTILES[-1], 100))
        sd[feature], mean[feature] = np.polyfit(normal, np.quantile(measured, _QUANTILES), 1)
    return CensoredNormal(mean, sd, fit.n_measured, fit.n_below, tuple(reason))


def _fitted(
    measured: Floats,
    below: Bools,
    limit: Floats,
    simple: Floats,
    method: str,
    rng: np.random.Generator | None,
) -> tuple[Floats, tuple[str, ...]]:
    """What a fitted log-normal puts in the place of censored values; ``simple`` where none fits."""
    zero = np.flatnonzero((measured == 0).any(axis=0) & below.any(axis=0))
    if len(zero):
        raise UnusableData(
            f"Feature {zero[0]} (of {len(zero)}) has measured zeros, which have no logarithm: "
            "flag them as below the limit of detection, or as missing."
        )
    # Features without a censored value are not touched, whatever they hold.
    y = np.log(np.where(below.any(axis=0), measured, np.nan))
    lowest = np.fmin.reduce(y, axis=0, initial=np.inf)
    known = np.where(below, np.log(limit), np.nan)
    top = np.where(np.isnan(known), np.where(np.isfinite(lowest), lowest, 0.0), known)
    if method == "qrilc":
        fit = fit_qrilc(y, below)
        share = fit.n_below / np.maximum(fit.n_below + fit.n_measured, 1)
        cut = fit.mean + fit.sd * ndtri(np.minimum(share + _QUANTILES[0], 1))
        top = np.fmin(cut, known)
    else:
        fit = fit_tobit(y, below, top)
    z = (top - fit.mean) / fit.sd
    if method == "tobit_mean":
        inside = -_hazard(z)
    else:
        assert rng is not None  # noqa: S101 - impute has refused
        inside = ndtri_exp(np.log1p(-rng.random(z.shape)) + log_ndtr(z))
    stand_in = np.exp(fit.mean + fit.sd * inside)
    failed = [i for i in np.flatnonzero(below.any(axis=0)) if fit.reason[i]]
    stand_in[:, failed] = simple[:, failed]
    return stand_in, tuple(f"Feature {i}: half_minimum, as {fit.reason[i]}." for i in failed)


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
        hazard = _hazard(z)
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


def _hazard(z: Floats) -> Floats:
    """Standard normal density over distribution at z, by a form that neither under- nor overflows.

    Its negative is the mean of a standard normal below z.
    """
    hazard: Floats = np.sqrt(2 / np.pi) / erfcx(-z / np.sqrt(2))
    return hazard


def _empty_fit(y: Floats, below: Bools) -> CensoredNormal:
    """Counts, and the reason where the measured values fit no normal."""
    n, n_below = (~np.isnan(y)).sum(axis=0), below.sum(axis=0)
    varies = np.fmax.reduce(y, axis=0) > np.fmin.reduce(y, axis=0)
    reason = tuple(
        "" if can else f"its {count} measured values are fewer than 2 different ones"
        for can, count in zip(varies, n, strict=True)
    )
    nothing = np.full(y.shape[1], np.nan)
    return CensoredNormal(nothing, nothing, n, n_below, reason)


def _stand_in(measured: Floats, below: Bools, limit: Floats, method: str) -> Floats:
    lowest = np.fmin.reduce(measured, axis=0, initial=np.inf)
    negative = np.flatnonzero((lowest < 0) & below.any(axis=0))
    if len(negative):
        raise UnusableData(
            f"Feature {negative[0]} (of {len(negative)}) has values below its limit of detection "
            f"and negative ones (down to {lowest[negative[0]]:.4g}): fill it before taking logs."
        )
    # Zero is no limit: half of it would put censored values at minus infinity on a log scale.
    positive = np.where(measured > 0, measured, np.inf).min(axis=0, initial=np.inf)
    half = np.where(np.isfinite(positive), positive / 2, np.nan)
    if method == "half_minimum":
        # With no measured value the limit is all that is known, so half of that.
        return np.where(np.isnan(half), limit / 2, np.fmin(half, limit))
    return np.where(np.isnan(limit), half[None, :], limit * _SHARE_OF_LIMIT[method])


def _checked_flags(flags: npt.ArrayLike, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    flag = real_numbers(flags, "Flags")
    if flag.shape != shape:
        raise UnusableData(f"Flags have the shape {flag.shape} and the values {shape}: one each.")
    unknown = set(np.unique(flag)) - {MEASURED, BELOW_LOD, MISSING, EXCLUDED}
    if unknown:
        raise UnusableData(f"Flags {sorted(unknown)} are unknown: 0 to 3 are in use.")
    return flag.astype(np.uint8)


def _spread(limits: npt.ArrayLike, shape: tuple[int, ...]) -> Floats:
    array = real_numbers(limits, "Limits")
    if np.isinf(array).any():
        raise UnusableData("A limit of detection is infinite: leave it empty where none is known.")
    if array.shape not in (shape, shape[1:]):
        raise UnusableData(
            f"Limits have the shape {array.shape}: give one a feature {shape[1:]}, or one a value."
        )
    return np.broadcast_to(array, shape)
