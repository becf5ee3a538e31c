"""runs [--json]: what ran, what runs, and what waits."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandParser

from analysis.models import Run
from analysis.services.results import run_facts
from hikiproject.commands import StudyCommand


class Command(StudyCommand):
    help = "List the runs, the newest first."

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_json(parser)

    def work(self, **options: Any) -> None:
        found = Run.objects.select_related("plan", "snapshot").order_by("-queued_at")
        if options["json"]:
            self.stdout.write(json.dumps([run_facts(run) for run in found], ensure_ascii=False))
            return
        for run in found:
            share = f" {run.share_done:.0%} {run.step}" if run.state == Run.State.RUNNING else ""
            end = (
                f": {run.failure}"
                if run.failure
                else f": held, {run.held_because}"
                if run.held_because
                else ""
            )
            self.stdout.write(
                f"{run.queued_at:%Y-%m-%d %H:%M:%S}  {run.pk}  {run.plan}  {run.state}{share}{end}"
            )
        if not found:
            self.stdout.write(
                "No runs yet. Send tables (import_table, import_study), then `refresh --wait`."
            )
