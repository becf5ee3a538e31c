"""What pools, blanks and gaps say of a batch's features; numbers in, numbers out.

`analysis.stats.qc` corrects by pools and measures what is left; this is what a batch is accepted
by, before any correction.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Natural logarithms in one unit of each scale that values may come on.
_LN: Final = {"ln": 1.0, "log2": float(np.log(2)), "log10": float(np.log(10))}
LEAST_FOR_RSD: Final = 3


def rsd_percent(pools: Floats, *, scale: str) -> Floats:
    """Relative standard deviation in percent, (n_features,), of pools (n_pools, n_features).

    NaN where fewer than 3 pools measured the feature, where their mean is not positive, and on a
    scale that has none. On logarithms it is that of the log-normal with their spread.
    """
    found = np.full(pools.shape[1], np.nan)
    enough = np.flatnonzero((~np.isnan(pools)).sum(axis=0) >= LEAST_FOR_RSD)
    if not len(enough) or scale not in ("raw", *_LN):
        return found
    mean, sd = np.nanmean(pools[:, enough], axis=0), np.nanstd(pools[:, enough], axis=0, ddof=1)
    if scale == "raw":
        positive = mean > 0
        found[enough[positive]] = 100 * sd[positive] / mean[positive]
    else:
        found[enough] = 100 * np.sqrt(np.expm1((_LN[scale] * sd) ** 2))
    return found


def blank_percent(blanks: Floats, pools: Floats) -> Floats:
    """Mean blank over mean pool; a blank in which nothing was found counts as nothing."""
    found = np.full(pools.shape[1], np.nan)
    if not len(blanks):
        return found
    measured = np.flatnonzero((~np.isnan(pools)).any(axis=0))
    level = np.nanmean(pools[:, measured], axis=0)
    some = level > 0
    mean_blank = np.nan_to_num(blanks[:, measured]).mean(axis=0)
    found[measured[some]] = 100 * mean_blank[some] / level[some]
    return found


def drift_percent(pools: Floats) -> Floats:
    """Of each pool (n_pools,): the median over features of its value against the median pool.

    NaN for a pool that measured nothing.
    """
    found = np.full(len(pools), np.nan)
    measured = (~np.isnan(pools)).any(axis=0)
    if not measured.any():
        return found
    level = np.nanmedian(pools[:, measured], axis=0)
    ratio = pools[:, measured][:, level > 0] / level[level > 0]
    some = (~np.isnan(ratio)).any(axis=1)
    found[some] = 100 * np.nanmedian(ratio[some], axis=1)
    return found
