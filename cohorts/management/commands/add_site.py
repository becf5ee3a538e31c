"""add_site CODE NAME: a new site of the study, so that it can send tables."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from cohorts.services.accounts import staffing
from hikiproject.commands import StudyCommand


class Command(StudyCommand):
    help = "Add a site to a study."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("code", help="2 to 12 capitals or digits, such as FUK")
        parser.add_argument("name")
        parser.add_argument("--country", default="", metavar="JP")
        parser.add_argument("--time-zone", default="UTC", metavar="Asia/Tokyo")
        parser.add_argument("--study", default="hikikomori", metavar="CODE")

    def work(self, **options: Any) -> None:
        site = staffing.add_site(
            options["code"],
            options["name"],
            country=options["country"],
            time_zone=options["time_zone"],
            study=options["study"],
        )
        self.stdout.write(f"{site} can send tables now.")
