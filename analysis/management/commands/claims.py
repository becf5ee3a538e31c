"""claims [--plan NAME] [--json]: the standing verdict on each published claim."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandParser

from analysis.models import Run
from analysis.services import staleness
from analysis.services.results import claims_table, handling_notes, verdict_rows
from hikiproject.commands import StudyCommand


class Command(StudyCommand):
    help = "Print the verdicts of the newest published run."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--plan", default="kyushu-2022", metavar="NAME")
        self.add_json(parser)

    def work(self, **options: Any) -> None:
        run = Run.objects.newest_of(options["plan"])
        if run is None:
            self.refuse(f"Plan {options['plan']!r} has no published run yet: run `refresh --wait`.")
            return
        rows, why = verdict_rows(run), staleness.in_full(run)
        if options["json"]:
            told = {"stale": bool(why), "stale_because": why}
            self.stdout.write(json.dumps([row | told for row in rows], ensure_ascii=False))
            return
        stale = [f"Stale: {why} `refresh --wait` makes a new run."] if why else []
        self.stdout.write("\n".join([claims_table(rows), *handling_notes(run), *stale]))
