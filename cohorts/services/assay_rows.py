"""Rows of packed values, into the database and out of it as they are: no text in between."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection

from cohorts.ingest.assays import AssayRowHead
from cohorts.models import AssayRow

COLUMNS = {
    "batch_id": "int8",
    "sample_id": "int8",
    "label": "varchar",
    "sample_type": "varchar",
    "injection_order": "int4",
    "packed_values": "bytea",
    "packed_flags": "bytea",
}
Packed = tuple[AssayRowHead, int | None, bytes, bytes]


def copy_in(batch_id: int, rows: Iterable[Packed]) -> None:
    """Append rows of (head, sample id, values, flags) to a batch; inside the caller's transaction.

    Constraints hold as for any row, and a broken one raises IntegrityError.
    """
    table = AssayRow._meta.db_table
    connection.ensure_connection()
    # A statement would carry every value as text of twice its length; COPY takes the bytes.
    command = f"COPY {table} ({', '.join(COLUMNS)}) FROM STDIN (FORMAT binary)"
    with (
        connection.wrap_database_errors,
        connection.connection.cursor() as cursor,
        cursor.copy(command) as copy,
    ):
        copy.set_types(list(COLUMNS.values()))
        for head, sample_id, values, flags in rows:
            said = (head.label, head.sample_type, head.injection_order)
            copy.write_row((batch_id, sample_id, *said, values, flags))
