"""ComBat's fit of a small study in few calls: there a call costs more than its numbers.

Larger studies are read in tiles, as sums of which digits may be lost (`moments`). A few thousand
numbers stay in the cache whole, so that their residuals cost nothing more.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analysis.stats.moments import Layout

Floats = npt.NDArray[np.float64]


def fit_whole(data: Floats, layout: Layout, lost: float) -> tuple[Floats, Floats, Floats] | None:
    """Batch means, slopes and squares left over of complete values, (..., n_features) each.

    None where a value is missing or infinite, or where the squares around a batch's mean or the
    fit are less than the share ``lost`` of all: such a feature may be a constant, which is for
    others to find out.
    """
    n_batches = len(layout.n)
    basis = np.empty((n_batches + layout.columns.shape[1], len(data)))
    np.equal(layout.codes, np.arange(n_batches)[:, None], out=basis[:n_batches])
    basis[n_batches:] = layout.columns.T
    both = np.empty((2, *data.shape))
    # What is not finite, or has no square, shows in the comparison.
    with np.errstate(over="ignore", invalid="ignore"):
        fitted = basis @ data
        totals = fitted[:n_batches].copy()
        means = np.divide(totals, layout.n[:, None], out=fitted[:n_batches])
        np.multiply(data, data, out=both[0])
        rest = np.matmul(basis.T, fitted, out=both[1])
        np.subtract(data, rest, out=rest)
        rest *= rest
        squares, within = basis[:n_batches] @ both
        # Slopes leave residuals of what is constant in one batch alone.
        for left in (within, squares - totals * means):
            if np.count_nonzero(left > lost * squares) < left.size:
                return None
    return means, fitted[n_batches:], within
