"""Last step of ComBat: every batch's values brought to its line, in tiles that fit the cache."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest
from math import isfinite
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy.linalg.blas import dgemm

from analysis.stats.moments import (
    Rows,
    fetched,
    finite_or_missing,
    in_one_tile,
    in_whole_rows,
    rows_of,
    sorted_by_batch,
    tiles,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

T = TypeVar("T")

# A row of factors repeated: numpy multiplies long rows twice as fast as many short ones.
_REPEATED = 8


@dataclass(frozen=True)
class Lines:
    """Adjusted = value * ``inverse`` + covariates @ ``slopes`` * (1 - inverse) + ``shift``.

    ``inverse`` and ``shift`` (n_batches, n_features), ``slopes`` (n_columns, n_features). Where
    inverse is 1 and shift 0 a value comes out as it went in, to the last bit.
    """

    inverse: Floats
    shift: Floats
    slopes: Floats

    def of_batch(self, batch: int | slice) -> Floats:
        """What intercept and covariates are multiplied with, (..., 1 + n_columns, n_features)."""
        inverse, shift = self.inverse[batch], self.shift[batch]
        lines = np.empty((*inverse.shape[:-1], 1 + len(self.slopes), inverse.shape[-1]))
        lines[..., 0, :] = shift
        np.multiply(self.slopes, (1 - inverse)[..., None, :], out=lines[..., 1:, :])
        return lines


def on_lines(data: Floats, codes: Ints, columns: Floats, lines: Lines) -> Floats:
    """The adjusted values, shape (n_samples, n_features).

    ``codes`` (n_samples,) number the batches, ``columns`` (n_samples, n_columns) are the
    covariates. Infinite values are refused, missing ones stay.
    """
    # What has no square shows in their sum, and is looked for then alone.
    with np.errstate(over="ignore", invalid="ignore"):
        adjusted, total = _adjusted(data, codes, columns, lines)
    if not isfinite(total):
        finite_or_missing(data)
    return adjusted


def _adjusted(data: Floats, codes: Ints, columns: Floats, lines: Lines) -> tuple[Floats, float]:
    """The adjusted values, and the sum of their squares, which is finite where they all are."""
    if in_one_tile(data):
        return _at_once(data, codes, columns, lines)
    rows = rows_of(*sorted_by_batch(codes, len(lines.inverse)))
    return _in_tiles(data, rows, columns, lines)


def _at_once(data: Floats, codes: Ints, columns: Floats, lines: Lines) -> tuple[Floats, float]:
    """Few numbers: one product with columns that are 0 outside their batch, and no loop."""
    n, m = data.shape
    own = np.zeros((n, len(lines.inverse), 1 + columns.shape[1]))
    rows = np.arange(n)
    own[rows, codes, 0] = 1.0
    own[rows, codes, 1:] = columns
    adjusted: Floats = own.reshape(n, -1) @ lines.of_batch(slice(None)).reshape(-1, m)
    factors = lines.inverse.take(codes, axis=0)
    factors *= data
    adjusted += factors
    flat = adjusted.ravel()
    return adjusted, float(flat @ flat)


def _in_tiles(
    data: Floats, rows: list[Rows], columns: Floats, lines: Lines
) -> tuple[Floats, float]:
    """The rows of a batch together, with one line a tile."""
    adjusted, total = np.empty_like(data), 0.0
    by_batch = [_tiles_of(data, number, mine, columns, lines) for number, mine in enumerate(rows)]
    # Batch after batch, unless their rows are mixed: then the tiles that lie side by side in the
    # data follow each other, and what is written to is still in the cache from its neighbour.
    mixed = in_whole_rows(data) and any(isinstance(mine, np.ndarray) for mine in rows)
    for part, features, tile in _in_turn(by_batch) if mixed else chain.from_iterable(by_batch):
        flat = tile.ravel()
        total += float(flat @ flat)
        adjusted[part, features] = tile
    return adjusted, total


def _tiles_of(
    data: Floats, batch: int, rows: Rows, columns: Floats, lines: Lines
) -> Iterator[tuple[Rows, slice, Floats]]:
    """The adjusted tiles of a batch, and which rows and features of the data they are."""
    own = np.ones((len(columns[rows]), 1 + columns.shape[1]))
    own[:, 1:] = columns[rows]
    line = lines.of_batch(batch)
    factors = np.repeat(lines.inverse[batch][None], _REPEATED, axis=0)
    for part, within, features in tiles(rows, data.shape[1]):
        tile = _scaled(data, part, features, factors)
        # In place: BLAS adds its product to the tile while this is in the cache.
        dgemm(1.0, line[:, features].T, own[within].T, 1.0, tile.T, overwrite_c=True)
        yield part, features, tile


def _in_turn(many: list[Iterator[T]]) -> Iterator[T]:
    """One of each, then the next of each, until all have ended."""
    return (one for turn in zip_longest(*many) for one in turn if one is not None)


def _scaled(data: Floats, part: Rows, features: slice, factors: Floats) -> Floats:
    """A tile times its factors, in memory of its own."""
    factor = factors[:, features]
    if isinstance(part, slice):
        scaled: Floats = np.multiply(data[part, features], factor[0], order="C")
        return scaled
    tile = fetched(data, part, features)
    whole = len(tile) - len(tile) % _REPEATED
    blocks = tile[:whole].reshape(-1, *factor.shape)
    blocks *= factor
    tile[whole:] *= factor[0]
    return tile
