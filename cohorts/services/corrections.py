"""Records that a table sent again corrects: the record follows the table, the cells are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.core.exceptions import ValidationError

from cohorts import history
from cohorts.ingest.assessments import AssessmentRow, CheckedAssessments
from cohorts.ingest.comparison import Comparison, SentRecord, compare
from cohorts.ingest.participants import CheckedParticipants, ParticipantRow
from cohorts.ingest.report import Fault
from cohorts.ingest.samples import CheckedSamples, SampleRow
from cohorts.language.sentences import say
from cohorts.models import Assessment, Consent, Participant, Sample, SecondEntry, Site, Upload
from cohorts.scoring import SCORING_VERSION
from cohorts.services import entries
from cohorts.services.biobank import visits_of
from cohorts.services.phenotyping import score_of
from cohorts.services.tables.standing import (
    OF_A_PERSON,
    OF_CONTEXT,
    RELATED,
    sent_records,
    standing_records,
)

CheckedRecords = CheckedParticipants | CheckedSamples | CheckedAssessments


@dataclass(frozen=True)
class RecordPlan:
    """What a table of records would do; ``faults`` are those that only the books can tell."""

    sent: tuple[SentRecord, ...]
    comparison: Comparison
    faults: tuple[Fault, ...] = ()


def plan(site: Site, kind: str, checked: CheckedRecords) -> RecordPlan:
    """Compare a checked table with the books, and find what no correction may do."""
    sent = sent_records(site, checked)
    comparison = compare(sent, standing_records(site, kind, sent))
    if isinstance(checked, CheckedParticipants):
        faults = _changed_consents(site, checked.rows, comparison)
    elif isinstance(checked, CheckedSamples):
        faults = _left_derivatives(site, checked.rows, comparison)
    else:
        faults = []
    made = RecordPlan(tuple(sent), comparison)
    # With cells of the table beside cells of the books, a rule may break that neither breaks.
    faults += _broken_rules(site, kind, made)
    return replace(made, faults=tuple(faults))


def new_of(checked: CheckedRecords, made: RecordPlan) -> CheckedRecords:
    """The rows of the table that the books do not have."""
    new = made.comparison.new
    if isinstance(checked, CheckedParticipants):
        return replace(checked, rows=tuple(row for row in checked.rows if row.row in new))
    if isinstance(checked, CheckedSamples):
        return replace(checked, rows=tuple(row for row in checked.rows if row.row in new))
    return replace(checked, rows=tuple(row for row in checked.rows if row.row in new))


def apply(site: Site, upload: Upload, checked: CheckedRecords, made: RecordPlan) -> None:
    """Correct the changed records, inside the upload's transaction; its reason is theirs."""
    if not made.comparison.changed:
        return
    # What each row was stays with its events, and this reason beside it.
    with history.because(upload.reason, upload=str(upload.pk)):
        if isinstance(checked, CheckedParticipants):
            _correct_people(site, made)
        elif isinstance(checked, CheckedSamples):
            _correct_samples(site, made)
        else:
            _correct_assessments(site, checked.rows, made)


def _changed_consents(
    site: Site, rows: Sequence[ParticipantRow], comparison: Comparison
) -> list[Fault]:
    on_record = {
        (code, signed_on, tuple(sorted(scopes)))
        for code, signed_on, scopes in Consent.objects.filter(participant__site=site).values_list(
            "participant__code", "signed_on", "scopes"
        )
    }
    return [
        Fault(
            row.row,
            "consent_scopes",
            "consent_not_corrected",
            say(
                "%(participant)s has no such consent on record, and a table does not "
                "change the consent of somebody enrolled; record it on the consent page, "
                "or empty these cells.",
                participant=row.participant,
            ),
        )
        for row in rows
        if row.row not in comparison.new
        and row.consent_signed_on is not None
        and (row.participant, row.consent_signed_on, tuple(sorted(row.consent_scopes)))
        not in on_record
    ]


def _left_derivatives(site: Site, rows: Sequence[SampleRow], comparison: Comparison) -> list[Fault]:
    """A tube that moves to another participant takes what was made of it along."""
    moved = {
        row.sample: row
        for row in rows
        if any(cell.column == "participant" for cell in comparison.changed.get(row.row, ()))
    }
    sent = {row.sample: row.participant for row in rows}
    derived = Sample.objects.filter(site=site, parent__code__in=moved)
    return [
        Fault(
            moved[parent].row,
            "participant",
            "derivative_left",
            say(
                '"%(code)s" was made of this sample; send it in this table too, with '
                "the same participant.",
                code=code,
            ),
        )
        for code, parent, person in derived.values_list("code", "parent__code", "participant__code")
        if sent.get(code, person) != moved[parent].participant
    ]


