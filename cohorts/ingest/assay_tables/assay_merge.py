"""A batch on the books with the cells of a table sent again put in, and what differs."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cohorts.ingest.assay_tables.assay_batches import CheckedBatch
from cohorts.ingest.assay_tables.values import BELOW_LOD, EXCLUDED, MISSING
from cohorts.ingest.assays import AssayColumn, AssayRowHead
from cohorts.ingest.comparison import MAX_CELLS_TOLD, CellChange, Preview, as_shown
from cohorts.ingest.report import Fault
from cohorts.language.sentences import say

HeadKey = tuple[str, str, int | None, int]


class Tally:
    """Counts rows and cells while batch after batch is gone through."""

    def __init__(self) -> None:
        self.new = self.changed = self.unchanged = self.n_cells = 0
        self.cells: list[CellChange] = []
        self.faults: list[Fault] = []
        self._hash = hashlib.sha256()

    def add(self, cells: Sequence[CellChange], n_cells: int, digest: bytes) -> None:
        self.cells += cells[: MAX_CELLS_TOLD - len(self.cells)]
        self.n_cells += n_cells
        self._hash.update(digest)

    def preview(self) -> Preview:
        self._hash.update(f"{self.new} {self.changed} {self.n_cells}".encode())
        digest = self._hash.hexdigest()
        return Preview(
            self.new, self.changed, self.unchanged, self.n_cells, tuple(self.cells), digest
        )


@dataclass(frozen=True)
class Merged:
    """``taken`` are the rows of the table that this batch has now; ``differs`` from before."""

    batch: CheckedBatch
    taken: frozenset[int]
    differs: bool
    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class _Fit:
    """Rows (old, sent) of one sample each, rows that join, and each sent column's place."""

    pairs: tuple[tuple[int, int], ...]
    joining: tuple[int, ...]
    places: tuple[int, ...]
    columns: tuple[AssayColumn, ...]


def merge(old: CheckedBatch, sent: CheckedBatch, tally: Tally, *, joins: bool) -> Merged:
    """Put the cells of ``sent`` into ``old``; rows that ``old`` lacks are added where ``joins``.

    Rows and columns that the table does not have stay as they are.
    """
    fit = _fit(old, sent, joins=joins)
    values, flags = _widened(old, fit)
    before = [pair[0] for pair in fit.pairs]
    after = [pair[1] for pair in fit.pairs]
    at = np.ix_(before, fit.places)
    differs = _differences(
        values[at], flags[at], sent.values[after], sent.flags[after], _new_units(old, sent, fit)
    )
    _count(old, sent, fit, differs, tally)
    values[at], flags[at] = sent.values[after], sent.flags[after]
    joined = np.ix_(range(len(old.rows), len(values)), fit.places)
    values[joined] = sent.values[list(fit.joining)]
    flags[joined] = sent.flags[list(fit.joining)]
    heads = (*old.rows, *(sent.rows[i] for i in fit.joining))
    return Merged(
        CheckedBatch(old.label, _columns(old, sent, fit), heads, values, flags),
        frozenset(after) | frozenset(fit.joining),
        bool(differs.any()) or bool(fit.joining),
        tuple(_mixed_units(old, sent, fit)),
    )


def _fit(old: CheckedBatch, sent: CheckedBatch, *, joins: bool) -> _Fit:
    place = {key: i for i, key in enumerate(_keys(old.rows))}
    found = [(place.get(key), i) for i, key in enumerate(_keys(sent.rows))]
    columns = list(old.features)
    named = {name_of(column): j for j, column in enumerate(columns)}
    places = []
    for column in sent.features:
        if name_of(column) not in named:
            named[name_of(column)] = len(columns)
            columns.append(column)
        places.append(named[name_of(column)])
    return _Fit(
        tuple((i, k) for i, k in found if i is not None),
        tuple(k for i, k in found if i is None) if joins else (),
        tuple(places),
        tuple(columns),
    )


def _keys(heads: Sequence[AssayRowHead]) -> Iterator[HeadKey]:
    """A study sample is itself; the second pool of one name and place is the second."""
    seen: Counter[tuple[str, str, int | None]] = Counter()
    for head in heads:
        if head.sample is not None:
            yield head.sample_type, head.sample, None, 0
            continue
        key = (head.sample_type, head.label, head.injection_order)
        seen[key] += 1
        yield *key, seen[key]


