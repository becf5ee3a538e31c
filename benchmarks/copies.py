"""A row, and many like it, made by the database itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, models, transaction

from cohorts.models import EVENTS


@contextmanager
def written_at_once(written: Iterable[type[models.Model]]) -> Iterator[None]:
    """Keys are checked a statement at a time, and no history is kept of rows that nobody wrote."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        tables = [model._meta.db_table for model in written]
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def many(first: models.Model, n: int, **expressions: str) -> Any:
    """Store a row, and ``n - 1`` like it but for SQL of the number ``n``; the first one's key."""
    first.save(force_insert=True)
    _copy(first, f"generate_series(1, {n - 1}) n", expressions, "SELECT * FROM {table} {whose}")
    return first.pk


def one_each(first: models.Model, source: str, **expressions: str) -> None:
    """A row like this one for each row of ``source``, of which the expressions are SQL."""
    first.save(force_insert=True)
    _copy(first, source, expressions, "DELETE FROM {table} {whose} RETURNING *")


def _copy(first: models.Model, source: str, expressions: dict[str, str], template: str) -> None:
    meta: Any = first._meta
    columns = [
        field.column
        for field in meta.local_concrete_fields
        if not field.primary_key or field.column in expressions
    ]
    chosen = ", ".join(expressions.get(column, f't."{column}"') for column in columns)
    named = ", ".join(f'"{column}"' for column in columns)
    # No parameter: percent signs are SQL's here.
    one = template.format(table=meta.db_table, whose=f"WHERE {meta.pk.column} = '{first.pk}'")
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH t AS ({one}) INSERT INTO {meta.db_table} ({named})"  # noqa: S608 - our own names
            f" SELECT {chosen} FROM t, {source}"
        )


def keep_events(model: type[models.Model]) -> None:
    """What triggers would have kept of the rows of a model, as if they were written in order."""
    event: Any = EVENTS[model]
    columns = ", ".join(
        f'"{field.column}"'
        for field in event._meta.local_concrete_fields
        if not field.name.startswith("pgh_")
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {event._meta.db_table}"  # noqa: S608 - our own names
            f" ({columns}, pgh_created_at, pgh_label, pgh_obj_id, pgh_context)"
            f" SELECT {columns}, now() - id * interval '1 second', 'insert', id, %s"
            f" FROM {model._meta.db_table} ORDER BY id DESC",
            ['{"user": 1}'],
        )