def _broken_rules(site: Site, kind: str, made: RecordPlan) -> list[Fault]:
    if kind == "assessments":
        return []
    model: type[Participant] | type[Sample] = Participant if kind == "participants" else Sample
    changes = _changed_values(made)
    faults = []
    for record in model.objects.filter(site=site, code__in=changes):
        sent, values = changes[record.code]
        plain = {name: value for name, value in values.items() if name not in RELATED}
        _set(record, plain)
        try:
            record.validate_constraints(exclude={"code"})
        except ValidationError as broken:
            column = next(iter(plain), None)
            faults += [Fault(sent.row, column, "rule", words) for words in broken.messages]
    return faults


def _changed_values(made: RecordPlan) -> dict[str, tuple[SentRecord, dict[str, Any]]]:
    """By record: its row, and the new values of the cells that differ."""
    rows = {each.row: each for each in made.sent}
    return {
        rows[number].record: (
            rows[number],
            {cell.column: rows[number].cells[cell.column] for cell in cells},
        )
        for number, cells in made.comparison.changed.items()
    }


def _correct_people(site: Site, made: RecordPlan) -> None:
    changes = _changed_values(made)
    people = list(Participant.objects.select_for_update().filter(site=site, code__in=changes))
    for person in people:
        _set(person, changes[person.code][1])
        person.version += 1
    Participant.objects.bulk_update(people, [*OF_A_PERSON, "variables", "version"], batch_size=500)


def _correct_samples(site: Site, made: RecordPlan) -> None:
    changes = _changed_values(made)
    tubes = list(Sample.objects.select_for_update().filter(site=site, code__in=changes))
    people = dict(Participant.objects.filter(site=site).values_list("code", "pk"))
    owner_of = {pk: code for code, pk in people.items()}
    parents = dict(Sample.objects.filter(site=site).values_list("code", "pk"))
    for tube in tubes:
        values = dict(changes[tube.code][1])
        if "participant" in values:
            tube.participant_id = people[values.pop("participant")]
        if "parent" in values:
            tube.parent_id = parents.get(values.pop("parent"))
        if "visit" in values:
            label, person = values.pop("visit"), owner_of[tube.participant_id]
            visits = visits_of(site, {(person, label)} if label else set())
            tube.visit = visits.get((person, label))
        _set(tube, values)
    names = sorted({name for _, values in changes.values() for name in values})
    Sample.objects.bulk_update(tubes, names, batch_size=500)


def _correct_assessments(site: Site, sent: Sequence[AssessmentRow], made: RecordPlan) -> None:
    rows = {row.row: row for row in sent if row.row in made.comparison.changed}
    found = {
        (each.participant.code, each.instrument.code, each.assessed_on): each
        for each in Assessment.objects.filter(participant__site=site).select_related(
            "participant", "instrument"
        )
    }
    visits = visits_of(site, {(row.participant, row.visit) for row in rows.values() if row.visit})
    answered = []
    for record, values in _changed_values(made).values():
        row = rows[record.row]
        assessment = found[row.participant, row.instrument, row.assessed_on]
        _answer(assessment, row, values)
        if "visit" in values:
            assessment.visit = visits.get((row.participant, row.visit))
        answered.append(assessment)
    Assessment.objects.bulk_update(
        answered,
        ["items", "sent_total", "language", "visit", "variables", "score", "scoring_version"],
    )
    typed_twice = SecondEntry.objects.filter(assessment__in=answered).values("assessment")
    entries.recheck(
        Assessment.objects.filter(pk__in=typed_twice).select_related("participant__site")
    )


def _answer(assessment: Assessment, row: AssessmentRow, values: Mapping[str, Any]) -> None:
    """The answers of the table, scored anew."""
    if any(name.startswith("item_") for name in values):
        assessment.items = list(row.items)
    if "total" in values:
        assessment.sent_total = row.total
    if "language" in values:
        assessment.language = row.language
    assessment.variables = _with_context(assessment.variables, values)
    assessment.score = score_of(assessment.instrument, assessment.items, assessment.sent_total)
    assessment.scoring_version = SCORING_VERSION


def _set(record: Participant | Sample, values: Mapping[str, Any]) -> None:
    if isinstance(record, Participant):
        record.variables = _with_context(record.variables, values)
    for name, value in values.items():
        if not name.startswith(OF_CONTEXT):
            setattr(record, name, value)


def _with_context(before: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The variables with the cells that the table changes; an emptied cell is no value."""
    sent = {
        name.removeprefix(OF_CONTEXT): value
        for name, value in values.items()
        if name.startswith(OF_CONTEXT)
    }
    return {name: value for name, value in {**before, **sent}.items() if value is not None}
