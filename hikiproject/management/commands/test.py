"""``test``: all tests, with real servers and a real browser; arguments go to pytest."""

import subprocess
import sys
from importlib import util

from django.core.management.base import BaseCommand, CommandError

from hikiproject import chromium, state
from hikiproject.tether import child_environment


class Command(BaseCommand):
    """Run pytest; `hikiproject.testing` has set the state folder before the settings were read."""

    help = "Run the tests: python3 manage.py test [arguments of pytest]."
    requires_system_checks = []

    def run_from_argv(self, argv: list[str]) -> None:
        """Pass every argument on, options too, and end with pytest's exit code."""
        try:
            code = run(argv[2:])
        except (CommandError, chromium.NoBrowser) as error:
            self.stderr.write(str(error))
            code = 1
        sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run pytest with a browser in HIKI_CHROMIUM and return its exit code."""
    if util.find_spec("pytest") is None:
        raise CommandError(
            "This environment lacks the test packages: pip install -r requirements-test.txt."
        )
    browser = chromium.ensure()
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=state.BASE,
        env=child_environment({"HIKI_CHROMIUM": str(browser)}),
        check=False,
    ).returncode
