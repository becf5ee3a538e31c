"""Sums of every feature over every batch, read in tiles that stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.linalg.lapack import dgeqrf, dorgqr

from analysis.stats.tables import refuse_too_large

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Rows = slice | Ints

# A tile and the copy that is made of it fit a core's own cache, and its rows are long enough for
# memory to be read ahead.
_WIDTH, _TILE = 2048, 65_536
_SHORT = 2**15


@dataclass(frozen=True)
class Layout:
    """The design beside the batches.

    ``codes`` (n_samples,) number the batches and ``n`` (n_batches,) counts their samples.
    ``columns`` (n_samples, n_columns) are the covariate columns made orthonormal and free of the
    batches; the upper triangle of ``upper`` @ slopes of the columns as given = slopes of these.
    ``levels`` (n_batches, n_columns) are the batches' means of the columns as given.
    """

    codes: Ints
    n: Ints
    columns: Floats
    upper: Floats
    levels: Floats

    @cached_property
    def order(self) -> Ints:
        """Samples sorted by batch, (n_samples,)."""
        return sorted_by_batch(self.codes, len(self.n))[0]

    @cached_property
    def ends(self) -> Ints:
        """Where each batch starts in ``order``, and the end, (n_batches + 1,)."""
        return _ends(self.n)

    @cached_property
    def left(self) -> Floats:
        """Ones above ``columns``, in ``order``, (1 + n_columns, n_samples)."""
        left = np.ones((1 + self.columns.shape[1], len(self.codes)))
        left[1:] = self.columns.take(self.order, axis=0).T
        return left

    def basis_of(self, batch: int) -> Floats:
        """The columns of ``left`` that belong to a batch."""
        return self.left[:, self.ends[batch] : self.ends[batch + 1]]


@dataclass(frozen=True)
class Moments:
    """Sums over the measured samples of each batch.

    ``cross`` (n_batches, 1 + n_columns, n_features) of the values times ``left``, ``squares``
    (n_batches, n_features) of their squares, and ``products`` (n_batches, 1 + n_columns,
    1 + n_columns, n_features) of ``left`` with itself; the last axis is 1 in ``complete`` data.
    """

    cross: Floats
    squares: Floats
    products: Floats
    complete: bool


def sorted_by_batch(codes: Ints, n_batches: int) -> tuple[Ints, Ints]:
    """Samples in the order of their batches, and where each batch starts there, and the end."""
    # Short integers are sorted by their digits, several times faster.
    short = codes.astype(np.int16) if n_batches < _SHORT else codes
    return np.argsort(short, kind="stable"), _ends(np.bincount(codes, minlength=n_batches))


def _ends(n: Ints) -> Ints:
    ends = np.zeros(len(n) + 1, dtype=np.int64)
    np.cumsum(n, out=ends[1:])
    return ends


def rows_of(order: Ints, ends: Ints) -> list[Rows]:
    """Each batch's rows in the data: a slice where they lie together."""
    rows: list[Rows] = []
    for start, end in pairwise(ends.tolist()):
        own = order[start:end]
        together = end > start and own[-1] - own[0] == end - start - 1
        rows.append(slice(int(own[0]), int(own[-1]) + 1) if together else own)
    return rows


def lay_out(codes: Ints, n_batches: int, columns: Floats) -> Layout:
    """Count the batches and make ``columns`` (n_samples, n_columns) orthonormal inside them."""
    n = np.bincount(codes, minlength=n_batches)
    levels = np.empty((n_batches, columns.shape[1]))
    for number, column in enumerate(columns.T):
        levels[:, number] = np.bincount(codes, weights=column, minlength=n_batches)
    levels /= n[:, None]
    if not columns.shape[1]:
        return Layout(codes, n, columns, np.empty((0, 0)), levels)
    # LAPACK itself: numpy's way to it takes three times as long in a small study.
    reflectors, tau, _, _ = dgeqrf(columns - levels.take(codes, axis=0))
    return Layout(codes, n, dorgqr(reflectors, tau)[0], reflectors[: len(tau)], levels)


def in_one_tile(data: Floats) -> bool:
    """Whether there is so little that it need not be cut."""
    return data.size <= _TILE


