"""What was released is checked again when more people are asked for behind a number (rule D12).

What a number rests on is judged at each answer, by the number of people that is set now. What it
tells beside an earlier release was judged when it was released, and is judged anew here.
"""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from analysis.models import Run
from analysis.services import release
from analysis.services.disclosure import releasing
from cohorts.models.change import hold_order_lock
from cohorts.retrying import transacted

AT_ONCE = 5


def check_again() -> int:
    """Check some releases that were last checked by fewer people, the oldest first; how many."""
    owed = list(_owed().order_by("released_at").values_list("pk", flat=True)[:AT_ONCE])
    for run_id in owed:
        _check(run_id)
    return len(owed)


def _owed() -> QuerySet[Run]:
    released: QuerySet[Run] = Run.objects.published().released()
    return released.filter(checked_k__lt=settings.DISCLOSURE_K)


@transacted
def _check(run_id: UUID) -> None:
    """Hold it back, or keep back what beside the releases before it would tell of a few."""
    hold_order_lock()
    found = _owed().select_for_update(of=("self",)).select_related("plan", "snapshot")
    run = found.filter(pk=run_id).first()
    if run is None:
        return
    reason = release.reason_to_forbid(run)
    if reason:
        run.released_at, run.held_because = None, reason
    else:
        releasing.withhold(run)
    run.checked_k = settings.DISCLOSURE_K
    run.save(update_fields=["released_at", "held_because", "checked_k"])
