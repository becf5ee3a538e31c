"""Tables of any size as CSV and Parquet: a piece at a time, never the whole in memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.csv as arrow_csv

from cohorts.api import parquet
from cohorts.api.renderers import cell_of
from cohorts.spreadsheets import text_only

FORMATS = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
PLAIN = arrow_csv.WriteOptions(include_header=False, quoting_style="needed")


class Drain(io.RawIOBase):
    """A file that only grows; what was written is taken out and forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self._at += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._at

    def taken(self) -> bytes:
        """Everything since the last call."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def csv_of_records(
    names: Sequence[str], pieces: Iterable[Sequence[Mapping[str, Any]]]
) -> Iterator[bytes]:
    """A line of names, then the rows of each piece; no text cell is a formula."""
    yield csv_lines([names])
    for rows in pieces:
        yield csv_lines([text_only(cell_of(row.get(name))) for name in names] for row in rows)


def csv_lines(rows: Iterable[Iterable[Any]]) -> bytes:
    """Lines as RFC 4180 has them, but ended as the other tables of the API end theirs."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def csv_of_batches(names: Sequence[str], batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """The same of columns: numbers are written by Arrow."""
    yield csv_lines([[text_only(name) for name in names]])
    drain = Drain()
    for batch in batches:
        arrow_csv.write_csv(batch, drain, PLAIN)
        yield drain.taken()


def parquet_of_records(
    schema: pa.Schema, pieces: Iterable[Sequence[Mapping[str, Any]]]
) -> Iterator[bytes]:
    """A row group a piece; what is no number or truth is text."""
    return parquet.stream(schema, (_batch(schema, rows) for rows in pieces if rows))


def _batch(schema: pa.Schema, rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    columns = [
        pa.array([_typed(cell_of(row.get(field.name)), field.type) for row in rows], field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _typed(value: Any, kind: pa.DataType) -> Any:
    return str(value) if value is not None and pa.types.is_string(kind) else value
