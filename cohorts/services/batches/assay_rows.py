"""A batch's columns and rows of packed values into the database as they are: no text between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any

from django.db import connection, models
from psycopg import Copy

from cohorts.ingest.assays import AssayColumn, AssayRowHead
from cohorts.models import AssayRow, BatchFeature

_COLUMNS = {
    "batch_id": "int8",
    "position": "int4",
    "feature_id": "int8",
    "source_name": "varchar",
    "unit": "varchar",
    "factor": "float8",
    "lod": "float8",
}
_ROWS = {
    "batch_id": "int8",
    "sample_id": "int8",
    "label": "varchar",
    "sample_type": "varchar",
    "injection_order": "int4",
    "packed_values": "bytea",
    "packed_flags": "bytea",
}
Packed = tuple[AssayRowHead, int | None, bytes, bytes]


def copy_columns(batch_id: int, columns: Iterable[tuple[AssayColumn, int]]) -> None:
    """Append columns, each with its feature's id, in their order; inside the caller's transaction.

    Constraints hold as for any row, and a broken one raises IntegrityError.
    """
    _copy(
        BatchFeature,
        _COLUMNS,
        (
            (
                batch_id,
                position,
                feature,
                column.source_name,
                column.unit,
                column.factor,
                column.lod,
            )
            for position, (column, feature) in enumerate(columns)
        ),
    )


def copy_in(batch_id: int, rows: Iterable[Packed]) -> None:
    """Append rows of (head, sample id, values, flags) to a batch, as `copy_columns` does."""
    with copying() as copy:
        for head, sample_id, values, flags in rows:
            copy.write_row(
                (
                    batch_id,
                    sample_id,
                    head.label,
                    head.sample_type,
                    head.injection_order,
                    values,
                    flags,
                )
            )


@cache
def key_to_samples() -> str:
    """The quoted name of the constraint that holds a row to its sample, as migrations made it."""
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, AssayRow._meta.db_table)
    [name] = [name for name, facts in found.items() if _is_key(facts, "sample_id")]
    return connection.ops.quote_name(name)


def _is_key(facts: Mapping[str, Any], column: str) -> bool:
    return facts["foreign_key"] is not None and facts["columns"] == [column]


def copying() -> AbstractContextManager[Copy]:
    """Takes rows of (batch id, sample id, label, type, injection order, values, flags).

    No other statement runs until it ends; a broken constraint raises IntegrityError then.
    """
    return _copying(AssayRow, _ROWS)


def _copy(model: type[models.Model], types: dict[str, str], rows: Iterable[Sequence[Any]]) -> None:
    with _copying(model, types) as copy:
        for row in rows:
            copy.write_row(row)


@contextmanager
def _copying(model: type[models.Model], types: dict[str, str]) -> Iterator[Copy]:
    connection.ensure_connection()
    # A statement would carry every value as text of twice its length; COPY takes the bytes.
    command = f"COPY {model._meta.db_table} ({', '.join(types)}) FROM STDIN (FORMAT binary)"
    with (
        connection.wrap_database_errors,
        connection.connection.cursor() as cursor,
        cursor.copy(command) as copy,
    ):
        copy.set_types(list(types.values()))
        yield copy
