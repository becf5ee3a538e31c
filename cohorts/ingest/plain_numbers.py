"""The columns of a plain CSV that hold numbers alone, block by block, and never as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from cohorts.ingest.plain_csv import (
    convert_options,
    n_line_ends,
    parse_options,
    plain_header,
    text_frame,
)

MAX_CELLS = 20_000_000
# A block's cells must not be many more than its columns, and whoever is told of its rows should
# have some to begin with.
_BLOCK = 2 << 20
# What a float rounds to 0 has a negative exponent, or so many noughts.
_TINY = (b"e-", b"E-", b"0" * 300)


@dataclass(frozen=True)
class PlainNumbers:
    """Columns of plain finite numbers and gaps (NaN): ``values`` of shape (n rows, n names)."""

    names: tuple[str, ...]
    values: NDArray[np.float64]


def _new_room(n_rows: int, n_columns: int) -> NDArray[np.float64]:
    return np.empty((n_rows, n_columns))


@dataclass(frozen=True)
class AsNumbers:
    """That all columns but those which ``text_name`` names may be read as numbers at once.

    ``room`` gives the memory for the values of so many rows and columns. ``tell`` gets the text
    columns of each block of rows whose values are there, before it is known whether what follows
    can be read so: then they count for nothing.
    """

    text_name: Callable[[str], str]
    room: Callable[[int, int], NDArray[np.float64]] = _new_room
    tell: Callable[[pa.RecordBatch], None] = lambda _rows: None


def read_numbers(
    content: bytes, delimiter: str, how: AsNumbers
) -> tuple[pd.DataFrame, PlainNumbers] | None:
    """As `read_plain`, but for the columns of numbers.

    None where any of their cells is not a plain number or empty: that way names what it is.
    """
    header = plain_header(content, delimiter)
    told = [name for name in header if how.text_name(name)]
    numeric = tuple(name for name in header if not how.text_name(name))
    # The first column tells blank rows, and a comma in a text would be somebody's decimal one.
    if not told or told[0] != header[0] or not numeric or (delimiter != "," and b"," in content):
        return None
    n_rows = n_line_ends(content) - content.endswith(b"\n")
    if not 0 < n_rows * len(header) <= min(MAX_CELLS, len(content)):
        return None
    values = how.room(n_rows, len(numeric))
    types = dict.fromkeys(numeric, pa.float64()) | dict.fromkeys(told, pa.large_string())
    texts, at = [], 0
    for block in _blocks(content, delimiter, header, types):
        rows = values[at : at + block.num_rows]
        if len(rows) < block.num_rows or not _fill(rows, block.select(numeric), content):
            return None
        texts.append(block.select(told))
        if "" in texts[-1].column(0).unique().to_pylist():
            return None  # a row of empty cells is no row, but counts
        at += len(rows)
        how.tell(texts[-1])
    if at < n_rows:
        return None
    return text_frame(pa.Table.from_batches(texts), told), PlainNumbers(numeric, values)


def _blocks(
    content: bytes, delimiter: str, header: list[str], types: Mapping[str, pa.DataType]
) -> Iterator[pa.RecordBatch]:
    """Rows as far as they are plain: fewer than there are where one has another width or a word.

    Arrow's own stream of blocks reads two ahead of the one that it gives, each here is read alone.
    """
    whole, at = pa.py_buffer(content), content.index(b"\n") + 1
    while at < len(content):
        end = _end_of_row(content, at + max(_BLOCK, len(content) // 16))
        try:
            read = arrow_csv.read_csv(
                pa.BufferReader(whole.slice(at, end - at)),
                read_options=arrow_csv.ReadOptions(
                    use_threads=False, block_size=2 * (end - at), column_names=header
                ),
                parse_options=parse_options(delimiter),
                convert_options=convert_options(types),
            )
        except pa.ArrowInvalid:
            return  # the slow way says which row or cell
        yield from read.to_batches()
        at = end


def _end_of_row(content: bytes, at: int) -> int:
    """Behind the row that ``at`` is in."""
    end = content.find(b"\n", at)
    return len(content) if end < 0 else end + 1


def _fill(rows: NDArray[np.float64], block: pa.RecordBatch, content: bytes) -> bool:
    """Put a block's columns into rows; False where a cell is no plain number.

    Block by block, what is written is still in the cache when it is looked at.
    """
    rows[:] = block.to_tensor(null_to_nan=True, row_major=True).to_numpy()
    # Arrow reads "nan" and "inf" too, and those are words.
    n_odd = rows.size - np.count_nonzero(np.isfinite(rows))
    if n_odd > 0 and n_odd > sum(column.null_count for column in block.columns):
        return False
    return not ((rows == 0).any() and any(mark in content for mark in _TINY))
