"""The participants table: who takes part, and what each has consented to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from cohorts.ingest import context
from cohorts.ingest.cells import parse_code, quoted
from cohorts.ingest.columns import PARTICIPANTS, match_columns
from cohorts.ingest.facts import ContextVariable, SiteFacts
from cohorts.ingest.participant_cells import age_of, consent_of, parse_sex
from cohorts.ingest.people import ERASED, NO_FURTHER_DATA
from cohorts.ingest.reading import Table
from cohorts.ingest.report import Findings, Report
from cohorts.ingest.rows import Row, rows_of
from cohorts.language.sentences import say

# What may be said of every row at once, by a ``=`` and the value where others name a column.
STATED = ("sex", "group", "enrolled_on")


@dataclass(frozen=True)
class ParticipantOptions:
    """``columns``: standard name -> the site's own, or ``=value``.

    ``variables`` are further numeric columns that are taken.

    ``ignore_unknown`` passes over other columns in silence (for whole existing cohorts), except
    those of personal data, which always refuse the table. ``required`` are fewer where everybody
    in the table is on the books: of them nothing but the columns that it has is compared.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    variables: tuple[str, ...] = ()
    ignore_unknown: bool = False
    required: tuple[str, ...] = PARTICIPANTS.required


@dataclass(frozen=True)
class ParticipantRow:
    """One participant. ``variables`` holds only those with a value; units are the site's.

    A number, the code of a choice, or a day or time as text. Sex, group and day are empty only
    where the table lacks the column, for somebody on the books.
    """

    row: int
    participant: str
    sex: str
    group: str
    enrolled_on: date | None
    birth_year: int | None
    age_years: float | None
    drug_free: bool | None
    consent_version: str
    consent_signed_on: date | None
    consent_scopes: tuple[str, ...]
    variables: dict[str, float | str]


@dataclass(frozen=True)
class CheckedParticipants:
    """``rows`` is empty unless ``report.ok``: a table is taken whole or not at all.

    ``columns`` are the standard names of the columns that the table has, and ``variables`` those
    among them that the study declares; ``headers`` are theirs as sent.
    """

    rows: tuple[ParticipantRow, ...]
    report: Report
    columns: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()


def check(
    table: Table, facts: SiteFacts, options: ParticipantOptions | None = None
) -> CheckedParticipants:
    """Check every row of a participants table; each faulty cell is reported."""
    table, options = _with_stated(table, options or ParticipantOptions())
    findings = Findings()
    # What the site says is a standard column is not the study's variable of that name as well.
    mapped = set(options.columns.values())
    declared = context.present(facts.variables, (c for c in table.columns if c not in mapped))
    names = tuple(dict.fromkeys((*options.variables, *(each.name for each in declared))))
    headers = match_columns(
        table.columns,
        replace(PARTICIPANTS, required=options.required, optional=_others(options)),
        findings,
        mapping=options.columns,
        extra=names,
        ignore_unknown=options.ignore_unknown,
    )
    numeric = ("birth_year", "age_years", *options.variables, *context.numeric_names(declared))
    seen: dict[str, int] = {}
    kept = [
        _checked(row, facts, options, declared, seen)
        for row in rows_of(table, headers, findings, numeric=numeric)
    ]
    rows = tuple(row for row in kept if row is not None)
    silent = [row.participant for row in rows if not row.consent_scopes]
    # A correction of somebody's record does not repeat the consent that is on the books.
    unconsented = sum(
        code not in facts.participants or not facts.participants[code].scopes for code in silent
    )
    if unconsented:
        findings.warn(
            None,
            None,
            "no_consent",
            say(
                "%(unconsented)s of %(n_rows)s participants have no consent in this "
                "table: they are in no analysis until consent is recorded.",
                unconsented=unconsented,
                n_rows=table.n_rows,
            ),
        )
    summary = {"participants": len(rows), "consents": len(rows) - len(silent)}
    report = findings.report("participants", table.n_rows, summary)
    kept_rows = rows if report.ok else ()
    return CheckedParticipants(kept_rows, report, tuple(headers), names, tuple(headers.values()))


def _with_stated(table: Table, options: ParticipantOptions) -> tuple[Table, ParticipantOptions]:
    """What is said of every row becomes a column of its own, named so that its faults say where."""
    said = {name: own for name, own in options.columns.items() if own.startswith("=")}
    if not said:
        return table, options
    frame = table.frame.assign(**{f"{name}{own}": own[1:] for name, own in said.items()})
    columns = {**options.columns, **{name: f"{name}{own}" for name, own in said.items()}}
    return replace(table, frame=frame), replace(options, columns=columns)


