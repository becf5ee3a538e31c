"""Erasing a participant: asked for, approved by another person, carried out after a wait."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from cohorts import access
from cohorts.errors import NotAllowed, RefusedErasure, UnusableRequest
from cohorts.language.sentences import say
from cohorts.models import (
    AssayRow,
    Assessment,
    Change,
    Consent,
    Erasure,
    Participant,
    RecordExport,
    Sample,
    Site,
    User,
    Withdrawal,
)
from cohorts.retrying import transacted
from cohorts.services import consent
from cohorts.services.audit import audit_chain, history
from cohorts.services.erasing import erased_words, ledger, redactions
from cohorts.services.erasing.ledger import Stone
from cohorts.services.identity import refuse_merged
from cohorts.services.samples import destruction

ERASE = Withdrawal.Level.ERASE


@dataclass(frozen=True)
class Removed:
    """Whose rows were removed, for those who keep row numbers; stored and shown nowhere."""

    site: Site
    code: str
    code_elsewhere: bool
    participant_id: int
    assay_row_ids: tuple[int, ...]
    assessment_ids: tuple[int, ...]
    merged: tuple[Removed, ...] = ()


@transacted
def request(participant_id: int, *, by: User, note: str = "") -> Erasure:
    """Ask for the removal of a participant; every use of their data stops at once.

    Raises NotAllowed for a role that does not ask for it, RefusedErasure where one is open.
    """
    person = Participant.objects.locked(participant_id)
    refuse_merged(person)
    asks = [("erasure", "C"), ("withdrawal", "C")]
    if not any(access.may(by, resource, verb, person.site_id) for resource, verb in asks):
        raise NotAllowed(
            say("Your role at %(site)s does not ask for an erasure.", site=person.site.code)
        )
    if Erasure.objects.open().filter(participant=person).exists():
        raise RefusedErasure(
            say("An erasure of %(person)s is open already; approve or stop it.", person=person.code)
        )
    if _standing_level(person) < ERASE:
        consent.withdraw(person.pk, level=ERASE, by=by, note=note)
    erasure = Erasure(site=person.site, participant=person, requested_by=by)
    erasure.full_clean()
    erasure.save()
    return erasure


@transacted
def approve(erasure_id: int, *, by: User) -> Erasure:
    """The second pair of eyes; carried out when the wait is over (HIKI_ERASURE_GRACE_HOURS)."""
    erasure = _open(erasure_id)
    if erasure.requested_by_id == by.pk:
        raise RefusedErasure(say("You asked for this erasure; somebody else must approve it."))
    if not access.may(by, "erasure", "A", erasure.site_id):
        raise NotAllowed(
            say("Your role at %(site)s does not approve an erasure.", site=erasure.site.code)
        )
    if erasure.approved_at is not None:
        raise RefusedErasure(
            say(
                "It is approved already, and is carried out %(due_at)s UTC.",
                due_at=format(due_at(erasure), "%Y-%m-%d %H:%M"),
            )
        )
    erasure.approved_by, erasure.approved_at = by, timezone.now()
    erasure.full_clean()
    erasure.save(update_fields=["approved_by", "approved_at"])
    return erasure


@transacted
def stop(erasure_id: int, *, by: User, reason: str) -> Erasure:
    """Stop an erasure before it is carried out; the withdrawal stands until a new consent."""
    erasure = _open(erasure_id)
    if not any(access.may(by, "erasure", verb, erasure.site_id) for verb in "CA"):
        raise NotAllowed(
            say("Your role at %(site)s does not stop an erasure.", site=erasure.site.code)
        )
    if not reason.strip():
        raise UnusableRequest(say("Say why the erasure is stopped."))
    return _stop(erasure, by=by, reason=reason.strip()[:300], at=timezone.now())


def due_at(erasure: Erasure) -> datetime | None:
    """When an approved erasure is carried out; until then it can be stopped."""
    grace: timedelta = settings.ERASURE_GRACE
    return erasure.approved_at + grace if erasure.approved_at else None


def due(at: datetime) -> list[int]:
    """Erasures to carry out at that time, the first approved first."""
    ready = Erasure.objects.approved_by_time(at - settings.ERASURE_GRACE)
    return list(ready.order_by("approved_at", "pk").values_list("pk", flat=True))


@transacted
def execute(erasure_id: int, *, at: datetime) -> Removed | None:
    """Remove the person from the records; None where there is nothing (more) to do.

    The caller, in the same transaction, takes the row numbers in the answer out of what it keeps,
    and calls `redactions.remove_replaced` after the commit.
    """
    erasure = Erasure.objects.select_for_update(of=("self",)).get(pk=erasure_id)
    person_id = erasure.participant_id
    if person_id is None or erasure_id not in due(at):
        return None
    # The site's row orders its uploads: none is accepted while its people are removed.
    site = Site.objects.locked(erasure.site_id)
    person = Participant.objects.select_for_update().get(pk=person_id)
    if _standing_level(person) < ERASE:
        _stop(erasure, by=None, reason=say("A consent was signed after the request."), at=at)
        return None
    return _remove(erasure, person, site, at=at)


@transacted
def again(person_id: int, stone: Stone, *, at: datetime) -> Removed:
    """Remove somebody who came back with a restored backup, as the ledger says; see `execute`."""
    person = Participant.objects.select_for_update().get(pk=person_id)
    site = Site.objects.locked(person.site_id)
    for still in Erasure.objects.open().filter(participant=person):
        _stop(still, by=None, reason=say("Carried out again from the ledger."), at=at)
    erasure = Erasure.objects.create(
        site=site, participant=person, replayed=True, requested_at=at, approved_at=at
    )
    return _remove(erasure, person, site, at=at, stone=stone)


def _remove(
    erasure: Erasure, person: Participant, site: Site, *, at: datetime, stone: Stone | None = None
) -> Removed:
    # Second records that were merged into this one: their codes stand in files too.
    seconds = list(Participant.objects.filter(merged_into=person))
    removed = replace(
        _removed(person, site), merged=tuple(_removed(each, site) for each in seconds)
    )
    erasure.proof = _proof(person)
    named = [erased_words.codes_of(each) for each in (*seconds, person)]
    files = []
    for each in (*seconds, person):
        files += redactions.rewrite_files(each)
        destruction.order_destruction(each, "erasure")
        destruction.forget(each)
    rows = _delete(person)
    _seal_again(
        *(
            history.forget(gone.participant_id, code=gone.code, site_id=site.pk)
            for gone in (*removed.merged, removed)
        ),
        *(erased_words.mask(codes, site) for codes in named),
    )
    stones = ledger.lay(site, [gone.code for gone in (removed, *removed.merged)], at, stone)
    erasure.participant = None
    erasure.executed_at = at
    erasure.receipt = {"tombstone": str(stones[0].pk), "rows": rows, "files": files}
    erasure.full_clean()
    erasure.save()
    Change.objects.record(
        study=site.study, site=site, kind="erasure", counts=rows, cause=say("erasure carried out")
    )
    return removed


def _open(erasure_id: int) -> Erasure:
    erasure: Erasure = Erasure.objects.select_for_update(of=("self",)).get(pk=erasure_id)
    if erasure.state in ("stopped", "executed"):
        raise RefusedErasure(
            say("This erasure is %(state)s; nothing more can be done with it.", state=erasure.state)
        )
    return erasure


def _stop(erasure: Erasure, *, by: User | None, reason: str, at: datetime) -> Erasure:
    erasure.stopped_by, erasure.stopped_at, erasure.reason = by, at, reason
    erasure.full_clean()
    erasure.save(update_fields=["stopped_by", "stopped_at", "reason"])
    return erasure


def _standing_level(person: Participant) -> int:
    standing = Withdrawal.objects.filter(participant=person).effective(timezone.localdate())
    return standing.highest_level()


def _removed(person: Participant, site: Site) -> Removed:
    rows = AssayRow.objects.filter(sample__participant=person)
    scores = Assessment.objects.filter(participant=person)
    elsewhere = Participant.objects.filter(site__study=site.study, code=person.code)
    return Removed(
        site=site,
        code=person.code,
        code_elsewhere=elsewhere.exclude(pk=person.pk).exists(),
        participant_id=person.pk,
        assay_row_ids=tuple(rows.values_list("pk", flat=True)),
        assessment_ids=tuple(scores.values_list("pk", flat=True)),
    )


def _proof(person: Participant) -> dict[str, Any]:
    """The minimal record of what was granted and taken back: dates, levels, scopes."""
    consents = Consent.objects.filter(participant=person)
    withdrawals = Withdrawal.objects.filter(participant=person)
    return {
        "consents": [{"signed_on": f"{c.signed_on}", "scopes": c.scopes} for c in consents],
        "withdrawals": [{"level": w.level, "effective_on": f"{w.told_on}"} for w in withdrawals],
    }


def _seal_again(*touched: dict[str, set[int]]) -> None:
    """Chain every entry of the audit trail that was emptied or masked, once."""
    together: dict[str, set[int]] = defaultdict(set)
    for found in touched:
        for kind, numbers in found.items():
            together[kind] |= numbers
    audit_chain.seal_again(together)


def _delete(person: Participant) -> dict[str, int]:
    """Delete the person and all that hangs on them; how many rows of each kind that were."""
    RecordExport.objects.filter(people=person).update(n_erased=F("n_erased") + 1)
    # An aliquot protects its tube from deletion; here both go.
    Sample.objects.filter(parent__participant=person).update(parent=None)
    _, counts = person.delete()
    return {label.rpartition(".")[2].lower(): n for label, n in sorted(counts.items()) if n}
