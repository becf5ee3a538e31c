"""Sessions of the test database that outlive the test they belong to."""

from __future__ import annotations

from django.db import connection

_MILLISECONDS = 10_000


def end_others() -> None:
    """End every session of this database but our own, and wait until each has let go of its locks.

    A process that was killed may leave one behind.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'",  # the server's own end by themselves
            [_MILLISECONDS],
        )
