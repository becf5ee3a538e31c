"""Orders in which samples are exchanged: all of them where they are few, else random ones."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations, product
from math import comb, factorial, prod

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

AT_ONCE = 256  # orders in a block


def random_orders(codes: Ints, count: int, rng: np.random.Generator) -> Ints:
    """Random permutations inside blocks, shape (count, n_samples)."""
    by_block = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    drawn = np.empty((count, len(codes)), dtype=np.int64)
    for end, size in zip(np.cumsum(sizes), sizes.tolist(), strict=True):
        rows = by_block[end - size : end]
        drawn[:, end - size : end] = rows[_shuffled(count, size, rng)]
    return drawn if len(sizes) == 1 else drawn[:, np.argsort(by_block)]


def _shuffled(count: int, size: int, rng: np.random.Generator) -> Ints:
    """``count`` random orders of the numbers below ``size``, one a row.

    Random numbers are sorted with the places in their last bits, 5 times faster than shuffling;
    two that are equal, and would stay in order, come once in a thousand million orders.
    """
    bits = (size - 1).bit_length()
    keys = rng.integers(0, 1 << (63 - bits), size=(count, size))
    keys <<= bits
    keys |= np.arange(size)
    keys.sort(axis=1)
    keys &= (1 << bits) - 1
    return keys


def n_orders(labels: Floats, codes: Ints, columns: Floats) -> int:
    """How many arrangements `all_orders` gives."""
    blocks = _blocks(codes)
    if columns.shape[1]:
        return prod(factorial(len(rows)) for rows in blocks)
    return prod(comb(len(rows), int(labels[rows].sum())) for rows in blocks)


def all_orders(labels: Floats, codes: Ints, columns: Floats) -> Iterator[Ints]:
    """Every arrangement once, shape (up to AT_ONCE, n_samples) at a time.

    Without covariates residuals of one arm are interchangeable, so choices of the cases are
    enough. With samples missing in some features these would not be uniform in each of them.
    """
    blocks = _blocks(codes)
    if columns.shape[1]:
        ways = [[np.array(way) for way in permutations(rows)] for rows in blocks]
    else:
        ways = [_choices(rows, labels) for rows in blocks]
    return _join(blocks, ways, len(codes))


def _blocks(codes: Ints) -> list[Ints]:
    return [np.flatnonzero(codes == code) for code in range(codes.max() + 1)]


def _choices(rows: Ints, labels: Floats) -> list[Ints]:
    """One order of ``rows`` for each choice of the places that the cases take."""
    case = labels[rows] == 1
    found = []
    for chosen in combinations(range(len(rows)), int(case.sum())):
        picked = np.zeros(len(rows), dtype=bool)
        picked[list(chosen)] = True
        order = np.empty(len(rows), dtype=np.int64)
        order[picked], order[~picked] = rows[case], rows[~case]
        found.append(order)
    return found


def _join(blocks: list[Ints], ways: list[list[Ints]], n: int) -> Iterator[Ints]:
    pending = []
    for combination in product(*ways):
        order = np.empty(n, dtype=np.int64)
        for rows, way in zip(blocks, combination, strict=True):
            order[rows] = way
        pending.append(order)
        if len(pending) == AT_ONCE:
            yield np.array(pending)
            pending = []
    if pending:
        yield np.array(pending)
