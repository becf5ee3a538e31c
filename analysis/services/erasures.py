"""Erasures that are due: removed from the records and, in the same transaction, from the inputs."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import Model, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from analysis.models import Run, RunDocument, Snapshot, StepResult
from cohorts.ingest.redaction import masked, masking
from cohorts.models import Participant
from cohorts.models.consent import Withdrawal
from cohorts.services.erasing import erasure, ledger, personal_files, redactions
from cohorts.services.erasing.erasure import Removed

logger = logging.getLogger(__name__)
ROUND_UP_TO = 5
WRITTEN = {Run: ("left_out", "cause", "failure"), RunDocument: ("data",)}


def execute_due(now: datetime | None = None) -> int:
    """Carry out the erasures whose wait is over; how many. One that fails waits for the next sweep.

    One transaction a person: records, files, snapshots and the words of runs change together.
    """
    at, done = now or timezone.now(), 0
    for erasure_id in erasure.due(at):
        try:
            done += _execute(erasure_id, at)
        except (DatabaseError, OSError):
            # No other erasure waits for this one; the records are as they were.
            logger.exception("erasure %s could not be carried out; it is tried again", erasure_id)
    redactions.remove_replaced()
    personal_files.remove()
    ledger.write_down()
    return done


def replay(now: datetime | None = None) -> tuple[int, int]:
    """Carry out again what the ledger tells and a restored database does not know.

    How many people, and how many tombstones of people whom the backup did not hold.
    """
    at, people, stones = now or timezone.now(), 0, 0
    for stone in ledger.unknown_here():
        found = ledger.participant_of(stone)
        with transaction.atomic(durable=True):
            if found is None:
                ledger.lay_again(stone)
                stones += 1
                continue
            _forget(erasure.again(found, stone, at=at))
            people += 1
    redactions.remove_replaced()
    personal_files.remove()
    return people, stones


def later_withdrawn(snapshot: Snapshot | None) -> int:
    """How many of a snapshot's people were erased or may not be used since, rounded up to 5.

    Rounded up, so that one person is told and cannot be told from five.
    """
    if snapshot is None:
        return 0
    inside = Participant.objects.filter(pk__in=snapshot.participant_ids)
    stopped = Withdrawal.objects.effective(timezone.localdate()).stopping_use()
    n = inside.filter(pk__in=stopped.values("participant")).count() + snapshot.later_erased
    return -(-n // ROUND_UP_TO) * ROUND_UP_TO


def _execute(erasure_id: int, at: datetime) -> bool:
    with transaction.atomic(durable=True):
        removed = erasure.execute(erasure_id, at=at)
        if removed is None:
            return False
        _forget(removed)
    return True


def _forget(removed: Removed) -> None:
    """Of the person, and of records that were merged into theirs: rows, kept steps and words."""
    for each in (removed, *removed.merged):
        _forget_rows(each)
        StepResult.objects.that_saw(each.participant_id).delete()
        _mask_runs(each)


def _forget_rows(removed: Removed) -> None:
    """Take the person's row numbers out of every snapshot, and count that there were some."""
    gone = {
        "participant_ids": {removed.participant_id},
        "assay_row_ids": set(removed.assay_row_ids),
        "assessment_ids": set(removed.assessment_ids),
    }
    held = Q(participant_ids__contains=[removed.participant_id])
    for snapshot in Snapshot.objects.filter(held).select_for_update().iterator():
        for name, ids in gone.items():
            setattr(snapshot, name, [pk for pk in getattr(snapshot, name) if pk not in ids])
        snapshot.later_erased += 1
        snapshot.save(update_fields=[*gone, "later_erased"])


def _mask_runs(removed: Removed) -> None:
    """Take the code out of what runs say in words; no number of a run changes."""
    runs = Run.objects.filter(plan__study=removed.site.study)
    for model, names in WRITTEN.items():
        rows = runs if model is Run else RunDocument.objects.filter(run__in=runs)
        for name in names:
            _mask(rows, name, removed)


def _mask(rows: QuerySet[Any], name: str, removed: Removed) -> None:
    mask = masking([removed.code])
    found = rows.annotate(written=Cast(name, TextField())).filter(written__contains=removed.code)
    row: Model
    for row in found.select_for_update(of=("self",)):
        said = getattr(row, name)
        if removed.code_elsewhere and isinstance(said, list):
            # Another site has a participant of that code: its own lines stay.
            said = [
                line if line.get("site") != removed.site.code else masked(line, mask)
                for line in said
            ]
        elif not removed.code_elsewhere:
            said = masked(said, mask)
        longest = getattr(row._meta.get_field(name), "max_length", None)
        setattr(row, name, said[:longest] if isinstance(said, str) else said)
        row.save(update_fields=[name])
