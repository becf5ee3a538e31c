"""A Parquet file as a stream whose size costs no memory.

What a Parquet file says of each column of each group of rows stands at its end. Its usual writers
hold that until then, 1 kB for each: with a thousand columns they grow by a tenth of what they send.
Here each group is written as a small file of its own; its rows are sent on, and what is to be said
of them, 40 bytes a column, waits in a file on disk.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cohorts.api import thrift

MAGIC = b"PAR1"
TAIL_BYTES = 8  # the length of the footer, and the magic word again
WAITING_BYTES = 1 << 20  # in memory, before it goes to disk
PIECE_BYTES = 1 << 18
# As little as can be is said of each column of a group.
PLAIN = {"compression": "zstd", "use_dictionary": False, "write_statistics": False}
# Fields of parquet.thrift: of the file, of a group of rows, of a column in it.
N_ROWS, GROUPS = 3, 4
COLUMNS, SIZE, GROUP_ROWS, SIZE_SENT = 1, 2, 3, 6
COLUMN_OFFSET, COLUMN_DATA = 2, 3
KIND_AND_NAME = (1, 2, 3, 4)  # type, encodings, path, codec: alike in every group
N_VALUES, COLUMN_SIZE, COLUMN_SENT, PAGES_AT = 5, 6, 7, 9


def stream(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """The file piece by piece, a row group a batch."""
    at, n_rows, n_groups = len(MAGIC), 0, 0
    alike: list[bytes] = []
    empty, _ = _file(schema.empty_table())
    yield MAGIC
    with tempfile.SpooledTemporaryFile(WAITING_BYTES) as waiting:
        for batch in (each for each in batches if each.num_rows):
            file, facts = _file(pa.Table.from_batches([batch], schema))
            alike = alike or _alike(file)
            waiting.write(_group(facts.row_group(0), alike, at - len(MAGIC)))
            rows = file[len(MAGIC) : _end_of_rows(file)]
            at, n_rows, n_groups = at + len(rows), n_rows + batch.num_rows, n_groups + 1
            yield rows.tobytes()
        yield from _footer(_footer_of(empty), n_rows, n_groups, waiting)


def _file(table: pa.Table) -> tuple[memoryview, Any]:
    """A file of one group, and what Arrow says of it."""
    buffer = io.BytesIO()
    facts: list[Any] = []
    size = max(1, table.num_rows)
    pq.write_table(table, buffer, row_group_size=size, metadata_collector=facts, **PLAIN)
    return buffer.getbuffer(), facts[0]


def _end_of_rows(file: memoryview) -> int:
    return len(file) - TAIL_BYTES - int.from_bytes(file[-TAIL_BYTES:-4], "little")


def _footer_of(file: memoryview) -> thrift.Fields:
    return thrift.Reader(file[_end_of_rows(file) : -TAIL_BYTES].tobytes()).struct()


def _field(fields: thrift.Fields, wanted: int) -> Any:
    return next(value for field, _, value in fields if field == wanted)


def _alike(file: memoryview) -> list[bytes]:
    """Of each column what every group says of it, up to its numbers."""
    (group,) = _field(_footer_of(file), GROUPS)[1]
    columns = (_field(column, COLUMN_DATA) for column in _field(group, COLUMNS)[1])
    kinds = ([field for field in column if field[0] in KIND_AND_NAME] for column in columns)
    head = thrift.struct([[COLUMN_OFFSET, thrift.I64, 0]])[:-1]
    head += thrift.field_head(COLUMN_OFFSET, COLUMN_DATA, thrift.STRUCT)
    return [head + thrift.struct(kind)[:-1] for kind in kinds]


def _group(facts: Any, alike: list[bytes], moved: int) -> bytes:
    """A group of rows whose places are moved by so many bytes."""
    out = [
        thrift.field_head(0, COLUMNS, thrift.LIST),
        thrift.list_head(thrift.STRUCT, len(alike)),
    ]
    sent = 0
    for number, kind in enumerate(alike):
        column = facts.column(number)
        n_bytes = column.total_compressed_size
        sent += n_bytes
        numbers = (
            (N_VALUES, column.num_values),
            (COLUMN_SIZE, column.total_uncompressed_size),
            (COLUMN_SENT, n_bytes),
            (PAGES_AT, column.data_page_offset + moved),
        )
        out += [kind, thrift.numbers(KIND_AND_NAME[-1], numbers), b"\0\0"]
    rest = ((SIZE, facts.total_byte_size), (GROUP_ROWS, facts.num_rows), (SIZE_SENT, sent))
    return b"".join([*out, thrift.numbers(COLUMNS, rest), b"\0"])


def _footer(first: thrift.Fields, n_rows: int, n_groups: int, waiting: Any) -> Iterator[bytes]:
    before = [field for field in first if field[0] < N_ROWS]
    after = [field for field in first if field[0] > GROUPS]
    head = thrift.struct([*before, [N_ROWS, thrift.I64, n_rows]])[:-1]
    head += thrift.field_head(N_ROWS, GROUPS, thrift.LIST)
    head += thrift.list_head(thrift.STRUCT, n_groups)
    # The fields after the groups count on from them.
    rest = thrift.struct([[GROUPS, thrift.TRUE, True], *after])[1:]
    size = len(head) + waiting.tell() + len(rest)
    yield head
    waiting.seek(0)
    while piece := waiting.read(PIECE_BYTES):
        yield piece
    yield rest + size.to_bytes(4, "little") + MAGIC
