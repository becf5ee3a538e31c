"""Recording consent, and its withdrawal."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from django.db import transaction

from cohorts import clock
from cohorts.errors import AlreadyWithdrawn
from cohorts.models import Change, Consent, ConsentForm, Participant, User, Withdrawal
from cohorts.retrying import retried
from cohorts.services.identity import refuse_merged


@retried
@transaction.atomic
def record_consent(
    participant_id: int,
    *,
    form: ConsentForm | None,
    basis: str,
    signed_on: date,
    scopes: Collection[str],
    by: User | None,
) -> Consent:
    """Record what a participant signed; it replaces what was granted before, and a withdrawal."""
    participant = (
        Participant.objects.select_for_update(of=("self",))
        .select_related("site__study", "merged_into")
        .get(pk=participant_id)
    )
    refuse_merged(participant)
    consent = Consent(
        participant=participant,
        form=form,
        basis=basis,
        signed_on=signed_on,
        scopes=sorted(scopes),
        recorded_by=by,
    )
    consent.full_clean()
    consent.save()
    _note_change(participant, "consent", "consent recorded")
    return consent


@retried
@transaction.atomic
def withdraw(participant_id: int, *, level: int, by: User | None, note: str = "") -> Withdrawal:
    """Record a withdrawal, in force at once.

    From level 3 on no run that starts or publishes later reads this participant. Level 4 stops
    every use at once; the removal itself needs a second person's approval.
    """
    participant = (
        Participant.objects.select_for_update(of=("self",))
        .select_related("site__study", "merged_into")
        .get(pk=participant_id)
    )
    refuse_merged(participant)
    today = clock.today()
    standing = Withdrawal.objects.filter(participant=participant).effective(today)
    highest = max(standing.values_list("level", flat=True), default=0)
    if level <= highest:
        words = Withdrawal.Level(highest).label
        raise AlreadyWithdrawn(
            f"{participant.code} has withdrawn already ({words}); a level can be raised, "
            "and lowering it is a new consent."
        )
    withdrawal = Withdrawal(
        participant=participant, level=level, effective_on=today, recorded_by=by, note=note
    )
    withdrawal.full_clean()
    withdrawal.save()
    _note_change(participant, "withdrawal", f"withdrawal: {withdrawal.get_level_display()}")
    return withdrawal


def _note_change(participant: Participant, kind: str, cause: str) -> None:
    site = participant.site
    Change.objects.record(study=site.study, site=site, kind=kind, counts={kind: 1}, cause=cause)
