"""``faults``: the tests that kill, starve and cut off real processes, as often as is asked for."""

import subprocess
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hikiproject import state
from hikiproject.tether import child_environment

LONGEST_MINUTES = 600


class Command(BaseCommand):
    """The ordinary tests kill 20 workers in seconds; before a release somebody kills 200."""

    help = (
        "Run the tests of faults: python3 manage.py faults --kills 200, or only some of them: "
        "python3 manage.py faults --kills 100 --seed 2 tests/faults/test_kills.py; or "
        "python3 manage.py faults --minutes 10 tests/faults/test_migrated_under_load.py."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the number of workers to kill, when, and in which tests."""
        parser.add_argument("--kills", type=int, default=200, help="200 unless said")
        parser.add_argument("--seed", type=int, default=20220601, help="of the moments of killing")
        parser.add_argument(
            "--minutes",
            type=float,
            default=0,
            help="of work while two versions serve; seconds as is",
        )
        parser.add_argument("tests", nargs="*", default=["tests/faults"], help="all unless said")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        """Run them in an environment of tests, and end with their exit code."""
        if options["kills"] < 1:
            raise CommandError("--kills is a number above 0.", returncode=2)
        if not 0 <= options["minutes"] <= LONGEST_MINUTES:
            said = f"--minutes is a number from 0 to {LONGEST_MINUTES}."
            raise CommandError(said, returncode=2)
        done = subprocess.run(
            [sys.executable, "manage.py", "test", "-q", "-rP", *options["tests"]],
            cwd=state.BASE,
            env=child_environment(
                {
                    "HIKI_FAULT_KILLS": str(options["kills"]),
                    "HIKI_FAULT_SEED": str(options["seed"]),
                    "HIKI_FAULT_SECONDS": str(60 * options["minutes"]),
                }
            ),
            check=False,
        )
        sys.exit(done.returncode)
