"""What operators watch, read from the database when they ask."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from datetime import datetime

import django
from django.db.models import Count, Max
from django.utils import timezone

from analysis.models import Plan, Run
from analysis.services import versions
from cohorts.models import Change, Heartbeat, Upload

SWEEP = "sweep"


@dataclass(frozen=True)
class Facts:
    """The state of the platform; ages in seconds, None where there is nothing to be old."""

    runs: dict[str, int]
    uploads: dict[str, int]
    oldest_queued_age: float | None
    oldest_owed_change_age: float | None
    sweep_age: float | None
    versions: dict[str, str]


def facts() -> Facts:
    now = timezone.now()
    swept = Heartbeat.objects.age(SWEEP)
    queued = Run.objects.filter(state=Run.State.QUEUED).order_by("queued_at").first()
    return Facts(
        runs=_by(Run, "state", Run.State.values),
        uploads=_by(Upload, "status", Upload.Status.values),
        oldest_queued_age=_age(now, queued.queued_at if queued else None),
        oldest_owed_change_age=_age(now, oldest_owed_change()),
        sweep_age=swept.total_seconds() if swept is not None else None,
        versions={
            "code": versions.code_version(),
            "python": platform.python_version(),
            "django": django.get_version(),
        },
    )


def oldest_owed_change() -> datetime | None:
    """When the oldest change came that a followed plan has not taken into any run yet."""
    owed = []
    for plan in Plan.objects.current().select_related("study"):
        ended = Run.objects.filter(plan=plan).exclude(state=Run.State.QUEUED)
        seen = ended.aggregate(n=Max("change_seen"))["n"] or 0
        first = Change.objects.filter(study=plan.study, pk__gt=seen).order_by("pk").first()
        owed += [first.recorded_at] if first else []
    return min(owed, default=None)


def _by(model: type[Run] | type[Upload], name: str, values: list[str]) -> dict[str, int]:
    counted = model.objects.order_by().values_list(name).annotate(n=Count("pk"))
    return dict.fromkeys(values, 0) | dict(counted)


def _age(now: datetime, since: datetime | None) -> float | None:
    return (now - since).total_seconds() if since else None
