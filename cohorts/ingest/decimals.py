"""Numbers with a decimal comma: read as such where the whole table writes them so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from cohorts.ingest.reading import Table
from cohorts.language.sentences import say

_COMMA = re.compile(r"<?\s*[+-]?[0-9]+,[0-9]+(?:[eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"<?\s*[+-]?[0-9]+|<?\s*[A-Za-z./#]+")
_POINT = re.compile(r"<?\s*[+-]?[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?")
_THOUSANDS = re.compile(r"<?\s*[+-]?[1-9][0-9]{0,2},[0-9]{3}")


def with_decimal_points(table: Table) -> Table:
    """The table with points for decimal commas; untouched where that is not certain.

    Certain is: some numbers have a comma, none has a point, and the commas are not all where a
    separator of thousands would stand.
    """
    if not any(table.frame[name].str.contains(",", regex=False).any() for name in table.columns):
        return table
    columns = {name: table.frame[name].tolist() for name in table.columns}
    commas = [name for name, cells in columns.items() if _has_commas(cells)]
    if not commas:
        return table
    told = [cell for name in commas for cell in columns[name] if _COMMA.fullmatch(cell)]
    points = any(_POINT.fullmatch(cell) for cells in columns.values() for cell in cells)
    if points or all(_THOUSANDS.fullmatch(cell) for cell in told):
        return table
    frame = table.frame.copy(deep=False)
    for name in commas:
        frame[name] = frame[name].str.replace(",", ".", regex=False)
    return replace(table, frame=frame, note=_note())


def _note() -> str:
    return say("Numbers have a decimal comma: 1,5 was read as 1.5.")


def _has_commas(cells: Sequence[str]) -> bool:
    if not any("," in cell for cell in cells):
        return False
    return all(not cell or _COMMA.fullmatch(cell) or _WHOLE.fullmatch(cell) for cell in cells)
