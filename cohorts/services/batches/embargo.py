"""A batch that must not be used before a day."""

from __future__ import annotations

from datetime import date

from cohorts import clock
from cohorts.errors import UnusableRequest
from cohorts.language.sentences import say
from cohorts.models import AssayBatch, Change, User
from cohorts.retrying import transacted


@transacted
def set_embargo(batch_id: int, *, until: date | None, by: User | None) -> AssayBatch:
    """Keep a batch out of every run before that day; None lifts the embargo now.

    Raises UnusableRequest for a day that has come already, and for a batch that is voided.
    """
    batch: AssayBatch = (
        AssayBatch.objects.select_for_update(of=("self",))
        .select_related("site__study")
        .get(pk=batch_id)
    )
    if until == batch.embargo_until:
        return batch
    check_day(batch, until)
    batch.embargo_until = until
    batch.save(update_fields=["embargo_until"])
    words = say("not used before %(until)s", until=until) if until else "embargo lifted"
    who = f" by {by.get_username()}" if by else ""
    Change.objects.record(
        study=batch.site.study,
        site=batch.site,
        kind="assays",
        counts={"batches": 1},
        cause=f"batch {batch.pk} ({batch.platform}): {words}{who}"[:200],
    )
    return batch


def check_day(batch: AssayBatch, until: date | None) -> None:
    """Raises UnusableRequest for a day that has come already, and for a batch that is voided."""
    if batch.status == AssayBatch.Status.VOIDED:
        raise UnusableRequest(
            say("Batch %(batch)s is voided: no run uses it, embargo or not.", batch=batch.pk)
        )
    if until is not None and until <= clock.today():
        raise UnusableRequest(
            say(
                "%(until)s has come already: name a later day, or none to lift the embargo.",
                until=until,
            )
        )
