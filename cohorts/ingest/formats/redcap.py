"""A REDCap project, as data dictionary and data export -> tables without what names a person.

Left out, and named: variables marked as identifiers, those that are by their name or
validation, free text, and files. Branching and validation are kept as data, not enforced:
REDCap has shown or hidden the fields already.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from cohorts.ingest.cells import NUMBER, BadCell, parse_code, quoted
from cohorts.ingest.formats.assay_file import listed
from cohorts.ingest.formats.redcap_dictionary import (
    Variable,
    VariableDictionary,
    read_dictionary,
)
from cohorts.ingest.formats.redcap_values import clean_column
from cohorts.ingest.reading import Table, UnreadableFile, read_table
from cohorts.ingest.report import Findings, Report

__all__ = ["RedcapExport", "Variable", "VariableDictionary", "read", "read_dictionary"]

_EVENT = re.compile(r"(.+)_arm_([1-9][0-9]*)")
_SYSTEM = {
    "redcap_event_name": "event",
    "redcap_repeat_instrument": "repeat_form",
    "redcap_repeat_instance": "instance",
    "redcap_data_access_group": "access_group",
}
_PERSONAL_SYSTEM = frozenset({"redcap_survey_identifier"})
_WHERE = ("participant", "visit", "arm", "repeat_form", "instance")


@dataclass(frozen=True)
class RedcapExport:
    """A project's data: ``records`` has a row an export's row, under the same row number.

    Its columns are participant, visit, arm, repeat_form and instance (empty where the project
    has none), then one a variable, or one a choice of a checkbox (``race___1``).
    ``stripped`` were marked as identifiers; ``unmarked`` are personal all the same; ``left_out``
    are free text and files. ``report`` holds the faults; with any of them the data are not sound.
    """

    dictionary: VariableDictionary
    records: Table
    stripped: tuple[str, ...]
    unmarked: tuple[str, ...]
    left_out: tuple[str, ...]
    report: Report

    def participants(self) -> Table:
        """One row a participant, with the variables that have one value each throughout."""
        frame = self.records.frame
        variables = [column for column in frame.columns if column not in _WHERE]
        people = frame.groupby("participant", sort=False)
        first_rows = people.head(1).index
        filled = frame[variables].replace("", None)
        by_person = filled.groupby(frame["participant"], sort=False)
        steady = [name for name in variables if (by_person[name].nunique() <= 1).all()]
        one_each = by_person[steady].first().fillna("")
        whole = one_each.reset_index().astype("str").set_axis(first_rows)
        return Table(whole, self.records.encoding)

    def form(self, name: str) -> Table:
        """The filled rows of a form: participant, visit, arm, instance, then its variables."""
        known = self.dictionary.columns()
        frame = self.records.frame
        variables = [
            c for c in frame.columns if c not in _WHERE and c in known and known[c][0].form == name
        ]
        # An unticked box is exported as 0 for every event, so it fills no row.
        boxes = [c for c in variables if known[c][0].kind == "checkbox"]
        others = [c for c in variables if c not in boxes]
        filled = (frame[others] != "").any(axis=1) | (frame[boxes] == "1").any(axis=1)
        return Table(frame.loc[filled, [*_WHERE, *variables]], self.records.encoding)


def read(
    dictionary: bytes,
    data: bytes,
    *,
    events: bytes | None = None,
    arms: bytes | None = None,
    filename: str = "data",
) -> RedcapExport:
    """Read a project; ``events`` and ``arms`` are REDCap's own exports of these, if longitudinal.

    Raises
    ------
    UnreadableFile
        A file is no table, or has columns that the dictionary does not know.
    """
    variables = read_dictionary(dictionary)
    table = read_table(data, filename=filename)
    findings = Findings()
    known = variables.columns()
    _refuse_unknown(table, variables, filename)
    kept = [
        c
        for c in table.columns
        if c in known
        and known[c][0] is not variables.record_id
        and _is_kept(known[c][0], table.frame[c].tolist())
    ]
    rows = table.frame.index.tolist()
    columns = _places(table, variables, findings)
    _check_events(columns, rows, events, arms, findings)
    _refuse_repeated(columns, rows, findings)
    for column in kept:
        texts = table.frame[column].tolist()
        columns[column] = clean_column(known[column][0], column, texts, rows, findings)
    dropped = [known[c][0] for c in table.columns if c in known and c not in kept]
    stripped = _names(v for v in dropped if v.identifier)
    unmarked = _names(v for v in dropped if v.is_personal and not v.identifier)
    unmarked += tuple(c for c in table.columns if c in _PERSONAL_SYSTEM)
    left_out = _names(v for v in dropped if not v.is_personal and v is not variables.record_id)
    _tell(stripped, unmarked, left_out, findings)
    frame = pd.DataFrame(
        {name: pd.array(texts, dtype="str") for name, texts in columns.items()},
        index=table.frame.index,
    )
    n_people = len(set(columns["participant"]))
    report = findings.report(
        "redcap", table.n_rows, {"rows": table.n_rows, "participants": n_people}
    )
    records = Table(frame, table.encoding)
    return RedcapExport(variables, records, stripped, unmarked, left_out, report)


def _is_kept(variable: Variable, texts: list[str]) -> bool:
    if variable.is_personal or not variable.holds_values:
        return False
    # An open line of text may hold the name of a relative; all numbers, it cannot.
    return not variable.is_open or all(re.fullmatch(NUMBER, text) for text in texts if text)


def _names(variables: Iterable[Variable]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(variable.name for variable in variables))


def _refuse_unknown(table: Table, dictionary: VariableDictionary, filename: str) -> None:
    if dictionary.record_id.name not in table.columns:
        raise UnreadableFile(
            f"{filename}: row 1: no column {dictionary.record_id.name}, the code of the record; "
            "export it too, and send the dictionary of the same project."
        )
    taken = [name for name in dictionary.columns() if name in _WHERE]
    if clash := [name for name in taken if name != dictionary.record_id.name]:
        raise UnreadableFile(
            f"{filename}: a variable is called {listed(map(quoted, clash))}, which says here whose "
            "row it is and when: rename it in REDCap, or in both files."
        )
    own = {*dictionary.columns(), *_SYSTEM, *_PERSONAL_SYSTEM}
    own |= {f"{form}{end}" for form in dictionary.forms for end in ("_complete", "_timestamp")}
    unknown = [column for column in table.columns if column not in own]
    if unknown:
        raise UnreadableFile(
            f"{filename}: row 1: the dictionary does not have {listed(map(quoted, unknown))}; "
            "export data and dictionary of the same project, raw values and raw headers."
        )


def _places(
    table: Table, dictionary: VariableDictionary, findings: Findings
) -> dict[str, list[str]]:
    """The columns that say whose row it is, and when."""
    people = table.frame[dictionary.record_id.name].tolist()
    for row, person in zip(table.frame.index.tolist(), people, strict=True):
        try:
            parse_code(person)
        except BadCell as bad:
            findings.fault(row, dictionary.record_id.name, bad.code, bad.message)
    own = {
        what: table.frame[column].tolist() if column in table.columns else [""] * table.n_rows
        for column, what in _SYSTEM.items()
    }
    matched = [_EVENT.fullmatch(event) for event in own["event"]]
    return {
        "participant": people,
        "visit": [m[1] if m else e for m, e in zip(matched, own["event"], strict=True)],
        "arm": [m[2] if m else "" for m in matched],
        "repeat_form": own["repeat_form"],
        "instance": own["instance"],
    }


def _check_events(
    columns: dict[str, list[str]],
    rows: list[int],
    events: bytes | None,
    arms: bytes | None,
    findings: Findings,
) -> None:
    known = _listing(events, "unique_event_name", "events")
    known_arms = _listing(arms, "arm_num", "arms")
    for row, visit, arm in zip(rows, columns["visit"], columns["arm"], strict=True):
        event = f"{visit}_arm_{arm}" if arm else visit
        if known is not None and event not in known:
            findings.fault(
                row,
                "redcap_event_name",
                "unknown_event",
                f"{quoted(event)} is no event of the project; export the events anew.",
            )
        if known_arms is not None and arm and arm not in known_arms:
            findings.fault(
                row, "redcap_event_name", "unknown_arm", f"the project has no arm {arm}."
            )


def _listing(content: bytes | None, column: str, filename: str) -> set[str] | None:
    if content is None:
        return None
    table = read_table(content, filename=filename)
    if column not in table.columns:
        raise UnreadableFile(f"{filename}: row 1: no column {column}; send REDCap's own export.")
    return set(table.frame[column].tolist())


def _refuse_repeated(columns: dict[str, list[str]], rows: list[int], findings: Findings) -> None:
    first: dict[tuple[str, ...], int] = {}
    for row, *place in zip(rows, *(columns[name] for name in _WHERE), strict=True):
        key = tuple(str(part) for part in place)
        if first.setdefault(key, row) != row:
            findings.fault(
                row,
                None,
                "duplicate_record",
                f"the same record, event and instance as row {first[key]}; keep one.",
            )


def _tell(
    stripped: tuple[str, ...],
    unmarked: tuple[str, ...],
    left_out: tuple[str, ...],
    findings: Findings,
) -> None:
    for names, code, what in (
        (stripped, "identifier", "marked as identifiers, so not read"),
        (unmarked, "personal_data", "personal though not marked as identifiers, so not read"),
        (left_out, "free_text", "free text or files, so not read"),
    ):
        if names:
            findings.warn(None, None, code, f"{', '.join(names)}: {what}.")
