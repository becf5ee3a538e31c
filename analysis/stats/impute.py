"""What stands in for a value below the limit of detection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.stats.errors import UnusableData

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MEASURED, BELOW_LOD, MISSING, EXCLUDED = 0, 1, 2, 3
_SHARE_OF_LIMIT = {"half_limit": 0.5, "limit_over_sqrt2": 2**-0.5}
METHODS = ("half_minimum", *_SHARE_OF_LIMIT)


@dataclass(frozen=True)
class Imputed:
    """Values with the censored ones filled, and how many of each feature were (n_features)."""

    values: Floats
    n_touched: npt.NDArray[np.int64]


def impute(
    values: npt.ArrayLike,
    flags: npt.ArrayLike | None = None,
    limits: npt.ArrayLike | None = None,
    *,
    method: str = "half_minimum",
) -> Imputed:
    """Fill values below the limit of detection; what is missing stays missing.

    Parameters
    ----------
    values : array of shape (n_samples, n_features)
        On the raw scale, in one unit a feature. Where the flag is 1 the value is the limit of
        detection itself, or NaN where no limit is known.
    flags : integers of the same shape, optional
        0 measured, 1 below the limit of detection, 2 missing, 3 excluded. Without them nothing
        is filled.
    limits : array of shape (n_features,) or (n_samples, n_features), optional
        Limits of detection for the values that do not carry their own.
    method : {"half_minimum", "half_limit", "limit_over_sqrt2"}
        Half of the feature's smallest measured value, never above a known limit; or half the
        limit; or the limit over the square root of 2 [1]_. Where no limit is known all three
        use half of the smallest measured value; without either NaN stays.

    Returns
    -------
    Imputed
        A new array: missing and excluded values are NaN in it.

    Raises
    ------
    UnusableData
        Unknown method or flag, shapes that differ, or censored values in a feature with
        negative ones, which is on a log or standardised scale where half of a value is no limit.

    References
    ----------
    .. [1] Hornung and Reed 1990, doi:10.1080/1047322X.1990.10389587
    """
    if method not in METHODS:
        raise UnusableData(f'No imputation is called "{method}": use one of {list(METHODS)}.')
    filled = np.array(values, dtype=np.float64)
    if filled.ndim != 2:
        raise UnusableData(f"Values need 2 dimensions (samples, features), got {filled.ndim}.")
    if flags is None:
        return Imputed(filled, np.zeros(filled.shape[1], dtype=np.int64))
    flag = _checked_flags(flags, filled.shape)
    below = flag == BELOW_LOD
    limit = np.where(below, filled, np.nan)
    if limits is not None:
        limit = np.where(np.isnan(limit), _spread(limits, filled.shape), limit)
    filled[flag != MEASURED] = np.nan
    stand_in = _stand_in(filled, below, limit, method)
    filled[below] = stand_in[below]
    return Imputed(filled, (below & ~np.isnan(filled)).sum(axis=0))


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
    flag = np.asarray(flags)
    if flag.shape != shape:
        raise UnusableData(f"Flags have the shape {flag.shape} and the values {shape}: one each.")
    unknown = set(np.unique(flag)) - {MEASURED, BELOW_LOD, MISSING, EXCLUDED}
    if unknown:
        raise UnusableData(f"Flags {sorted(unknown)} are unknown: 0 to 3 are in use.")
    return flag.astype(np.uint8)


def _spread(limits: npt.ArrayLike, shape: tuple[int, ...]) -> Floats:
    array = np.asarray(limits, dtype=np.float64)
    if array.shape not in (shape, shape[1:]):
        raise UnusableData(
            f"Limits have the shape {array.shape}: give one a feature {shape[1:]}, or one a value."
        )
    return np.broadcast_to(array, shape)
