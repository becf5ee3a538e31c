"""Last step of ComBat: every batch's values brought to its line, in tiles that fit the cache."""

from __future__ import annotations

from math import isfinite

import numpy as np
import numpy.typing as npt
from scipy.linalg.blas import dgemm

from analysis.stats.moments import (
    Rows,
    finite_or_missing,
    in_one_tile,
    rows_of,
    sorted_by_batch,
    tiles,
)
from analysis.stats.small_study import adjust_whole

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# A row of factors repeated: numpy multiplies long rows twice as fast as many short ones.
_REPEATED = 8


def on_lines(data: Floats, codes: Ints, columns: Floats, inverse: Floats, lines: Floats) -> Floats:
    """``data * inverse[batch] + columns @ lines[batch]``, shape (n_samples, n_features).

    ``codes`` (n_samples,) number the batches, ``columns`` (n_samples, n_columns) are the intercept
    and covariates, ``inverse`` (n_batches, n_features), ``lines`` (n_batches, n_columns,
    n_features). Infinite values are refused, missing ones stay.
    """
    if in_one_tile(data):
        adjusted = adjust_whole(data, codes, columns, inverse, lines)
        flat = adjusted.ravel()
        total = float(flat @ flat)
    else:
        adjusted, total = _in_tiles(data, codes, columns, inverse, lines)
    if not isfinite(total):
        finite_or_missing(data)
    return adjusted


def _in_tiles(
    data: Floats, codes: Ints, columns: Floats, inverse: Floats, lines: Floats
) -> tuple[Floats, float]:
    """The adjusted values, and the sum of their squares, which is finite where they all are."""
    order, ends = sorted_by_batch(codes, len(inverse))
    adjusted, total = np.empty_like(data), 0.0
    for number, rows in enumerate(rows_of(order, ends)):
        own = columns[order[ends[number] : ends[number + 1]]]
        factors = np.repeat(inverse[number][None], _REPEATED, axis=0)
        for part, within, features in tiles(rows, data.shape[1]):
            tile = _scaled(data, part, features, factors)
            # In place: BLAS adds its product to the tile while this is in the cache.
            dgemm(1.0, lines[number, :, features].T, own[within].T, 1.0, tile.T, overwrite_c=True)
            flat = tile.ravel()
            total += float(flat @ flat)
            adjusted[part, features] = tile
    return adjusted, total


def _scaled(data: Floats, part: Rows, features: slice, factors: Floats) -> Floats:
    """A tile times its factors, in memory of its own."""
    factor = factors[:, features]
    if isinstance(part, slice):
        scaled: Floats = np.multiply(data[part, features], factor[0], order="C")
        return scaled
    tile: Floats = data[part, features]
    whole = len(tile) - len(tile) % _REPEATED
    blocks = tile[:whole].reshape(-1, *factor.shape)
    blocks *= factor
    tile[whole:] *= factor[0]
    return tile
