"""``benchmark``: this project's methods beside their peers, measured on this machine."""

import sys

from django.core.management.base import BaseCommand, CommandParser

from benchmarks.runner import add_arguments, run


class Command(BaseCommand):
    """Print the table of times; peers are installed in an environment of their own."""

    help = "Time our statistics beside their peers: python3 manage.py benchmark [JOB ...]."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Jobs by name (combat, effects, pooling, permutations, severity, forest) or group."""
        add_arguments(parser)

    def handle(self, *, jobs: list[str], keep_core_type: bool, **_options: object) -> None:
        """Measure, and end with the exit code of the measuring process."""
        sys.exit(run(jobs, keep_core_type=keep_core_type))
