"""The columns of a spreadsheet that hold numbers alone: as the numbers that they are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohorts.ingest.plain_numbers import MAX_CELLS, AsNumbers, PlainNumbers
from cohorts.ingest.sheets.workbook import Cell, as_text

_NUMBERS = {float, int}


def numbers_of(
    rows: Sequence[Sequence[Cell]], how: AsNumbers
) -> tuple[pd.DataFrame, PlainNumbers] | None:
    """As `plain_numbers.read_numbers`, of the cells of a sheet.

    None where a cell of these columns is neither a number nor empty, or where header or rows are
    not plain: as texts they are told what is wrong with them.
    """
    header = _plain_header(rows)
    told = [j for j, name in enumerate(header) if how.text_name(name)]
    numeric = [j for j, name in enumerate(header) if not how.text_name(name)]
    # As there, the first column tells blank rows.
    if not told or told[0] != 0 or not numeric or not 1 < len(rows) <= MAX_CELLS // len(header):
        return None
    texts = [[as_text(row[j]).strip() for j in told] for row in rows[1:]]
    if not all(cells[0] for cells in texts):
        return None
    values = np.empty((len(rows) - 1, len(numeric)))
    for row, room in zip(rows[1:], values, strict=True):
        if len(row) != len(header) or not _fill(room, [row[j] for j in numeric]):
            return None
    index = pd.RangeIndex(2, len(rows) + 1, name="row")
    names = [header[j] for j in told]
    columns = zip(*texts, strict=True)
    frame = pd.DataFrame(
        {name: pd.array(cells, dtype="str") for name, cells in zip(names, columns, strict=True)},
        index=index,
    )
    return frame, PlainNumbers(tuple(header[j] for j in numeric), values)


def _plain_header(rows: Sequence[Sequence[Cell]]) -> list[str]:
    header = [cell for cell in rows[0] if isinstance(cell, str)] if rows else []
    is_plain = all(0 < len(name) <= 200 and name == name.strip() for name in header)
    return header if is_plain and len(set(header)) == len(header) == len(rows[0]) else []


def _fill(room: NDArray[np.float64], cells: list[Cell]) -> bool:
    """Put a row's numbers and gaps (NaN) in; False where a cell is something else."""
    kinds = set(map(type, cells))
    n_gaps = 0
    if not kinds <= _NUMBERS:
        if not kinds <= {*_NUMBERS, str} or any(type(cell) is str and cell for cell in cells):
            return False
        n_gaps = sum(type(cell) is str for cell in cells)
        cells = [math.nan if type(cell) is str else cell for cell in cells]
    room[:] = np.array(cells, np.float64)
    room += 0.0  # a negative nought is nought
    # A spreadsheet has no other way to write them, but a file may hold "nan" and "inf".
    return bool(np.count_nonzero(np.isfinite(room)) == len(room) - n_gaps)