def tiles(rows: Rows, n_features: int) -> Iterator[tuple[Rows, slice, slice]]:
    """Pieces of a batch: rows in the data, the same counted within the batch, and features."""
    n = len(rows) if isinstance(rows, np.ndarray) else rows.stop - rows.start
    height = max(_TILE // min(_WIDTH, n_features), 1)
    for start in range(0, n, height):
        end = min(start + height, n)
        if isinstance(rows, np.ndarray):
            part: Rows = rows[start:end]
        else:
            part = slice(rows.start + start, rows.start + end)
        for first in range(0, n_features, _WIDTH):
            yield part, slice(start, end), slice(first, first + _WIDTH)


def fetched(data: Floats, rows: Rows, features: slice, room: Floats) -> Floats:
    """A tile of the data: a view where its rows lie together, otherwise a copy.

    ``room`` (as many numbers as a tile has, at least) is overwritten where it saves time.
    """
    if isinstance(rows, np.ndarray) and in_whole_rows(data):
        # Whole rows are gathered a tenth quicker than parts of rows, and the same memory stays
        # in the cache; no row is out of bounds, and a look for one would take a copy.
        tile = room[: len(rows) * data.shape[1]].reshape(len(rows), -1)
        return data.take(rows, axis=0, out=tile, mode="clip")
    return data[rows, features]


def room_for_a_tile(n_features: int) -> Floats:
    """Memory for one tile after the other."""
    return np.empty(max(_TILE, n_features))


def in_whole_rows(data: Floats) -> bool:
    """Whether a tile is as wide as the data, of which each row lies together."""
    return data.shape[1] <= _WIDTH and data.flags.c_contiguous


def sum_up(data: Floats, layout: Layout) -> Moments:
    """The sums of all batches; values that are not finite make a second reading necessary."""
    # What has no square shows in the sum of squares, and is looked for then alone.
    with np.errstate(over="ignore", invalid="ignore"):
        complete = _sum_complete(data, layout)
    if complete is not None and np.isfinite(complete.squares).all():
        return complete
    finite_or_missing(data)
    return _sum_measured(data, layout)


def finite_or_missing(data: Floats) -> None:
    """Refuse infinite values, and those above 1e150, of which the square would be."""
    height = max(_TILE // data.shape[1], 1)
    for start in range(0, len(data), height):
        refuse_too_large(data[start : start + height], first_row=start)


def _sum_complete(data: Floats, layout: Layout) -> Moments | None:
    n_batches, m = len(layout.n), data.shape[1]
    cross = np.zeros((n_batches, len(layout.left), m))
    squares = np.zeros((n_batches, m))
    products = np.empty((n_batches, len(layout.left), len(layout.left), 1))
    room = room_for_a_tile(m)
    for batch, rows in enumerate(rows_of(layout.order, layout.ends)):
        left = layout.basis_of(batch)
        products[batch, :, :, 0] = left @ left.T
        for part, within, features in tiles(rows, m):
            tile = fetched(data, part, features, room)
            sums = left[:, within] @ tile
            # A value that is missing shows in the sum of its feature; the caller sees them all.
            if within.start == 0 and not np.isfinite(sums[0]).all():
                return None
            cross[batch, :, features] += sums
            # Rows that were gathered are a copy, free to be overwritten.
            tile = np.square(tile, out=tile if isinstance(part, np.ndarray) else None)
            squares[batch, features] += left[0, within] @ tile
    return Moments(cross, squares, products, complete=True)


def _sum_measured(data: Floats, layout: Layout) -> Moments:
    """As in complete data, with a sum of products for every feature."""
    n_batches, m, k = len(layout.n), data.shape[1], len(layout.left)
    cross, squares = np.zeros((n_batches, k, m)), np.zeros((n_batches, m))
    upper = np.triu_indices(k)
    pairs = np.zeros((n_batches, len(upper[0]), m))
    room = room_for_a_tile(m)
    for batch, rows in enumerate(rows_of(layout.order, layout.ends)):
        left = layout.basis_of(batch)
        both = left[upper[0]] * left[upper[1]]
        for part, within, features in tiles(rows, m):
            tile = fetched(data, part, features, room)
            measured = ~np.isnan(tile)
            tile = np.where(measured, tile, 0.0)
            cross[batch, :, features] += left[:, within] @ tile
            pairs[batch, :, features] += both[:, within] @ measured.astype(np.float64)
            squares[batch, features] += left[0, within] @ np.square(tile)
    products = np.empty((n_batches, k, k, m))
    products[:, upper[0], upper[1]] = products[:, upper[1], upper[0]] = pairs
    return Moments(cross, squares, products, complete=False)
