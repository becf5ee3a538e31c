"""What of a site's books may leave it, as plain data: nobody who stopped further use."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np
from django.db.models import QuerySet
from django.utils import timezone

from cohorts.errors import UnusableRequest
from cohorts.language.sentences import say
from cohorts.models import AssayBatch, AssayRow, Consent, Participant, Sample, Site, Withdrawal
from cohorts.outgoing.assay_records import OutAssayed, OutBatch, OutFeature
from cohorts.outgoing.records import OutPerson, OutSample, OutSite

_THERE = (Sample.Status.STORED, Sample.Status.IN_TRANSIT)


def records_of(site: Site, *, scopes: Collection[str] = ()) -> OutSite:
    """People and samples as of now; with ``scopes``, only those whose consent grants them all."""
    today = timezone.localdate()
    people = people_of(site, scopes=scopes)
    consents = {
        consent.participant_id: consent
        for consent in Consent.objects.filter(participant__in=people).in_force(today)
    }
    clock = ZoneInfo(site.time_zone)
    wishes: dict[int, list[Withdrawal]] = {}
    for wish in Withdrawal.objects.filter(participant__in=people).effective(today):
        wishes.setdefault(wish.participant_id, []).append(wish)
    samples = Sample.objects.filter(participant__in=people).order_by("code")
    return OutSite(
        study=site.study.code,
        title=site.study.title,
        site=site.code,
        name=site.name,
        country=site.country,
        people=tuple(
            _person(person, consents.get(person.pk), wishes.get(person.pk, [])) for person in people
        ),
        samples=tuple(
            _sample(each, clock) for each in samples.select_related("participant", "parent")
        ),
        written_on=today,
    )


def people_of(site: Site, *, scopes: Collection[str] = ()) -> QuerySet[Participant]:
    """Who did not stop further use and, with ``scopes``, whose consent in force grants them."""
    today = timezone.localdate()
    stopped = Withdrawal.objects.effective(today).stopping_use().values("participant")
    people = Participant.objects.filter(site=site).exclude(pk__in=stopped).order_by("code")
    if scopes:
        granted = Consent.objects.in_force(today).granting(scopes).values("participant")
        people = people.filter(pk__in=granted)
    return people


def with_batches(
    records: OutSite, site: Site, numbers: Collection[int], *, free_only: bool = False
) -> OutSite:
    """The records with the accepted batches of those numbers; all of the site's without numbers.

    ``free_only`` leaves out what an embargo holds. Raises UnusableRequest naming a number that
    is not there.
    """
    batches = AssayBatch.objects.filter(site=site).accepted().order_by("pk")
    if free_only:
        batches = batches.usable(timezone.localdate())
    if numbers:
        batches = batches.filter(pk__in=numbers)
        missing = sorted(set(numbers) - set(batches.values_list("pk", flat=True)))
        if missing:
            raise UnusableRequest(
                say(
                    "%(site)s has no batch %(missing)s that may be exported: it is voided, "
                    "held back or another site's.",
                    site=site.code,
                    missing=missing[0],
                )
            )
    # A batch of pools and blanks alone is nobody's values.
    made = tuple(
        batch
        for batch in _batches(batches, records.people)
        if any(one.participant for one in batch.samples)
    )
    if not made:
        raise UnusableRequest(
            say("%(site)s has no assay values that may be exported.", site=site.code)
        )
    return replace(records, batches=made)


def _batches(batches: Iterable[AssayBatch], people: Iterable[OutPerson]) -> Iterable[OutBatch]:
    by_code = {person.code: person for person in people}
    for batch in batches:
        stored = AssayRow.objects.filter(batch=batch).select_related("sample__participant")
        rows = [
            row
            for row in stored.order_by("pk")
            if row.sample is None or row.sample.participant.code in by_code
        ]
        columns = batch.columns.select_related("feature").order_by("position")
        features = tuple(
            OutFeature(
                name=column.feature.name,
                source_name=column.source_name,
                unit=column.unit,
                hmdb=column.feature.hmdb,
                chebi=column.feature.chebi,
                inchikey=column.feature.inchikey,
            )
            for column in columns
        )
        yield _batch(batch, features, rows, by_code)


def _batch(
    batch: AssayBatch,
    features: tuple[OutFeature, ...],
    rows: list[AssayRow],
    people: dict[str, OutPerson],
) -> OutBatch:
    shape = (len(rows), len(features))
    values, flags = np.empty(shape), np.empty(shape, dtype=np.uint8)
    for n, row in enumerate(rows):
        values[n], flags[n] = row.values, row.flags
    return OutBatch(
        key=batch.pk,
        label=batch.label,
        platform=batch.platform,
        matrix=batch.matrix,
        scale=batch.scale,
        run_date=batch.run_date,
        features=features,
        samples=tuple(_assayed(rows, people)),
        values=values,
        flags=flags,
    )


def _assayed(rows: Sequence[AssayRow], people: dict[str, OutPerson]) -> Iterator[OutAssayed]:
    """Every row under a name of its own: pools and blanks often share one."""
    taken = {row.sample.code for row in rows if row.sample is not None}
    for row in rows:
        if row.sample is not None:
            person = people[row.sample.participant.code]
            yield OutAssayed(
                row.sample.code,
                person.code,
                person.group,
                person.sex,
                injection_order=row.injection_order,
            )
            continue
        name = row.label or row.sample_type
        number = 1
        while name in taken:
            number += 1
            name = f"{row.label or row.sample_type} {number}"
        taken.add(name)
        yield OutAssayed(name, kind=row.sample_type, injection_order=row.injection_order)


def _sample(sample: Sample, clock: ZoneInfo) -> OutSample:
    return OutSample(
        sample.code,
        sample.participant.code,
        sample.material,
        sample.tube,
        sample.collected_at.astimezone(clock) if sample.collected_at else None,
        sample.parent.code if sample.parent else "",
        is_there=sample.status in _THERE,
    )


def _person(
    person: Participant, consent: Consent | None, wishes: Sequence[Withdrawal]
) -> OutPerson:
    scopes = consent.scopes if consent else ()
    stops = [wish.told_on for wish in wishes if wish.level >= Withdrawal.Level.NO_FURTHER_DATA]
    return OutPerson(
        code=person.code,
        sex=person.sex,
        group=person.group,
        enrolled_on=person.enrolled_on,
        birth_year=person.birth_year,
        age_years=person.age_at_enrolment,
        consented_on=consent.signed_on if consent else None,
        scopes=tuple(scope for scope in scopes if not (wishes and scope == "recontact")),
        variables=person.variables,
        stopped_on=min(stops, default=None),
    )