def _others(options: ParticipantOptions) -> tuple[str, ...]:
    return tuple(name for name in PARTICIPANTS.names if name not in options.required)


def _checked(
    row: Row,
    facts: SiteFacts,
    options: ParticipantOptions,
    declared: Sequence[ContextVariable],
    seen: dict[str, int],
) -> ParticipantRow | None:
    code = row.required("participant", parse_code)
    _refuse_known(row, code, facts, seen)
    sex = row.required("sex", parse_sex, say("empty; write unknown where the sex is not recorded."))
    group = row.choice("group", sorted(facts.groups), "group")
    enrolled_on = row.day("enrolled_on", today=facts.today, required=True)
    _refuse_after_ethics(row, code, enrolled_on, facts)
    birth_year, age_years = age_of(row, enrolled_on or facts.today)
    drug_free = row.yes_no("drug_free")
    version, signed_on, scopes = consent_of(row, facts.today)
    variables = _variables(row, options, declared)
    given = {"participant": code, "sex": sex, "group": group, "enrolled_on": enrolled_on}
    if code is None or not row.sound or any(given[name] is None for name in options.required):
        return None
    return ParticipantRow(
        row=row.number,
        participant=code,
        sex=sex or "",
        group=group or "",
        enrolled_on=enrolled_on,
        birth_year=birth_year,
        age_years=age_years,
        drug_free=drug_free,
        consent_version=version,
        consent_signed_on=signed_on,
        consent_scopes=scopes,
        variables=variables,
    )


def _variables(
    row: Row, options: ParticipantOptions, declared: Sequence[ContextVariable]
) -> context.Values:
    """Further columns of the participant: by the dictionary where it knows them, else numbers."""
    known = {each.name for each in declared}
    plain = {name: row.number_in(name) for name in options.variables if name not in known}
    found: context.Values = {name: value for name, value in plain.items() if value is not None}
    return found | context.read(row, declared)


def _refuse_known(row: Row, code: str | None, facts: SiteFacts, seen: dict[str, int]) -> None:
    if code is None:
        return
    known = facts.participants.get(code)
    if code.casefold() in seen:
        row.fault(
            "participant",
            "duplicate_participant",
            say(
                "%(code)s is also in row %(seen)s; keep one row a participant.",
                code=quoted(code),
                seen=seen[code.casefold()],
            ),
        )
    elif not known and facts.erased(code):
        # The beginning is what is said of a stranger's code in every other table.
        row.fault(
            "participant",
            "unknown_participant",
            say(
                "%(code)s is not a participant of %(site)s and cannot be enrolled under "
                "this code; leave the row out, or give somebody new a new code.",
                code=quoted(code),
                site=facts.site,
            ),
        )
    elif known and known.merged_into:
        row.fault(
            "participant",
            "merged",
            say(
                "%(code)s was merged into %(merged_into)s; write that code.",
                code=code,
                merged_into=known.merged_into,
            ),
        )
    elif known and NO_FURTHER_DATA <= known.withdrawal_level < ERASED:
        row.fault(
            "participant",
            "withdrawn",
            say("%(code)s has withdrawn; no further data are taken.", code=code),
        )
    elif known and not facts.corrects:
        row.fault(
            "participant",
            "duplicate_participant",
            say(
                "%(code)s is already on the books of %(site)s; leave this row out, or "
                "correct the participant there.",
                code=quoted(code),
                site=facts.site,
            ),
        )
    seen.setdefault(code.casefold(), row.number)


def _refuse_after_ethics(
    row: Row, code: str | None, enrolled_on: date | None, facts: SiteFacts
) -> None:
    """An expired ethics approval stops new enrolment; who was enrolled before stays."""
    last = facts.ethics_until
    if last and enrolled_on and enrolled_on > last and code not in facts.participants:
        row.fault(
            "enrolled_on",
            "ethics_expired",
            say(
                "%(enrolled_on)s is after the ethics approval of %(site)s ended "
                "(%(last)s); nobody is enrolled without one: have the renewed approval "
                "recorded first.",
                enrolled_on=format(enrolled_on, "%Y-%m-%d"),
                site=facts.site,
                last=format(last, "%Y-%m-%d"),
            ),
        )
