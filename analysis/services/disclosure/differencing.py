"""Two releases must not be subtracted to see a few people: not over time, not across plans."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from django.conf import settings
from django.db.models import QuerySet

from analysis.models import Run, RunTable, Snapshot
from analysis.services.disclosure.rules import ARMS

PEOPLE = (
    "It is released when its people differ by nobody or by enough from those of every release "
    "of the study before it, this plan's and the other plans'."
)
NUMBERS = (
    "Another plan's released numbers rest on all but a few of the same people: beside those, "
    "these would tell about the few."
)
CELL = ["stratum", "feature", "site"]


def reason(run: Run) -> str:
    """Why the run's release could be subtracted from an earlier one; "" where it could not."""
    if run.snapshot is None:
        return ""
    k = settings.DISCLOSURE_K
    if any(0 < n < k for before in _released(run) for n in _apart(run.snapshot, before)):
        return PEOPLE
    if any(_nearly_the_same(run, other, k) for other in _of_other_plans(run)):
        return NUMBERS
    return ""


def earlier_releases(run: Run) -> QuerySet[Run]:
    """Other released runs of the study; of a released one, those before it."""
    released: QuerySet[Run] = Run.objects.published().released()
    before = {"released_at__lt": run.released_at} if run.released_at else {}
    return released.filter(plan__study=run.plan.study_id, **before).exclude(pk=run.pk)


def _released(run: Run) -> Iterator[Snapshot]:
    """The people of every earlier release of the study, each set once."""
    sets = Snapshot.objects.filter(runs__in=earlier_releases(run)).distinct("digest")
    yield from sets.order_by("digest").only("participant_ids", "later_erased").iterator(20)


def _apart(now: Snapshot, before: Snapshot) -> tuple[int, int]:
    """How many came, and how many went."""
    new, old = np.unique(now.participant_ids), np.unique(before.participant_ids)
    # Whoever was erased since the release is in neither set, and is missing from this one.
    erased = max(0, before.later_erased - now.later_erased)
    both = len(np.intersect1d(new, old, assume_unique=True))
    return len(new) - both, len(old) - both + erased


def _of_other_plans(run: Run) -> Iterator[Run]:
    """The newest release of each other plan of the study."""
    others = earlier_releases(run).exclude(plan__name=run.plan.name)
    yield from others.order_by("plan__name", "-released_at").distinct("plan__name")


def _nearly_the_same(run: Run, other: Run, k: int) -> bool:
    """Whether a feature's people at a site are all but a few the same: covariates drop some."""
    tables = [RunTable.objects.filter(run=each, name="effects").first() for each in (run, other)]
    if tables[0] is None or tables[1] is None:
        return False
    ours, theirs = (_counts(table.frame) for table in tables if table is not None)
    joined = ours.merge(theirs, left_index=True, right_index=True, suffixes=("", "_other"))
    apart = [(joined[arm] - joined[f"{arm}_other"]).abs() for arm in ARMS]
    return any(bool(((each > 0) & (each < k)).any()) for each in apart)


def _counts(frame: pd.DataFrame) -> pd.DataFrame:
    told = frame[frame["estimate"].notna()]
    return told.set_index(CELL)[ARMS].groupby(level=CELL).max()
