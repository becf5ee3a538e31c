"""``faults``: the tests that kill, starve and cut off real processes, as often as is asked for."""

import subprocess
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hikiproject import state
from hikiproject.tether import child_environment


class Command(BaseCommand):
    """The ordinary tests kill 20 workers; before a release somebody kills 200."""

    help = "Run the tests of faults: python3 manage.py faults --kills 200."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the number of workers to kill."""
        parser.add_argument("--kills", type=int, default=200, help="200 unless said")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        """Run them in an environment of tests, and end with their exit code."""
        if options["kills"] < 1:
            raise CommandError("--kills is a number above 0.", returncode=2)
        done = subprocess.run(
            [sys.executable, "manage.py", "test", "-q", "tests/faults"],
            cwd=state.BASE,
            env=child_environment({"HIKI_FAULT_KILLS": str(options["kills"])}),
            check=False,
        )
        sys.exit(done.returncode)
