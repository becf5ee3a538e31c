"""A site's REDCap project: at the door what may be stored of it, then whose rows it holds."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cohorts.ingest import participants
from cohorts.ingest.columns import PARTICIPANTS
from cohorts.ingest.encodings import recoded
from cohorts.ingest.facts import ContextVariable, SiteFacts
from cohorts.ingest.formats import redcap
from cohorts.ingest.formats.assay_file import listed
from cohorts.ingest.formats.redcap_dictionary import Variable
from cohorts.ingest.reading import Table, UnreadableFile
from cohorts.ingest.report import MAX_FAULTS, Fault, Findings, Report
from cohorts.language.sentences import say

PLACES = ("participant", "visit", "arm", "repeat_form", "instance")


@dataclass(frozen=True)
class AtTheDoor:
    """``content`` is CSV with a row an export's row, without what names a person or tells freely.

    ``left_out`` are the variables that it lacks, by why.
    """

    content: bytes
    left_out: Mapping[str, tuple[str, ...]]


def at_the_door(
    data: bytes,
    filename: str,
    dictionary: bytes,
    declared: Sequence[ContextVariable],
    encoding: str = "",
) -> AtTheDoor:
    """Read a project by its own dictionary, and keep what a study may hold of it.

    Choices stand under their code where the study declares the variable, which then must have the
    same choices, and under their label elsewhere. Raises UnreadableFile.
    """
    data = recoded(data, encoding, filename) if encoding else data
    export = redcap.read(dictionary, data, filename=filename)
    _refuse_other_choices(export, declared)
    known, ours = export.dictionary.columns(), {each.name for each in declared}
    frame = export.records.frame
    columns = [
        _told(frame[name].tolist(), known[name][0], ours)
        if name in known and name not in PLACES
        else frame[name].tolist()
        for name in frame.columns
    ]
    rows = dict(zip(frame.index.tolist(), zip(*columns, strict=True), strict=True))
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(frame.columns)
    # Blank rows stay, so that a row keeps the number that it has in the export.
    for number in range(2, max(rows) + 1):
        writer.writerow(rows.get(number, ()))
    left_out = {
        "identifier": export.stripped,
        "personal_data": export.unmarked,
        "free_text": export.left_out,
    }
    return AtTheDoor(out.getvalue().encode(), left_out)


def _refuse_other_choices(export: redcap.RedcapExport, declared: Sequence[ContextVariable]) -> None:
    """A code that means something else in the study would be misread, and nobody would see it."""
    for ours in declared:
        theirs = export.dictionary.find(ours.name)
        if theirs is None or not theirs.holds_values:
            continue
        if (theirs.kind, theirs.choices) != (ours.kind, ours.choices):
            raise UnreadableFile(
                say(
                    "%(variable)s is a %(theirs)s in the project and a %(ours)s in the study's "
                    "dictionary: make them alike, or leave the variable out of the export.",
                    variable=ours.name,
                    theirs=_kind_of(theirs),
                    ours=_kind_of(ours),
                )
            )


def _kind_of(variable: ContextVariable) -> str:
    choices = " | ".join(f"{code}, {label}" for code, label in variable.choices[:16])
    return f"{variable.kind} ({choices})" if choices else variable.kind


def _told(texts: Sequence[str], variable: Variable, ours: set[str]) -> Sequence[str]:
    if variable.name in ours or variable.kind == "checkbox" or not variable.choices:
        return texts
    label_of = dict(variable.choices)
    return [label_of.get(text, text) for text in texts]


def check(
    table: Table, facts: SiteFacts, columns: Mapping[str, str]
) -> participants.CheckedParticipants:
    """Check what was kept of a project as a table of participants, one row a person.

    A variable with several values for one person, as over visits, is no trait of the person: it is
    not taken and named. People on the books need none of the columns that enrol somebody.
    """
    if "participant" not in table.columns:
        # Not what `at_the_door` makes: the ordinary check says which columns are missing.
        return participants.check(table, facts)
    people, came_from, changing = _one_row_each(table)
    everybody = set(people.frame["participant"])
    known = facts.corrects and everybody <= set(facts.participants)
    checked = participants.check(
        people,
        facts,
        participants.ParticipantOptions(
            columns=columns,
            ignore_unknown=True,
            required=("participant",) if known else PARTICIPANTS.required,
        ),
    )
    repeated = _repeated(table)
    report = _back_in_place(checked.report, came_from, repeated)
    used = {*checked.variables, *checked.headers}
    report = _with_warnings(report, changing, [c for c in people.columns if c not in used])
    report = replace(report, kind="redcap", n_rows=table.n_rows)
    return replace(checked, rows=checked.rows if report.ok else (), report=report)


def _one_row_each(table: Table) -> tuple[Table, dict[tuple[int, str], int], list[str]]:
    """Each person's row, the row of the export that a cell of it came from, and what changes."""
    frame = table.frame
    variables = [name for name in table.columns if name not in PLACES]
    filled = frame[variables].mask(frame[variables] == "")
    by_person = filled.groupby(frame["participant"], sort=False)
    steady = [name for name in variables if (by_person[name].nunique() <= 1).all()]
    heads = frame.groupby("participant", sort=False).head(1).index
    one_each = by_person[steady].first().fillna("").reset_index().astype("str")
    head_of = dict(zip(one_each["participant"].tolist(), heads.tolist(), strict=True))
    came_from: dict[tuple[int, str], int] = {}
    for name in steady:
        there = frame.loc[frame[name] != "", "participant"]
        for number, person in zip(there.index.tolist(), there.tolist(), strict=True):
            came_from.setdefault((head_of[person], name), number)
    people = replace(table, frame=one_each.set_axis(heads))
    return people, came_from, [name for name in variables if name not in steady]


def _repeated(table: Table) -> tuple[Fault, ...]:
    places = [name for name in PLACES if name in table.columns]
    frame = table.frame[places]
    first: dict[tuple[str, ...], int] = {}
    found = Findings()
    for number, place in zip(frame.index.tolist(), frame.itertuples(index=False), strict=True):
        earlier = first.setdefault(tuple(place), number)
        if earlier != number:
            found.fault(
                number,
                "participant",
                "duplicate_record",
                say(
                    "the same record, event and instance as row %(first)s; keep one.",
                    first=earlier,
                ),
            )
    return found.report("redcap", len(frame), {}).faults


def _back_in_place(
    report: Report, came_from: Mapping[tuple[int, str], int], repeated: tuple[Fault, ...]
) -> Report:
    """Faults under the row of the export in which the cell stands."""
    moved = [
        replace(fault, row=came_from.get((fault.row or 0, fault.column or ""), fault.row))
        for fault in report.faults
    ]
    every = sorted([*moved, *repeated], key=lambda fault: fault.row or 0)
    return replace(report, faults=tuple(every[: MAX_FAULTS + 1]))


def _with_warnings(report: Report, changing: Sequence[str], unused: Sequence[str]) -> Report:
    told = list(report.warnings)
    if changing:
        told.append(
            Fault(
                None,
                None,
                "changing",
                say(
                    "Other values at other visits of one person, so not taken: %(names)s. Send "
                    "them with the day in a table of questionnaires.",
                    names=listed(changing),
                ),
            )
        )
    if unused:
        told.append(
            Fault(
                None,
                None,
                "undeclared",
                say(
                    "Not in the study's dictionary, so not taken: %(names)s.", names=listed(unused)
                ),
            )
        )
    return replace(report, warnings=tuple(told))
