"""A statement that the server plans once: for reads that cost less than their planning."""

from __future__ import annotations

import hashlib
from collections.abc import Set
from dataclasses import dataclass
from typing import Any, Self
from weakref import WeakKeyDictionary

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models.sql import Query
from psycopg import pq, sql

# Which statements each connection has: they are gone with it.
_known: WeakKeyDictionary[psycopg.Connection[Any], set[bytes]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Prepared:
    """SQL that a query set has made, its places numbered, and what each request puts there.

    It is sent by libpq's own call, past Django's cursor, which writes values into the text, and
    past the driver's, whose work on one row takes longer than the server's.
    """

    name: bytes
    sql: bytes
    places: tuple[Any, ...] = ()

    @classmethod
    def of(cls, query: Query, places: Set[Any]) -> Self:
        """``places`` are values in the query that give way to those of each request."""
        text, values = query.sql_with_params()
        first, *pieces = (piece.replace("%%", "%") for piece in text.split("%s"))
        used: list[Any] = []
        for value, piece in zip(values, pieces, strict=True):
            if value in places:
                used.append(value)
                first += f"${len(used)}"
            else:  # what is always the same stands in the text, so that few values travel
                first += sql.Literal(value).as_string()
            first += piece
        digest = hashlib.blake2b(first.encode(), digest_size=8).hexdigest()
        return cls(f"kept_{digest}".encode(), first.encode(), tuple(used))

    def read(self, given: dict[Any, str]) -> tuple[str | None, ...] | None:
        """Its one row, as PostgreSQL writes the values. Raises django.db.Error."""
        django: Any = connections[DEFAULT_DB_ALIAS]  # once: each look through the proxy costs
        # The connection is tried by the read itself, not by another one before it.
        django.health_check_done = True
        if django.connection is None:
            django.ensure_connection()
        with django.wrap_database_errors:
            values = [given[place].encode() for place in self.places]
            self._make_known(django.connection)
            found = _checked(django.connection.pgconn.exec_prepared(self.name, values))
        if not found.ntuples:
            return None
        row = [found.get_value(0, column) for column in range(found.nfields)]
        return tuple([None if value is None else value.decode() for value in row])

    def _make_known(self, driver: Any) -> None:
        known = _known.setdefault(driver, set())
        if self.name not in known:
            _checked(driver.pgconn.prepare(self.name, self.sql))
            known.add(self.name)


def _checked(result: Any) -> Any:
    if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
        raise psycopg.errors.error_from_result(result)
    return result
