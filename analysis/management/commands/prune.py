"""``prune``: delete now what the sweep deletes by and by, or tell what that would be."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from analysis.services import pruning
from hikiproject.commands import StudyCommand


class Command(StudyCommand):
    """Runs, verdicts and the history of records are never deleted."""

    help = (
        "Delete result tables of old runs that were never released, kept steps that no run uses, "
        "and old sign-in attempts (README: HIKI_KEEP_...)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="delete nothing, only tell")

    def work(self, **options: Any) -> None:
        done = pruning.prune(pretend=options["dry_run"])
        self.stdout.write(
            f"{'Would delete' if options['dry_run'] else 'Deleted'}: {done.n_tables} tables "
            f"({done.n_bytes / 1024**2:.1f} MB) of {done.n_runs} runs, {done.n_steps} kept steps, "
            f"{done.n_sign_ins} sign-in attempts."
        )
