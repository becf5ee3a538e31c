"""refresh [--plan NAME] [--wait]: run what is stale now, without waiting for the next sweep."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import CommandParser

from analysis.models import Plan, Run
from analysis.services import freshness, runs
from cohorts.language.sentences import say
from hikiproject.commands import StudyCommand


class Command(StudyCommand):
    help = "Run every plan whose inputs have changed, or one plan by name."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--plan", default="", metavar="NAME")
        parser.add_argument(
            "--wait",
            action="store_true",
            help="come back when the results are published; computes here if no worker does",
        )

    def work(self, **options: Any) -> None:
        current = Plan.objects.current().select_related("study")
        known = Plan.objects.newest_versions().select_related("study")
        chosen = list(known.filter(name=options["plan"]) if options["plan"] else current)
        if options["plan"] and not chosen:
            names = ", ".join(known.values_list("name", flat=True)) or "none yet"
            self.refuse(f"There is no plan {options['plan']!r}; the plans are: {names}.")
        requested = [
            run for plan in chosen if (run := self._request(plan, named=bool(options["plan"])))
        ]
        for run in requested:
            freshness.ring("analysis.execute", str(run.pk))
            if not options["wait"]:
                self.stdout.write(f"{run.plan.name}: queued as {run.pk}")
        if options["wait"] and False in [self._finish(run) for run in requested]:
            self.refuse("Not every run was published.")

    def _request(self, plan: Plan, *, named: bool) -> Run | None:
        cause = freshness.why_stale(plan)
        if not cause and not named:
            values = freshness.has_values(plan)
            self.stdout.write(f"{plan.name}: {'up to date' if values else 'no assay values yet'}")
            return None
        return runs.request(plan, cause=cause or say("asked for by hand"))

    def _finish(self, run: Run) -> bool:
        """Wait for a worker's result, computing it here where no worker has taken it."""
        shown = ""
        while True:
            runs.execute(run.pk)
            run.refresh_from_db()
            if run.state not in Run.UNDER_WAY:
                break
            if run.step != shown:
                shown = run.step
                self.stdout.write(f"{run.plan.name}: {run.share_done:.0%} {run.step}")
            time.sleep(0.5)
        told = f": {run.failure}" if run.failure else ""
        of = f" (the same as {run.same_as_id})" if run.same_as_id else ""
        self.stdout.write(f"{run.plan.name}: {run.pk} {run.state}{of}{told}")
        return run.state in (Run.State.PUBLISHED, Run.State.MERGED)
