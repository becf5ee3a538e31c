"""Records of a site in the shape of the tables that are sent, to compare a table with."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from cohorts.ingest.assessments import AssessmentRow, CheckedAssessments
from cohorts.ingest.comparison import SentRecord
from cohorts.ingest.participants import CheckedParticipants, ParticipantRow
from cohorts.ingest.samples import CheckedSamples, SampleRow
from cohorts.models import Assessment, Participant, Sample, Site
from cohorts.services.biobank import moment

Standing = Mapping[Hashable, Mapping[str, Any]]
TIMES = ("collected_at", "spun_at", "frozen_at")
# Consent is a record of its own: it is signed anew, never corrected by a table.
OF_A_PERSON = ("sex", "group", "enrolled_on", "birth_year", "age_years", "drug_free")
OF_CONTEXT = "variable:"
RELATED = {"participant": "participant__code", "parent": "parent__code", "visit": "visit__label"}


def sent_records(
    site: Site, checked: CheckedParticipants | CheckedSamples | CheckedAssessments
) -> list[SentRecord]:
    """The rows of a checked table as comparable cells: those of the columns that it has."""
    if isinstance(checked, CheckedParticipants):
        return [_sent_person(row, checked.columns, checked.variables) for row in checked.rows]
    if isinstance(checked, CheckedSamples):
        zone = ZoneInfo(site.time_zone)
        return [_sent_sample(row, checked.columns, zone) for row in checked.rows]
    return [_sent_assessment(row, checked.columns, checked.variables) for row in checked.rows]


def standing_records(site: Site, kind: str, sent: Iterable[SentRecord]) -> Standing:
    """The records that the rows speak of, by the same key."""
    if kind == "participants":
        people = Participant.objects.filter(site=site)
        return {
            row.pop("code"): row | _cells_of(row.pop("variables"))
            for row in people.values("code", "variables", *OF_A_PERSON)
        }
    if kind == "samples":
        return _standing_samples(site, {name for each in sent for name in each.cells})
    return _standing_assessments(site)


def _cells_of(variables: Mapping[str, Any], names: Iterable[str] | None = None) -> dict[str, Any]:
    """Context variables as cells, under names that no column of the record has."""
    wanted = variables if names is None else names
    return {f"{OF_CONTEXT}{name}": variables.get(name) for name in wanted}


def _sent_person(
    row: ParticipantRow, columns: Iterable[str], variables: Iterable[str]
) -> SentRecord:
    cells = {name: getattr(row, name) for name in OF_A_PERSON if name in columns}
    cells |= _cells_of(row.variables, variables)
    return SentRecord(row.row, row.participant, row.participant, cells)


def _sent_sample(row: SampleRow, columns: Iterable[str], zone: ZoneInfo) -> SentRecord:
    cells: dict[str, Any] = {}
    for name in columns:
        if name == "sample":
            continue
        value = getattr(row, name)
        cells[name] = moment(value, zone) if name in TIMES else value
    return SentRecord(row.row, row.sample, row.sample, cells)


def _standing_samples(site: Site, columns: Iterable[str]) -> Standing:
    zone = ZoneInfo(site.time_zone)
    paths = {name: RELATED.get(name, name) for name in columns}
    known: dict[Hashable, Mapping[str, Any]] = {}
    for record in Sample.objects.filter(site=site).values("code", *paths.values()):
        cells = {name: record[path] for name, path in paths.items()}
        known[record["code"]] = {name: _plain(name, value, zone) for name, value in cells.items()}
    return known


def _plain(name: str, value: Any, zone: ZoneInfo) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(zone)
    return "" if name in ("parent", "visit") and value is None else value


def _sent_assessment(
    row: AssessmentRow, columns: Iterable[str], variables: Iterable[str]
) -> SentRecord:
    plain = [name for name in ("language", "total", "visit") if name in columns]
    cells: dict[str, Any] = {name: getattr(row, name) for name in plain}
    if any(name.startswith("item_") for name in columns):
        cells |= {f"item_{n}": answer for n, answer in enumerate(row.items, start=1)}
    cells |= _cells_of(row.variables, variables)
    key = (row.participant, row.instrument, row.assessed_on)
    return SentRecord(row.row, key, f"{row.participant} {row.instrument} {row.assessed_on}", cells)


def _standing_assessments(site: Site) -> Standing:
    known: dict[Hashable, Mapping[str, Any]] = {}
    for each in Assessment.objects.filter(participant__site=site).select_related(
        "participant", "instrument", "visit"
    ):
        items = {f"item_{n}": answer for n, answer in enumerate(each.items, start=1)}
        visit = each.visit.label if each.visit else ""
        known[each.participant.code, each.instrument.code, each.assessed_on] = items | {
            "language": each.language,
            "total": each.sent_total,
            "visit": visit,
            **_cells_of(each.variables),
        }
    return known
