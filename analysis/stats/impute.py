"""What stands in for a value below the limit of detection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr, ndtri, ndtri_exp

from analysis.stats.censored import QUANTILES, fit_qrilc, fit_tobit, hazard_below, spread_limits
from analysis.stats.errors import UnusableData
from analysis.stats.tables import finite_table, real_numbers

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MEASURED, BELOW_LOD, MISSING, EXCLUDED = 0, 1, 2, 3
_SHARE_OF_LIMIT = {"half_limit": 0.5, "limit_over_sqrt2": 2**-0.5}
_DRAWN = ("tobit_draw", "qrilc")
METHODS = ("half_minimum", *_SHARE_OF_LIMIT, "tobit_mean", *_DRAWN)


@dataclass(frozen=True)
class Imputed:
    """Values with the censored ones filled, and how many of each feature were (n_features).

    What is missing or excluded is NaN.

    ``fell_back`` are the features, by number, in which "half_minimum" had to serve instead of the
    method asked for, and ``notes`` say why.
    """

    values: Floats
    n_touched: npt.NDArray[np.int64]
    fell_back: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


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
        limit = np.where(np.isnan(limit), spread_limits(limits, filled.shape), limit)
    limit[~(limit > 0)] = np.nan
    filled[flag != MEASURED] = np.nan
    simple = method if method in _SHARE_OF_LIMIT else "half_minimum"
    stand_in = np.broadcast_to(_stand_in(filled, below, limit, simple), filled.shape)
    why: dict[int, str] = {}
    if method not in (simple, "half_minimum"):
        stand_in, why = _fitted(filled, below, limit, stand_in, method, rng)
    filled[below] = stand_in[below]
    notes = tuple(f"Feature {i}: half_minimum, as {reason}." for i, reason in why.items())
    return Imputed(filled, (below & ~np.isnan(filled)).sum(axis=0), tuple(why), notes)


def _fitted(
    measured: Floats,
    below: Bools,
    limit: Floats,
    simple: Floats,
    method: str,
    rng: np.random.Generator | None,
) -> tuple[Floats, dict[int, str]]:
    """What a fitted log-normal puts in the place of censored values.

    ``simple`` stands in for features that none fits; these with their reasons.
    """
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
        cut = fit.mean + fit.sd * ndtri(np.minimum(share + QUANTILES[0], 1))
        top = np.fmin(cut, known)
    else:
        fit = fit_tobit(y, below, top)
    z = (top - fit.mean) / fit.sd
    if method == "tobit_mean":
        inside = -hazard_below(z)
    else:
        assert rng is not None  # noqa: S101 - impute has refused
        inside = ndtri_exp(np.log1p(-rng.random(z.shape)) + log_ndtr(z))
    stand_in = np.exp(fit.mean + fit.sd * inside)
    failed = [int(i) for i in np.flatnonzero(below.any(axis=0)) if fit.reason[i]]
    stand_in[:, failed] = simple[:, failed]
    return stand_in, {i: fit.reason[i] for i in failed}


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