def name_of(column: AssayColumn) -> str:
    """The feature that a column is stored under; of a name that is new, that name."""
    return column.feature.name if column.feature else column.source_name


def _widened(old: CheckedBatch, fit: _Fit) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    shape = (len(old.rows) + len(fit.joining), len(fit.columns))
    values, flags = np.full(shape, np.nan), np.full(shape, MISSING, dtype=np.uint8)
    n_rows, n_columns = old.values.shape
    values[:n_rows, :n_columns], flags[:n_rows, :n_columns] = old.values, old.flags
    return values, flags


def _new_units(old: CheckedBatch, sent: CheckedBatch, fit: _Fit) -> NDArray[np.bool_]:
    """Whether a sent column has another unit than on the books."""
    return np.array(
        [
            place < len(old.features) and old.features[place].unit != column.unit
            for place, column in zip(fit.places, sent.features, strict=True)
        ],
        dtype=bool,
    )


def _differences(
    values: NDArray[np.float64],
    flags: NDArray[np.uint8],
    new_values: NDArray[np.float64],
    new_flags: NDArray[np.uint8],
    new_units: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    same = (values == new_values) | (np.isnan(values) & np.isnan(new_values))
    differs: NDArray[np.bool_] = (flags != new_flags) | ~same
    differs |= new_units & (new_flags != MISSING)
    return differs


def _count(
    old: CheckedBatch, sent: CheckedBatch, fit: _Fit, differs: NDArray[np.bool_], tally: Tally
) -> None:
    changed = differs.any(axis=1)
    tally.changed += int(changed.sum())
    tally.unchanged += int((~changed).sum())
    tally.new += len(fit.joining)
    new_units = _new_units(old, sent, fit)
    cells = []
    for i, k in np.argwhere(differs)[:MAX_CELLS_TOLD].tolist():
        at, row = fit.pairs[i]
        place, column = fit.places[k], sent.features[k]
        known = place < len(old.features)
        before = _cell(old.values[at, place], old.flags[at, place]) if known else ""
        after = _cell(sent.values[row, k], sent.flags[row, k])
        if new_units[k]:
            before = f"{before} {old.features[place].unit}" if before else ""
            after = f"{after} {column.unit}" if after else ""
        head = sent.rows[row]
        cells.append(CellChange(head.row, head.label, column.source_name, before, after))
    after_rows = [pair[1] for pair in fit.pairs]
    digest = hashlib.sha256(differs.tobytes())
    digest.update(sent.values[after_rows][differs].tobytes())
    digest.update(old.values.tobytes())
    tally.add(cells, int(differs.sum()), digest.digest())


def _cell(value: float, flag: int) -> str:
    """A value as an assay table writes it."""
    if flag == MISSING:
        return ""
    if flag == EXCLUDED:
        return "excluded"
    if flag == BELOW_LOD:
        return "<LOD" if np.isnan(value) else f"<{as_shown(float(value))}"
    return as_shown(float(value))


def _columns(old: CheckedBatch, sent: CheckedBatch, fit: _Fit) -> tuple[AssayColumn, ...]:
    columns = list(fit.columns)
    for place, column in zip(fit.places, sent.features, strict=True):
        if place < len(old.features):
            limits = [lod for lod in (old.features[place].lod, column.lod) if lod is not None]
            same = old.features[place].unit == column.unit
            lod = max(limits, default=None) if same else column.lod
            columns[place] = replace(column, lod=lod)
    return tuple(columns)


def _mixed_units(old: CheckedBatch, sent: CheckedBatch, fit: _Fit) -> Iterator[Fault]:
    """A new unit holds for the whole column: every value of the batch must be sent with it."""
    left = sorted(set(range(len(old.rows))) - {i for i, _ in fit.pairs})
    for k in np.flatnonzero(_new_units(old, sent, fit)).tolist():
        place, column = fit.places[k], sent.features[k]
        n = int((old.flags[left, place] != MISSING).sum())
        if n:
            yield Fault(
                None,
                column.source_name,
                "unit_of_a_part",
                say(
                    'the batch has it in "%(unit)s" and this table in "%(sent)s", but '
                    "%(n)s of its rows are not in this table; send them all, or keep the "
                    "unit.",
                    unit=old.features[place].unit,
                    sent=column.unit,
                    n=n,
                ),
            )
