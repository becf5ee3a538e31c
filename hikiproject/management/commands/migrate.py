"""``migrate``, for which nobody waits: it gets a lock at once, or lets go and comes back."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import OperationalError, connections

from cohorts.advisory import Advisory
from hikiproject.readiness import refuse_without_database

# Whoever asks for a table that a migration waits for waits behind it, as long as it does.
LOCK_SECONDS = 1
TRIES = 20
PAUSE_SECONDS = 2.0
ASK_AGAIN_SECONDS = 0.2
LOCK_NOT_AVAILABLE = "55P03"


class Command(migrate.Command):
    """Migrations that were applied stay applied; the one that met a lock is begun again."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Take how often a lock is asked for, beside what Django takes."""
        super().add_arguments(parser)
        parser.add_argument(
            "--lock-tries",
            type=int,
            default=TRIES,
            help=f"how often to ask, for {LOCK_SECONDS} s each, for a table that others use",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate beside a service that goes on, or say what is in the way."""
        refuse_without_database(options["database"])
        if options["plan"] or options["check_unapplied"]:
            super().handle(*args, **options)  # changes nothing, so it waits for nobody
            return
        with _one_at_a_time(options["database"], self.stderr.write):
            self._migrate(*args, **options)

    def _migrate(self, *args: Any, **options: Any) -> None:
        database, tries = options["database"], options["lock_tries"]
        for attempt in range(1, tries + 1):
            try:
                _migrate_in_haste(database, lambda: super(Command, self).handle(*args, **options))
            except OperationalError as error:
                if getattr(error.__cause__, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                    raise
                if attempt == tries:
                    raise CommandError(_in_the_way(tries)) from error
                self.stderr.write(f"A table is in use, try {attempt} of {tries}.")
                time.sleep(PAUSE_SECONDS)
            else:
                return


@contextmanager
def _one_at_a_time(database: str, tell: Callable[[str], object]) -> Iterator[None]:
    """Wait for another `migrate` to end, with the session or without.

    It is asked again and again: one statement that waited would hold a snapshot, for which an
    index that the other builds beside the service would wait in turn.
    """
    told, lock = False, [int(Advisory.MIGRATIONS)]
    with connections[database].cursor() as cursor:
        while True:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", lock)
            if cursor.fetchone() == (True,):
                break
            if not told:
                tell("Another migrate is at work on this database: waiting for it to end.")
            told = True
            time.sleep(ASK_AGAIN_SECONDS)
    try:
        yield
    finally:
        with connections[database].cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", lock)


def _in_the_way(tries: int) -> str:
    return (
        f"Another session held a table all {tries} times that it was asked for: nothing of the "
        "migration that asked is applied, and those before it are. Look for the session in "
        "pg_stat_activity, end it or wait, and run migrate again."
    )


def _migrate_in_haste(database: str, migrate_all: Callable[[], object]) -> None:
    with connections[database].cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        (before,) = cursor.fetchone()
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{LOCK_SECONDS}s"])
    try:
        _drop_half_built_indexes(database)
        migrate_all()
    finally:
        with connections[database].cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [before])


def _drop_half_built_indexes(database: str) -> None:
    """An index whose building beside the service was given up stands there, unusable and named."""
    connection = connections[database]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_index i"
            " JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE NOT i.indisvalid AND n.nspname = current_schema()"
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
