"""How far a run is, when it should end, and what a published one is worth today."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING

from django.db.models import Max, QuerySet
from django.utils import timezone

from analysis.models import Run

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from cohorts.models import User

EARLIER_RUNS = 5


def with_step(steps: list[list[object]], name: str, seconds: float) -> list[list[object]]:
    """The steps so far and this one; a step that tells its share several times is one step."""
    if steps and steps[-1][0] == name:
        return steps
    return [*steps, [name, round(seconds, 3)]]


def expected_end(run: Run) -> datetime | None:
    """When a computing run should be published; None where no earlier run says.

    The median of what earlier runs of the plan, that took the same steps up to here, still needed
    from here on.
    """
    if run.state != Run.State.RUNNING or not run.steps or run.started_at is None:
        return None
    here, began = run.steps[-1]
    taken = [name for name, _ in run.steps]
    earlier = (
        Run.objects.published()
        .filter(plan__name=run.plan.name, started_at__isnull=False)
        .exclude(steps=[])
        .order_by("-published_at")
        .values_list("steps", "started_at", "published_at")[:EARLIER_RUNS]
    )
    needed = [
        (published - started).total_seconds() - dict(steps)[here]
        for steps, started, published in earlier
        if published and started and [name for name, _ in steps][: len(taken)] == taken
    ]
    if not needed:
        return None
    end = run.started_at + timedelta(seconds=began + max(0.0, median(needed)))
    # Slower than its predecessors: any moment now, and not in the past.
    return max(end, timezone.now())


def newest_of_plans(user: User | AnonymousUser) -> dict[str, datetime]:
    """By plan, when the newest run that this person may see was published: it supersedes others."""
    return newest_of_each(Run.objects.visible_to(user).published())


def newest_of_each(published: QuerySet[Run]) -> dict[str, datetime]:
    """By plan, when the newest of these published runs was published."""
    newest = published.order_by("plan__name").values("plan__name").annotate(at=Max("published_at"))
    return dict(newest.values_list("plan__name", "at"))


def standing(run: Run, newest: Mapping[str, datetime]) -> str:
    """The run's state in one word: a published one is superseded, released, or held back."""
    if run.state != Run.State.PUBLISHED or run.published_at is None:
        return str(run.state)
    # A run that is held back from the reader may be newer than any that they may see.
    if run.published_at < newest.get(run.plan.name, run.published_at):
        return "superseded"
    return "held" if run.released_at is None else "released"
