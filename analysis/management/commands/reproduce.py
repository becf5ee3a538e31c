"""reproduce RUN: compute a published run again from its snapshot, and compare every number."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from analysis.services import reproduction
from analysis.services.exports import find_run
from hikiproject.commands import StudyCommand


class Command(StudyCommand):
    help = "Compute a run again and say whether every number is equal, bit for bit."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "run", metavar="RUN", help="an id, its beginning, `latest`, or the name of a plan"
        )

    def work(self, **options: Any) -> None:
        run = find_run(options["run"])
        done = reproduction.reproduce(run)
        if done.differences:
            self.refuse("\n".join([f"Run {run.pk} differs:", *done.differences]))
        self.stdout.write(
            f"Run {run.pk}: equal, all {done.n_values:,} values of its tables bit for bit, "
            "and every document and verdict."
        )
