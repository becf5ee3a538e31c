"""How long a run waits for a burst of changes to end: after a lone one hardly at all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db.models import F, Max
from django.db.models.functions import Now

from analysis.models import Plan, Run
from cohorts.models import Change

# As many changes, one soon after another, make a burst: each asks for its share of the quiet.
BURST = 4


def seconds_to_wait(plan: Plan) -> float:
    """Until the changes that the plan has not seen may be over; 0 when it can run."""
    seen = Run.objects.filter(plan=plan).aggregate(n=Max("change_seen"))["n"] or 0
    # On the database's clock, as the changes were recorded: a sweeper's own may be hours off.
    changes = Change.objects.filter(study=plan.study).annotate(age=Now() - F("recorded_at"))
    ages = changes.values_list("age", flat=True)
    oldest = ages.filter(pk__gt=seen).order_by("pk").first()
    return 0.0 if oldest is None else still_to_wait(list(ages.order_by("-pk")[:BURST]), oldest)


def still_to_wait(last: Sequence[timedelta], oldest: timedelta) -> float:
    """Seconds, by the ages of the last changes, the newest first, and of the oldest unseen one.

    A change that comes alone waits a quarter of the quiet that ends a burst. The changes before it
    count whether they were seen or not, or each pause in a burst would be a run.
    """
    ages = [age.total_seconds() for age in last]
    if ages[0] < 0:  # the database's clock was set back: it cannot tell, and nobody waits for it
        return 0.0
    n_lately = sum(age < settings.SETTLE_AT_MOST_SECONDS for age in ages)
    quiet = settings.SETTLE_SECONDS * n_lately / BURST - ages[0]
    return float(max(0.0, min(quiet, settings.SETTLE_AT_MOST_SECONDS - oldest.total_seconds())))


def first_look() -> float:
    """Seconds after a change: before, no run can start."""
    return float(settings.SETTLE_SECONDS / BURST)
