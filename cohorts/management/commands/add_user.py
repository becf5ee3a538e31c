"""add_user NAME ROLE [--site CODE]: somebody who can log in, such as the first administrator."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from cohorts import access
from cohorts.services.accounts import staffing
from hikiproject.commands import StudyCommand


class Command(StudyCommand):
    help = "Give somebody a role; a new account is made, and its password shown once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        roles = ", ".join(f"{code} {word}" for code, word in access.ROLES.items())
        parser.add_argument("role", help=roles)
        parser.add_argument("--site", default="", metavar="CODE", help="for SC, SD, LT and AU")

    def work(self, **options: Any) -> None:
        membership, password = staffing.add_role(
            options["name"], options["role"], site_code=options["site"]
        )
        self.stdout.write(f"{membership}.")
        if password:
            self.stdout.write(f"Password, shown this once: {password}")
