"""Registering blood samples."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from cohorts.ingest.samples import SampleRow
from cohorts.models import Participant, Sample, Site, Visit


def register_samples(site: Site, rows: Sequence[SampleRow]) -> None:
    """Register checked rows, parents before their derivatives; inside the upload's transaction."""
    participants = dict(Participant.objects.filter(site=site).values_list("code", "pk"))
    visits = visits_of(site, {(row.participant, row.visit) for row in rows if row.visit})
    zone = ZoneInfo(site.time_zone)
    made = Sample.objects.bulk_create(
        Sample(
            site=site,
            participant_id=participants[row.participant],
            visit=visits.get((row.participant, row.visit)),
            code=row.sample,
            material=row.material,
            tube=row.tube,
            collected_at=moment(row.collected_at, zone),
            spun_at=moment(row.spun_at, zone),
            frozen_at=moment(row.frozen_at, zone),
            temperature=row.temperature,
            centrifugation=row.centrifugation,
            second_centrifugation=row.second_centrifugation,
            storage=row.storage,
            fasting_hours=row.fasting_hours,
            haemolysis_index=row.haemolysis_index,
            light_protected=row.light_protected,
            freeze_thaws=row.freeze_thaws,
        )
        for row in rows
    )
    known = dict(Sample.objects.filter(site=site).values_list("code", "pk"))
    children = [(sample, row.parent) for sample, row in zip(made, rows, strict=True) if row.parent]
    for sample, parent in children:
        sample.parent_id = known[parent]
    Sample.objects.bulk_update([sample for sample, _ in children], ["parent"], batch_size=500)


def visits_of(site: Site, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], Visit]:
    """Visits by participant code and label; those not yet known are opened."""
    found = {
        (visit.participant.code, visit.label): visit
        for visit in Visit.objects.filter(participant__site=site).select_related("participant")
    }
    people = {p.code: p for p in Participant.objects.filter(site=site)}
    for code, label in sorted(wanted - found.keys()):
        found[code, label] = Visit.objects.create(participant=people[code], label=label)
    return found


def moment(when: datetime | date | None, zone: ZoneInfo) -> datetime | None:
    """A time as the site means it: its own zone unless the table says another."""
    if when is None:
        return None
    if not isinstance(when, datetime):
        return datetime(when.year, when.month, when.day, tzinfo=zone)
    return when if when.tzinfo else when.replace(tzinfo=zone)
