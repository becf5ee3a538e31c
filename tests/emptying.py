"""An empty database after a test that committed, without Django's flush of every table.

A flush truncates all tables, hundreds of files with their indexes, also those that are empty, and
makes the permissions anew: a third of a second a test. Here rows are deleted where there are any.
"""

from __future__ import annotations

import pgtrigger
from django.core.management import call_command
from django.db import connection, transaction
from psycopg import sql

# Tables that hold the same in every database of this code.
KEPT = {"django_migrations", "django_content_type", "auth_permission"}
# Beyond this, what deleted rows leave behind would slow down the tests that follow.
LARGE_BYTES = 50_000_000

LOCK = sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE")
SIZE = sql.SQL("SELECT {0}, pg_relation_size({0}) WHERE EXISTS (SELECT FROM {1})")


def empty() -> None:
    """Delete every row of every table but the kept ones; wait for whoever still writes."""
    with connection.cursor() as cursor:
        names = sorted(set(connection.introspection.table_names(cursor)) - KEPT)
        tables = [sql.Identifier(name) for name in names]
        with transaction.atomic(), pgtrigger.ignore():
            cursor.execute(LOCK.format(sql.SQL(", ").join(tables)))
            size_of_each = [SIZE.format(sql.Literal(name), sql.Identifier(name)) for name in names]
            cursor.execute(sql.SQL(" UNION ALL ").join(size_of_each))
            filled = dict(cursor.fetchall())
            large = sum(filled.values()) > LARGE_BYTES
            for name in filled if not large else ():
                cursor.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))
    if large:
        call_command("flush", verbosity=0, interactive=False)
