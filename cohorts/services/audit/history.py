"""The events of rows: read by people, blanked where somebody is erased."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model, QuerySet

from cohorts.ingest.redaction import masked, masking
from cohorts.models import EVENTS, Participant, Sample, User
from cohorts.models.history import FOLLOWED, values_of
from cohorts.services.audit import audit_chain

UNTOLD = ("id", "site_id", "participant_id", "version")


@dataclass(frozen=True)
class Past:
    """One event of a row. ``changed``: field, what it was (None at first), what it became."""

    at: datetime
    what: str
    by: str
    reason: str
    version: int | None
    changed: tuple[tuple[str, Any, Any], ...]


def past_of(row: Model) -> list[Past]:
    """Every event of a row that the reader may see, the newest first."""
    kept: QuerySet[Any] = EVENTS[type(row)]._default_manager.filter(pgh_obj_id=row.pk)
    events = list(kept.order_by("pgh_id"))
    names = _actors(events)
    told, before = [], None
    for event in events:
        said: dict[str, Any] = event.pgh_context or {}
        told.append(
            Past(
                at=event.pgh_created_at,
                what=event.pgh_label,
                by=names.get(said.get("user")) or said.get("source", ""),
                reason=said.get("reason", ""),
                version=getattr(event, "version", None),
                changed=tuple(changes_between(before, event)),
            )
        )
        before = event
    return told[::-1]


def _actors(events: Iterable[Any]) -> dict[int | None, str]:
    users = ((event.pgh_context or {}).get("user") for event in events)
    ids = {int(user) for user in users if user}
    return dict(User.objects.filter(pk__in=ids).values_list("pk", "username"))


def changes_between(before: Any, event: Any) -> Iterable[tuple[str, Any, Any]]:
    """Field, what it was (None at first), what it became, of two events of one row."""
    for name in values_of(type(event)):
        was, now = getattr(before, name, None), getattr(event, name)
        if name not in UNTOLD and was != now:
            yield name, was, now


def forget(person_id: int, *, code: str, site_id: int) -> dict[str, set[int]]:
    """Blank every event of an erased person and of their rows; the events touched, by their kind.

    The event itself stays: that a row was written, changed or deleted, when, and by whom. Call it
    after the rows are deleted, since deleting leaves events too, and seal again what it touched.
    """
    touched: dict[str, set[int]] = {}
    # Read before the events of the tubes are blanked, which say whose they were.
    tubes = set(_of_tubes(person_id))
    for model, event_model in EVENTS.items():
        events = event_model._default_manager.all()
        names = values_of(event_model)
        found = _mask_reasons(events, FOLLOWED[model][1], code, site_id)
        if model is Participant:
            found |= _blank(events.filter(pgh_obj_id=person_id))
        elif "participant_id" in names:
            found |= _blank_rows(events, participant_id=person_id)
        elif "sample_id" in names:
            found |= _blank_rows(events, sample_id__in=tubes)
        touched[event_model._meta.model_name or ""] = found
    return touched


def forget_row(row: Model) -> None:
    """Blank every event of one row, and seal them again."""
    events = EVENTS[type(row)]._default_manager.filter(pgh_obj_id=row.pk)
    audit_chain.seal_again({events.model._meta.model_name or "": _blank(events)})


def _of_tubes(person_id: int) -> QuerySet[Any]:
    kept: QuerySet[Any] = EVENTS[Sample]._default_manager.filter(participant_id=person_id)
    return kept.values_list("pgh_obj_id", flat=True)


def _blank_rows(events: QuerySet[Any], **whose: Any) -> set[int]:
    """Every event of the rows that were theirs at any time."""
    theirs = set(events.filter(**whose).values_list("pgh_obj_id", flat=True))
    return _blank(events.filter(pgh_obj_id__in=theirs))


def _blank(events: QuerySet[Any]) -> set[int]:
    numbers = set(events.values_list("pk", flat=True))
    blanked: dict[str, Any] = dict.fromkeys(values_of(events.model), None)
    with_reason = events.filter(pgh_context__has_key="reason")
    for event in with_reason:
        event.pgh_context.pop("reason")
        event.save(update_fields=["pgh_context"])
    events.update(**blanked)
    return numbers


def _mask_reasons(events: QuerySet[Any], site_path: str, code: str, site_id: int) -> set[int]:
    """Take the code out of the reasons that the site's people wrote for other rows."""
    mask, numbers = masking([code]), set()
    written = events.filter(pgh_context__has_key="reason", **{site_path: site_id})
    for event in written.filter(pgh_context__reason__icontains=code):
        event.pgh_context["reason"] = masked(event.pgh_context["reason"], mask)
        event.save(update_fields=["pgh_context"])
        numbers.add(event.pk)
    return numbers
