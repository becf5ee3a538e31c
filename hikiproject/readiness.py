"""A command that finds an empty database fills it, where the database is our own."""

from __future__ import annotations

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, OperationalError, connection, connections
from django.db.migrations.executor import MigrationExecutor

from analysis.services import reference as analysis_reference
from cohorts.services import reference as cohorts_reference


def ensure_ready() -> None:
    """Migrate and seed the embedded database; of somebody's own, say what to run.

    Raises CommandError where a database that we do not run is away or lacks migrations.
    """
    refuse_without_database()
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        if not settings.EMBEDDED:
            raise CommandError(
                "The database is not up to date: run `python3 manage.py migrate`, then `seed`."
            )
        call_command("migrate", interactive=False, verbosity=0)
    seed()


def refuse_without_database(alias: str = DEFAULT_DB_ALIAS) -> None:
    """Raise CommandError unless the database takes a connection."""
    try:
        connections[alias].ensure_connection()
    except OperationalError as error:
        raise CommandError(
            f"The database does not answer; check DATABASE_URL. It says: {error}"
        ) from error


def seed() -> dict[str, int]:
    """Add reference data that is missing; what is there stays as people edited it."""
    return cohorts_reference.seed() | analysis_reference.seed()
