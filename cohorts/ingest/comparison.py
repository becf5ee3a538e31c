"""A checked table beside the books: which rows are new, which are changed, and in which cells."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

MAX_CELLS_TOLD = 1_000
"""More differences than this nobody reads: they are counted, and the first ones shown."""


@dataclass(frozen=True)
class CellChange:
    """One cell that would change; ``record`` is the code of what it belongs to."""

    row: int
    record: str
    column: str
    earlier: str
    new: str

    def as_dict(self) -> dict[str, object]:
        return {
            "row": self.row,
            "record": self.record,
            "column": self.column,
            "earlier": self.earlier,
            "new": self.new,
        }


@dataclass(frozen=True)
class Preview:
    """What accepting a table would do, in rows; ``cells`` are the first of ``n_cells``.

    ``digest`` is of every difference: two previews with one digest do the same.
    """

    new: int
    changed: int
    unchanged: int
    n_cells: int = 0
    cells: tuple[CellChange, ...] = ()
    digest: str = ""

    def as_dict(self) -> dict[str, object]:
        return {
            "new": self.new,
            "changed": self.changed,
            "unchanged": self.unchanged,
            "n_cells": self.n_cells,
            "cells": [cell.as_dict() for cell in self.cells[:MAX_CELLS_TOLD]],
            "digest": self.digest,
        }


@dataclass(frozen=True)
class SentRecord:
    """A row of a table as comparable cells: ``key`` finds its record, ``record`` names it."""

    row: int
    key: Hashable
    record: str
    cells: Mapping[str, Any]


@dataclass(frozen=True)
class Comparison:
    """``new`` and ``changed`` hold rows of the file; ``changed`` with the cells that differ."""

    new: frozenset[int] = frozenset()
    changed: Mapping[int, tuple[CellChange, ...]] = field(default_factory=dict)
    unchanged: frozenset[int] = frozenset()

    @property
    def preview(self) -> Preview:
        cells = tuple(cell for changes in self.changed.values() for cell in changes)
        told = [sorted(self.new), [cell.as_dict() for cell in cells]]
        return Preview(
            new=len(self.new),
            changed=len(self.changed),
            unchanged=len(self.unchanged),
            n_cells=len(cells),
            cells=cells[:MAX_CELLS_TOLD],
            digest=hashlib.sha256(json.dumps(told).encode()).hexdigest(),
        )


def compare(
    sent: Sequence[SentRecord], standing: Mapping[Hashable, Mapping[str, Any]]
) -> Comparison:
    """Put each row beside its record. Only cells that the table has are compared."""
    new, unchanged = set(), set()
    changed: dict[int, tuple[CellChange, ...]] = {}
    for each in sent:
        record = standing.get(each.key)
        if record is None:
            new.add(each.row)
            continue
        cells = tuple(
            CellChange(each.row, each.record, name, as_shown(record.get(name)), as_shown(value))
            for name, value in each.cells.items()
            if record.get(name) != value
        )
        if cells:
            changed[each.row] = cells
        else:
            unchanged.add(each.row)
    return Comparison(frozenset(new), changed, frozenset(unchanged))


def as_shown(value: Any) -> str:
    """A value as a table writes it; nothing for an empty cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="minutes")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
