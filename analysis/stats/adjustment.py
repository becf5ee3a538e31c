"""Last step of ComBat: every batch's values brought to its line, in tiles that fit the cache."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest
from math import isfinite

import numpy as np
import numpy.typing as npt
from scipy.linalg.blas import dgemm

from analysis.stats.moments import (
    Rows,
    fetched,
    finite_or_missing,
    in_one_tile,
    in_whole_rows,
    room_for_a_tile,
    rows_of,
    sorted_by_batch,
    tiles,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

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
    room = room_for_a_tile(data.shape[1])
    for batch, part, within, features in _order_of_tiles(data, rows, columns, lines):
        tile = _scaled(data, part, features, batch.factors[:, features], room)
        # In place: BLAS adds its product to the tile while this is in the cache.
        line, own = batch.line[:, features].T, batch.own[within].T
        dgemm(1.0, line, own, 1.0, tile.T, overwrite_c=True)
        flat = tile.ravel()
        total += float(flat @ flat)
        adjusted[part, features] = tile
    return adjusted, total


@dataclass(frozen=True)
class _Batch:
    """What the tiles of a batch are multiplied with.

    ``own`` (n_samples of the batch, 1 + n_columns) times ``line`` (1 + n_columns, n_features) is
    added to them; ``factors`` (_REPEATED, n_features) are the same in every row.
    """

    own: Floats
    line: Floats
    factors: Floats


Tile = tuple[_Batch, Rows, slice, slice]


def _order_of_tiles(
    data: Floats, rows: list[Rows], columns: Floats, lines: Lines
) -> Iterable[Tile]:
    """Batch after batch; where their rows are mixed, one tile of each in turn.

    Tiles that lie side by side then follow each other, and what one writes to is still in the
    cache from its neighbour.
    """
    by_batch = [
        _tiles_of(number, mine, data.shape[1], columns, lines) for number, mine in enumerate(rows)
    ]
    if in_whole_rows(data) and any(isinstance(mine, np.ndarray) for mine in rows):
        return (one for turn in zip_longest(*by_batch) for one in turn if one is not None)
    return chain.from_iterable(by_batch)


def _tiles_of(
    number: int, rows: Rows, n_features: int, columns: Floats, lines: Lines
) -> Iterator[Tile]:
    own = np.ones((len(columns[rows]), 1 + columns.shape[1]))
    own[:, 1:] = columns[rows]
    factors = np.repeat(lines.inverse[number][None], _REPEATED, axis=0)
    batch = _Batch(own, lines.of_batch(number), factors)
    for part, within, features in tiles(rows, n_features):
        yield batch, part, within, features


def _scaled(data: Floats, part: Rows, features: slice, factor: Floats, room: Floats) -> Floats:
    """A tile times its factors, not in the data's own memory."""
    if isinstance(part, slice):
        scaled: Floats = np.multiply(data[part, features], factor[0], order="C")
        return scaled
    tile = fetched(data, part, features, room)
    whole = len(tile) - len(tile) % _REPEATED
    blocks = tile[:whole].reshape(-1, *factor.shape)
    blocks *= factor
    tile[whole:] *= factor[0]
    return tile
