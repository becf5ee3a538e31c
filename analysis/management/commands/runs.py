"""runs [--json]: what ran, what runs, and what waits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser

from analysis.models import Run
from analysis.services import progress
from analysis.services.results import run_facts
from analysis.services.staleness import in_full, with_staleness
from hikiproject.commands import StudyCommand


class Command(StudyCommand):
    help = "List the runs, the newest first."

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_json(parser)

    def work(self, **options: Any) -> None:
        found = with_staleness(Run.objects.select_related("plan", "snapshot"))
        found = found.order_by("-queued_at")
        if options["json"]:
            told = [run_facts(run) | _staleness(run) for run in found]
            self.stdout.write(json.dumps(told, ensure_ascii=False))
            return
        newest = progress.newest_of_each(Run.objects.published())
        for run in found:
            self.stdout.write(
                f"{run.queued_at:%Y-%m-%d %H:%M:%S}  {run.pk}  {run.plan}  {_said(run, newest)}"
            )
        if not found:
            self.stdout.write(
                "No runs yet. Send tables (import_table, import_study), then `refresh --wait`."
            )


def _staleness(run: Any) -> dict[str, Any]:
    return {"stale": run.stale, "stale_because": in_full(run) if run.stale else ""}


def _said(run: Any, newest: Mapping[str, datetime]) -> str:
    """The run's state, how far it is or why it ended so, and whether it still holds."""
    state = progress.standing(run, newest)
    if run.state == Run.State.RUNNING:
        return f"{state} {run.share_done:.0%} {run.step}"
    if run.failure:
        return f"{state}: {run.failure}"
    why = f": {run.held_because}" if state == "held" and run.held_because else ""
    stale = f" Stale: {in_full(run)}" if run.stale and state != "superseded" else ""
    return f"{state}{why}{stale}"
