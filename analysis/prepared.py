"""A statement that the server plans once: for reads that cost less than their planning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import connection


@dataclass(frozen=True)
class Prepared:
    """SQL that the query sets have made, and the places of each request's values."""

    sql: str
    places: tuple[Any, ...] = ()

    def read(self, given: dict[Any, Any]) -> tuple[Any, ...] | None:
        """Its one row."""
        # The connection is tried by the read itself, not by another one before it.
        connection.health_check_done = True  # type: ignore[attr-defined]  # not in its stubs
        connection.ensure_connection()
        driver: Any = connection.connection
        with connection.wrap_database_errors:
            # Past Django's cursor, which writes values into the text, and past its refusal to
            # prepare: only where values stay beside the text can the server keep a plan.
            driver.prepare_threshold = 0
            try:
                cursor = psycopg.Cursor(driver)
                cursor.execute(self.sql, [given[place] for place in self.places], prepare=True)
                return cursor.fetchone()
            finally:
                driver.prepare_threshold = None
