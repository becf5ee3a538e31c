"""What the study's commands share: ready services, and exit codes that programs rely on."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError, CommandParser

from cohorts import history
from cohorts.errors import DomainError
from cohorts.language.sentences import say
from hikiproject import readiness

REFUSED = 1
WRONG_USAGE = 2


class StudyCommand(BaseCommand):
    """Exit code 0: done; 1: refused, with the reasons on standard error; 2: wrong usage."""

    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        readiness.ensure_ready()
        try:
            name = self.__module__.rpartition(".")[2]
            with history.acting(say("command %(name)s", name=name)):
                self.work(**options)
        except DomainError as error:
            self.refuse(error.message)

    def work(self, **options: Any) -> None:
        """What the command does."""
        raise CommandError(f"{type(self).__name__} does nothing.")

    def refuse(self, message: str) -> NoReturn:
        """End with the reasons on standard error and exit code 1."""
        self.stderr.write(message)
        sys.exit(REFUSED)

    def wrong_usage(self, message: str) -> NoReturn:
        """End with what to write instead on standard error and exit code 2."""
        self.stderr.write(message)
        sys.exit(WRONG_USAGE)

    def add_json(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON for programs")
