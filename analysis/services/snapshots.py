"""What is lawful and accepted at one moment, and the digest that names it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection
from datetime import date

from django.db import connection, transaction
from django.db.models import BigIntegerField, F, Func, QuerySet

from analysis import frames, pools
from analysis.membership import one_of
from analysis.models import Plan, Snapshot
from cohorts import clock
from cohorts.language.sentences import say
from cohorts.models import (
    AssayBatch,
    AssayRow,
    Assessment,
    BatchFeature,
    Change,
    Consent,
    Participant,
    Withdrawal,
)


def take(plan: Plan) -> tuple[Snapshot, frames.StudyFrames]:
    """The snapshot of now, stored, and its rows as frames, both read at one moment."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            # One moment for all reads: a correction half-way would not be in the digest.
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        snapshot = _read(plan)
        read = frames.read(snapshot, plan.parsed)
    stored, _ = Snapshot.objects.get_or_create(
        digest=snapshot.digest,
        defaults={
            name: getattr(snapshot, name)
            for name in (
                "study",
                "change_seen",
                "participant_ids",
                "assay_row_ids",
                "assessment_ids",
                "left_out",
            )
        },
    )
    stored.change_seen = snapshot.change_seen
    return stored, read


def look(plan: Plan) -> tuple[Snapshot, frames.StudyFrames]:
    """What a snapshot of now would hold, both read at one moment; nothing is stored."""
    with transaction.atomic():
        snapshot = _read(plan)
        return snapshot, frames.read(snapshot, plan.parsed)


def still_lawful(snapshot: Snapshot, scopes: Collection[str]) -> bool:
    """Whether everybody in the snapshot may still be used, today, and every batch.

    Whom it holds is read where it is stored: thousands of numbers in a question that is asked
    twice a second cost more than its answer.
    """
    # Somebody who was erased is in its numbers, and no longer among its people.
    if snapshot.later_erased:
        return False
    today = clock.today()
    people = Participant.objects.filter(pk__in=_stored(snapshot, "participant_ids"))
    if people.consenting_to(scopes, today).count() != len(snapshot.participant_ids):
        return False
    rows = AssayRow.objects.filter(pk__in=_stored(snapshot, "assay_row_ids"))
    read = AssayBatch.objects.filter(pk__in=rows.values("batch"))
    return not read.exclude(pk__in=AssayBatch.objects.usable(today).values("pk")).exists()


def _stored(snapshot: Snapshot, name: str) -> QuerySet[Snapshot, int]:
    """The numbers of one of a snapshot's lists, as a query."""
    each = Func(F(name), function="unnest", output_field=BigIntegerField())
    each.set_returning = True
    return (
        Snapshot.objects.filter(pk=snapshot.pk)
        .annotate(number=each)
        .values_list("number", flat=True)
    )


def _read(plan: Plan) -> Snapshot:
    scopes, today = plan.parsed.scopes, clock.today()
    enrolled = Participant.objects.filter(site__study=plan.study)
    people = list(enrolled.consenting_to(scopes, today).order_by("pk").values_list("pk", "version"))
    ids = [pk for pk, _ in people]
    batches = AssayBatch.objects.usable(today).filter(site__study=plan.study)
    rows = AssayRow.objects.filter(
        one_of("sample__participant", ids),
        batch__in=batches,
        sample_type=AssayRow.Type.STUDY,
    ).order_by("pk")
    columns = BatchFeature.objects.filter(batch__in=batches, feature__ignored=False).order_by(
        "batch_id", "position"
    )
    assessments = Assessment.objects.filter(one_of("participant", ids)).order_by("pk")
    # A corrected record of handling is other data, though no row came or went.
    recorded = list(rows.values_list("pk", *(f"sample__{name}" for name in frames.OF_SAMPLE)))
    scored = list(assessments.values_list("pk", "score"))
    content = {
        "study": plan.study.code,
        "participants": people,
        "rows": recorded,
        "columns": list(columns.values_list("pk", "feature__name", "feature__hmdb", "factor")),
        "assessments": scored,
    }
    if plan.parsed.language_check:
        content["answers"] = list(assessments.values_list("pk", "language", "items"))
    if plan.parsed.qc_correction:
        # Pools are nobody's blood alone: they need no consent, and are fixed by their batches.
        found = pools.rows_of([batch.pk for batch in batches])
        content["pools"] = list(found.values_list("pk", "injection_order"))
        content["injections"] = list(rows.values_list("pk", "injection_order"))
    text = json.dumps(content, separators=(",", ":"), default=str)
    return Snapshot(
        study=plan.study,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        change_seen=Change.objects.newest(plan.study),
        participant_ids=ids,
        assay_row_ids=[row[0] for row in recorded],
        assessment_ids=[pk for pk, _ in scored],
        left_out=[*_left_out(plan, set(ids), today), *_under_embargo(plan, today)],
    )


def _left_out(plan: Plan, inside: set[int], today: date) -> list[dict[str, object]]:
    """Who is enrolled and not in the snapshot, counted by site and reason."""
    people = Participant.objects.filter(site__study=plan.study).counted()
    enrolled = people.exclude(pk__in=inside)
    withdrawn = set(
        Withdrawal.objects.filter(participant__in=enrolled)
        .effective(today)
        .stopping_use()
        .values_list("participant_id", flat=True)
    )
    consented = set(
        Consent.objects.filter(participant__in=enrolled)
        .in_force(today)
        .values_list("participant_id", flat=True)
    )
    signed = set(
        Consent.objects.filter(participant__in=enrolled, signed_on__lte=today).values_list(
            "participant_id", flat=True
        )
    )
    counts: Counter[tuple[str, str]] = Counter()
    for pk, site in enrolled.values_list("pk", "site__code"):
        if pk in withdrawn:
            counts[site, "consent withdrawn"] += 1
        elif pk in consented:
            counts[site, say("the consent lacks a scope that the plan needs")] += 1
        elif pk in signed:
            counts[site, say("the consent form's window is not open")] += 1
        else:
            counts[site, say("no consent on record")] += 1
    return [
        {"site": site, "what": "participants", "n": n, "why": why}
        for (site, why), n in sorted(counts.items())
    ]


def _under_embargo(plan: Plan, today: date) -> list[dict[str, object]]:
    """Accepted batches that no run may use yet, by site."""
    waiting = (
        AssayBatch.objects.accepted()
        .filter(site__study=plan.study)
        .exclude(pk__in=AssayBatch.objects.usable(today).values("pk"))
        .order_by("site__code", "embargo_until", "pk")
    )
    counts = Counter(waiting.values_list("site__code", "embargo_until"))
    return [
        {
            "site": site,
            "what": "assay batches",
            "n": n,
            "why": say("under embargo until %(until)s", until=until),
            "in_general": "under embargo",
        }
        for (site, until), n in counts.items()
    ]
