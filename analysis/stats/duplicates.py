"""The same person twice: rows whose measured values agree beyond chance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import gammaln

from analysis.stats.errors import UnusableData
from analysis.stats.tables import finite_table, refuse_no_count

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_CHUNK = 256  # rows compared with all others at once
_FEATURES = 64  # numbered at once
# Pairs of rows that common values may put side by side before commoner ones are set aside.
_BUDGET = 50_000_000
# Features compared first, and then: nearly all pairs of different people fall at the first.
_STAGES = (8, 64)
CERTAIN = 0.01


@dataclass(frozen=True)
class Repeat:
    """Two rows, numbered from 0, that agree in the features measured in both.

    ``n_compared`` features are measured in both; ``n_shared`` of them agree, are not zero and
    support the repeat; ``n_differing`` disagree. ``bits`` is the information of the shared ones,
    ``expected_by_chance`` how many pairs of this data set would agree so far if features were
    independent. ``certain`` is False where chance is a fair explanation too: ask the site.
    """

    first: int
    second: int
    n_compared: int
    n_shared: int
    n_differing: int
    bits: float
    expected_by_chance: float

    @property
    def certain(self) -> bool:
        """Whether chance would give less than one such pair in a hundred data sets like this."""
        return self.expected_by_chance < CERTAIN


@dataclass(frozen=True)
class _Values:
    """Values by rank: ``code`` (n_samples, n_features) numbers each feature's distinct values.

    -1 is missing. ``bits`` is the information in agreeing on the value, 0 for zero itself and
    infinite where no other row has it.
    """

    code: npt.NDArray[np.int32]
    bits: Floats


def find_repeats(
    values: npt.ArrayLike,
    *,
    min_shared: int = 4,
    max_chance: float = 1.0,
    max_differing: float = 0.01,
    digits: int = 6,
) -> tuple[Repeat, ...]:
    """Find pairs of rows that agree exactly in the features measured in both.

    Agreeing on a value that a share f of the other rows have carries -log2(f) bits [1]_; a repeat
    carries enough of them that among all pairs fewer than ``max_chance`` such are expected. Zero
    often means "not detected": agreeing on it says nothing, but zero against another value is a
    disagreement. Put age, sex and other facts of the person beside coarse measurements as
    further columns.

    Parameters
    ----------
    values : array of shape (n_samples, n_features)
        NaN is missing. Features joined across cohorts, as reported and not yet harmonised.
    min_shared : int
        Non-zero values that must support a repeat, whatever their information.
    max_chance : float
        Expected number of pairs, among all, that agree so far by chance. Those under 1 are worth
        a question to the site; only a ``certain`` one should change an analysis by itself.
    max_differing : float
        Differing features, as a share of the shared values, that leave a repeat a repeat: two
        of hundreds of features may be joined across cohorts by mistake. With fewer than
        1 / max_differing shared values every feature must agree.
    digits : int
        Significant digits that are compared: files print a number differently.

    Returns
    -------
    tuple of Repeat, in the order of their rows

    Raises
    ------
    UnusableData
        Values that are no table of finite numbers, or a limit that nothing or everything passes.

    References
    ----------
    .. [1] Fellegi and Sunter 1969, doi:10.1080/01621459.1969.10501049
    """
    data = finite_table(values)
    refuse_no_count(min_shared, "Shared values")
    refuse_no_count(digits, "Significant digits")
    if not 0 < max_chance < np.inf or not 0 <= max_differing < 1:
        raise UnusableData(
            f"max_chance {max_chance} must be positive and finite and max_differing "
            f"{max_differing} below 1: without evidence every pair would be a repeat."
        )
    n = len(data)
    if n < 2:
        return ()
    coded = _coded(data, digits)
    n_pairs = n * (n - 1) / 2
    needed = float(np.log2(n_pairs / max_chance))
    found: list[Repeat] = []
    for first, second in _candidates(coded, needed):
        first, second = _agreeing(coded, first, second, int(max_differing * data.shape[1]))
        found.extend(_judged(coded, first, second, n_pairs))
    strong = [
        repeat
        for repeat in found
        if repeat.n_shared >= min_shared
        and repeat.expected_by_chance <= max_chance
        and repeat.n_differing <= max_differing * repeat.n_shared
    ]
    return tuple(sorted(strong, key=lambda repeat: (repeat.first, repeat.second)))


def _rounded(data: Floats, digits: int) -> Floats:
    """Values to significant digits; infinities count as missing."""
    size = np.abs(data)
    usable = np.isfinite(data) & (size > 1e-290)
    exponent = np.floor(np.log10(np.where(usable, size, 1.0)))
    unit = 10.0 ** (exponent - digits + 1)
    rounded = np.where(usable, np.rint(data / unit) * unit, 0.0)
    rounded[~np.isfinite(data)] = np.nan
    return rounded


def _coded(data: Floats, digits: int) -> _Values:
    """Some features at a time: what sorting them takes is several times what they take."""
    code, bits = np.empty(data.shape, dtype=np.int32), np.empty(data.shape)
    for start in range(0, data.shape[1], _FEATURES):
        block = slice(start, start + _FEATURES)
        code[:, block], bits[:, block] = _code_and_bits(_rounded(data[:, block], digits))
    return _Values(code, bits)


def _code_and_bits(data: Floats) -> tuple[npt.NDArray[np.int32], Floats]:
    n = len(data)
    order = np.argsort(data, axis=0)
    ranked = np.take_along_axis(data, order, axis=0)
    fresh = np.zeros(data.shape, dtype=np.int32)
    # Rounding to a decimal unit may differ in the last binary digit.
    fresh[1:] = np.abs(np.diff(ranked, axis=0)) > 1e-12 * np.abs(ranked[1:])
    rank = np.cumsum(fresh, axis=0, dtype=np.int32)
    code = np.empty_like(rank)
    np.put_along_axis(code, order, rank, axis=0)
    missing = np.isnan(data)
    code[missing] = -1
    flat = code + np.arange(data.shape[1]) * np.int64(n)
    count = np.bincount(flat[~missing], minlength=data.size)[np.where(missing, 0, flat)]
    n_measured = (~missing).sum(axis=0)
    with np.errstate(divide="ignore"):
        bits = np.log2(np.maximum(n_measured - 1, 1)) - np.log2(np.maximum(count - 1.0, 0.0))
    bits[missing | (data == 0)] = 0.0
    return code, bits


def _candidates(coded: _Values, needed: float) -> Iterator[tuple[Ints, Ints]]:
    """Pairs of rows that may share ``needed`` bits, a chunk of first rows at a time.

    Rows sharing a value meet in a sparse product, and are credited with all their information in
    features that were set aside: the commonest ones, which cannot make a repeat without another
    feature. Where there would be too many meetings all the same more are set aside; a pair that has
    none of the used features in common is then not found.
    """
    n, m = coded.code.shape
    token = coded.code + np.arange(m) * np.int64(n)
    shared = np.isfinite(coded.bits) & (coded.bits > 0)
    size = np.bincount(token[shared], minlength=n * m).reshape(m, n).astype(np.float64)
    meetings, reached = (size**2).sum(axis=1), size.sum(axis=1)
    cheapest = np.argsort(meetings / np.maximum(reached, 1.0), kind="stable")
    affordable = np.cumsum(meetings[cheapest]) <= _BUDGET
    affordable[0] = True
    used = np.zeros(m, dtype=bool)
    used[cheapest[affordable]] = True
    # Sex and age put nearly everybody beside everybody, and are too little for a repeat: what all
    # of the commonest features together cannot prove need not be met in them.
    commonest = cheapest[::-1]
    most = np.where(shared, coded.bits, 0.0).max(axis=0)[commonest]
    used[commonest[np.cumsum(most) < needed * (1 - 1e-9)]] = False
    if not used.any():
        return
    rare = shared & used
    credit = np.where(shared & ~rare, coded.bits, 0.0).sum(axis=1)
    rows, features = np.nonzero(rare)
    names, columns = np.unique(token[rare], return_inverse=True)
    shape = (n, len(names))
    weighted = sparse.csr_array((coded.bits[rows, features], (rows, columns)), shape=shape)
    plain = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=shape).T.tocsr()
    for start in range(0, n, _CHUNK):
        met = (weighted[start : start + _CHUNK] @ plain).tocoo()
        first, second = met.coords[0] + start, met.coords[1]
        common = np.minimum(credit[first], credit[second])
        enough = (first < second) & (met.data + common >= needed)
        yield first[enough].astype(np.int64), second[enough].astype(np.int64)


def _agreeing(coded: _Values, first: Ints, second: Ints, allowed: int) -> tuple[Ints, Ints]:
    """The pairs that agree in all features measured in both, but for ``allowed`` ones."""
    m = coded.code.shape[1]
    # Features with the most distinct values part two people soonest.
    order = np.argsort(-coded.code.max(axis=0), kind="stable")
    edges = [0, *(stage + 2 * allowed for stage in _STAGES if stage + 2 * allowed < m), m]
    differing = np.zeros(len(first), dtype=np.int64)
    for begin, end in pairwise(edges):
        if not len(first):
            break
        block = np.ascontiguousarray(coded.code[:, order[begin:end]])
        for start in range(0, len(first), 65_536):
            part = slice(start, start + 65_536)
            one, other = block[first[part]], block[second[part]]
            differing[part] += ((one != other) & (one >= 0) & (other >= 0)).sum(axis=1)
        keep = differing <= allowed
        first, second, differing = first[keep], second[keep], differing[keep]
    return first, second


def _judged(coded: _Values, first: Ints, second: Ints, n_pairs: float) -> Iterator[Repeat]:
    for one, other in zip(first, second, strict=True):
        both = (coded.code[one] >= 0) & (coded.code[other] >= 0)
        same = both & (coded.code[one] == coded.code[other])
        n_compared, n_differing = int(both.sum()), int((both & ~same).sum())
        bits = float(coded.bits[one, same].sum())
        # Any of the features might have been the ones that differ.
        log_ways = (
            gammaln(n_compared + 1) - gammaln(n_differing + 1) - gammaln(same.sum() + 1)
        ) / np.log(2)
        yield Repeat(
            first=int(one),
            second=int(other),
            n_compared=n_compared,
            n_shared=int((same & (coded.bits[one] > 0)).sum()),
            n_differing=n_differing,
            bits=bits,
            expected_by_chance=float(n_pairs * 2.0 ** (log_ways - bits)),
        )
