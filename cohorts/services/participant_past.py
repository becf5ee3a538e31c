"""What became of a participant's record, with merges and links told by code and in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from cohorts.language.sentences import say
from cohorts.models import EVENTS, Participant
from cohorts.services.audit import history
from cohorts.services.audit.history import Past

_IN_WORDS = ("merged_into_id", "person")


def past_of(person: Participant) -> list[tuple[Past, str]]:
    """Every event, the newest first, with what its fields do not tell."""
    merged = _merged_into(person)
    return [(_plain(each), _words(each, merged, person)) for each in history.past_of(person)]


def _plain(event: Past) -> Past:
    return replace(event, changed=tuple(one for one in event.changed if one[0] not in _IN_WORDS))


def _merged_into(person: Participant) -> dict[datetime, str]:
    """When which second record was merged into this one."""
    kept = EVENTS[Participant]._default_manager.filter(merged_into_id=person.pk, pgh_label="update")
    found: dict[datetime, str] = {}
    seen: set[int] = set()
    events = kept.order_by("pgh_id").values_list("pgh_obj_id", "pgh_created_at", "code")
    for row, at, code in events:
        if row not in seen:  # what is corrected of it later is no second merge
            found[at] = code
        seen.add(row)
    return found


def _words(event: Past, merged: dict[datetime, str], person: Participant) -> str:
    fields = {name: now for name, _, now in event.changed}
    if event.at in merged:
        return say("%(code)s was merged into this record", code=merged[event.at])
    if fields.get("merged_into_id") and person.merged_into is not None:
        return say("merged into %(code)s", code=person.merged_into.code)
    if event.what == "update" and ("person" in fields or not fields):
        if fields.get("person", person.person) is None:
            return say("no longer linked with a record at another site")
        return say("linked with a record at another site")
    return ""
