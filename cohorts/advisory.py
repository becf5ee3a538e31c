"""Locks on no row, held until a transaction ends: all here, so that no two share a number."""

from __future__ import annotations

from enum import IntEnum

from django.db import connection


class Advisory(IntEnum):
    """Any fixed numbers will do."""

    # From the writing of a change until its commit, so that a reader who has seen change n has seen
    # every smaller one. Publication of a run takes it too.
    CHANGES = 0x48494B49
    # Shared by those who store a file and then name it in a row, alone for whoever removes files
    # that no row names.
    FILE_NAMING = 0x48494B46
    # A file that two sites sent is one file: of two who rewrite it at once, the second would bring
    # back what the first has taken out.
    FILE_REWRITING = 0x48494B52
    # The dictionary is every site's, and a site's own lock does not order two that send the same
    # new name.
    FEATURE_NAMES = 0x48494B4E
    # Seals follow one another; who erases or checks keeps others from sealing.
    AUDIT_CHAIN = 0x48494B43
    # Of two who migrate, the second waits and finds nothing left to do. Held by a session.
    MIGRATIONS = 0x48494B4D


def hold(lock: Advisory, *, shared: bool = False) -> None:
    """Wait for a lock, then hold it until this transaction ends; ``shared``: beside others."""
    function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [int(lock)])


def hold_if_free(lock: Advisory) -> bool:
    """Hold a lock until this transaction ends, unless somebody has it; whether it is held."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [int(lock)])
        (held,) = cursor.fetchone()
    return bool(held)
