"""The assessments table: one filled-in scale a row, as item answers or as a total."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from cohorts.ingest import context
from cohorts.ingest.cells import parse_choice, quoted
from cohorts.ingest.columns import ASSESSMENTS, match_columns
from cohorts.ingest.facts import ContextVariable, InstrumentFacts, SiteFacts
from cohorts.ingest.people import known_participant
from cohorts.ingest.reading import Table
from cohorts.ingest.report import Findings, Report
from cohorts.ingest.rows import Row, rows_of
from cohorts.language.sentences import say


@dataclass(frozen=True)
class AssessmentOptions:
    """``columns``: standard name -> the site's own header."""

    columns: Mapping[str, str] = field(default_factory=dict)
    ignore_unknown: bool = False


@dataclass(frozen=True)
class AssessmentRow:
    """One assessment. ``items`` has the instrument's length, None where unanswered, or is ().

    ``total`` is as sent: it is neither computed here nor compared with the items.
    """

    row: int
    participant: str
    instrument: str
    assessed_on: date
    version: str
    language: str
    items: tuple[int | None, ...]
    total: float | None
    visit: str
    variables: dict[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class CheckedAssessments:
    """``rows`` is empty unless ``report.ok``."""

    rows: tuple[AssessmentRow, ...]
    report: Report
    columns: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()


def check(
    table: Table, facts: SiteFacts, options: AssessmentOptions | None = None
) -> CheckedAssessments:
    """Check every row of an assessments table; each faulty cell is reported."""
    options = options or AssessmentOptions()
    findings = Findings()
    declared = context.present(facts.variables, table.columns)
    names = tuple(each.name for each in declared)
    headers = match_columns(
        table.columns,
        ASSESSMENTS,
        findings,
        mapping=options.columns,
        extra=names,
        ignore_unknown=options.ignore_unknown,
    )
    items = sorted(
        (name for name in headers if name.startswith("item_")), key=lambda name: int(name[5:])
    )
    if not items and "total" not in headers:
        findings.fault(
            None,
            None,
            "missing_column",
            say(
                "the table has neither item_1, item_2, ... nor total; add the answers or "
                "the totals."
            ),
        )
    seen: dict[tuple[object, ...], int] = {}
    numeric = (*items, "total", *context.numeric_names(declared))
    kept = [
        _checked(row, items, facts, declared, seen)
        for row in rows_of(table, headers, findings, numeric=numeric)
    ]
    rows = tuple(row for row in kept if row is not None)
    summary = {"assessments": len(rows), "participants": len({row.participant for row in rows})}
    report = findings.report("assessments", table.n_rows, summary)
    return CheckedAssessments(rows if report.ok else (), report, tuple(headers), names)


def _checked(
    row: Row,
    item_names: list[str],
    facts: SiteFacts,
    declared: Sequence[ContextVariable],
    seen: dict[tuple[object, ...], int],
) -> AssessmentRow | None:
    participant = known_participant(row, facts)
    code = row.choice("instrument", sorted(facts.instruments), "instrument")
    assessed_on = row.day("assessed_on", today=facts.today, required=True)
    visit = row.text("visit", longest=40)
    variables = context.read(row, declared)
    if code is None:
        return None
    instrument = facts.instruments[code]
    version = _one_of(row, "version", instrument.versions)
    language = _one_of(row, "language", instrument.languages)
    items = _items(row, item_names, instrument)
    total = row.number_in("total", instrument.total_min, instrument.total_max)
    if not any(row.has(name) for name in (*item_names, "total")):
        row.fault(
            "total",
            "empty",
            say("neither item answers nor a total; give one, or leave the row out."),
        )
    if participant is None or assessed_on is None:
        return None
    _refuse_twice(row, (participant.code, code, assessed_on), seen)
    if (participant.code, code, assessed_on) in facts.assessed and not facts.corrects:
        row.fault(
            "assessed_on",
            "known_assessment",
            say(
                "%(participant)s has %(code)s of that day on record already; leave the row out.",
                participant=participant.code,
                code=code,
            ),
        )
    if not row.sound:
        return None
    return AssessmentRow(
        row=row.number,
        participant=participant.code,
        instrument=code,
        assessed_on=assessed_on,
        version=version,
        language=language,
        items=items,
        total=total,
        visit=visit,
        variables=variables,
    )


def _one_of(row: Row, name: str, known: frozenset[str]) -> str:
    """A version or language; where the instrument lists none, any short text is taken."""
    if not known:
        return row.text(name, longest=40)
    return row.read(name, lambda text: parse_choice(text, sorted(known), name)) or ""


def _items(row: Row, item_names: list[str], instrument: InstrumentFacts) -> tuple[int | None, ...]:
    answered = [name for name in item_names if row.has(name)]
    n_items = instrument.n_items or 0
    answers: dict[int, int | None] = {}
    for name in answered:
        position = int(name[5:])
        if position > n_items:
            row.fault(
                name,
                "no_such_item",
                say(
                    "%(scale)s has %(n_items)s items; empty this cell or check the scale.",
                    scale=instrument.code,
                    n_items=n_items,
                )
                if n_items
                else say(
                    "%(scale)s is taken as a total alone; empty this cell or check the scale.",
                    scale=instrument.code,
                ),
            )
            continue
        answers[position] = row.whole_in(name, instrument.item_min, instrument.item_max)
    if not answered:
        return ()
    return tuple(answers.get(position) for position in range(1, n_items + 1))


def _refuse_twice(row: Row, key: tuple[object, ...], seen: dict[tuple[object, ...], int]) -> None:
    if key in seen:
        row.fault(
            "participant",
            "duplicate_assessment",
            say(
                "%(person)s has %(scale)s on %(day)s in row %(seen)s too; keep one row.",
                person=quoted(str(key[0])),
                scale=key[1],
                day=key[2],
                seen=seen[key],
            ),
        )
    seen.setdefault(key, row.number)
