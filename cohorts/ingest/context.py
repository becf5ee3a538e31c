"""Context variables: cells of a table under the rules of the study's own dictionary."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from cohorts.ingest.branching import is_asked
from cohorts.ingest.cells import BadCell, parse_day, parse_moment, parse_number, quoted
from cohorts.ingest.columns import checkbox_column, heading
from cohorts.ingest.facts import ContextVariable
from cohorts.ingest.report import Findings
from cohorts.ingest.rows import Row
from cohorts.language.sentences import say

Values = dict[str, float | str]
_NUMERIC = re.compile(r"integer|number.*|float")
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?")


def columns_of(variables: Iterable[ContextVariable]) -> tuple[ContextVariable, ...]:
    """A variable a column: a checkbox becomes one yes-or-no a choice, as REDCap exports it."""
    found: list[ContextVariable] = []
    for each in variables:
        if each.kind != "checkbox":
            found.append(each)
            continue
        found += [
            replace(
                each,
                name=checkbox_column(each.name, code),
                kind="yesno",
                label=f"{each.label}: {label}",
                choices=(("0", "No"), ("1", "Yes")),
            )
            for code, label in each.choices
        ]
    return tuple(found)


def present(
    variables: Iterable[ContextVariable], headers: Iterable[str]
) -> tuple[ContextVariable, ...]:
    """Those that the table has a column for; a table may leave any of them out."""
    known = {heading(header) for header in headers}
    return tuple(each for each in columns_of(variables) if heading(each.name) in known)


def numeric_names(variables: Iterable[ContextVariable]) -> list[str]:
    """Whose decimal commas are looked for in the whole column."""
    return [each.name for each in variables if not each.choices and _is_number(each)]


def read(row: Row, variables: Sequence[ContextVariable]) -> Values:
    """The values of a row; a cell that breaks a rule of the dictionary is a fault."""
    answers: dict[str, float | str | None] = {
        each.name: _value(row, each) if row.has(each.name) else None for each in variables
    }
    for each in variables:
        _hold_to_branching(row, each, answers)
    return {name: value for name, value in answers.items() if value is not None}


def takes(variable: ContextVariable, value: float | str) -> bool:
    """Whether a recorded value would be taken again under this variable, sent in a table."""
    if variable.choices:
        return value in {_kept(code) for code, _ in variable.choices}
    name = variable.name
    row = Row(1, {name: _plain(str(value))}, {name: name}, Findings())
    return _value(row, variable) == value and row.sound


def _value(row: Row, variable: ContextVariable) -> float | str | None:
    if variable.choices:
        return row.read(variable.name, lambda text: _code(text, variable))
    if _is_number(variable):
        low, high = _limit(variable.minimum), _limit(variable.maximum)
        whole = variable.validation == "integer"
        return (row.whole_in if whole else row.number_in)(variable.name, low, high)
    return row.read(variable.name, lambda text: _moment(text, variable))


def _is_number(variable: ContextVariable) -> bool:
    """Text without a validation is a number too: words may say anything about a person."""
    timed = variable.validation.startswith(("date", "time"))
    return not timed or bool(_NUMERIC.fullmatch(variable.validation))


def _code(text: str, variable: ContextVariable) -> float | str:
    """The code of a choice, as a number where it is one, so that an analysis can use it."""
    codes = {code: code for code, _ in variable.choices}
    labels = {label.casefold(): code for code, label in variable.choices}
    code = codes.get(text) or codes.get(_plain(text)) or labels.get(text.casefold())
    if code is None:
        known = ", ".join(f"{code} ({label})" for code, label in variable.choices[:16])
        raise BadCell(
            "not_a_choice",
            say(
                "%(text)s is no choice of %(variable)s: %(known)s.",
                text=quoted(text),
                variable=variable.name,
                known=known,
            ),
        )
    return _kept(code)


def _kept(code: str) -> float | str:
    try:
        return parse_number(code)
    except BadCell:
        return code


def _plain(text: str) -> str:
    """``1.0`` is 1: spreadsheets write it so."""
    return text[:-2] if text.endswith(".0") else text


def _moment(text: str, variable: ContextVariable) -> str:
    if variable.validation.startswith("date_"):
        return parse_day(text).isoformat()
    if variable.validation.startswith("datetime_"):
        return parse_moment(text).isoformat()
    if not _CLOCK.fullmatch(text):
        raise BadCell("not_a_time", say("%(text)s is not a time; write HH:MM.", text=quoted(text)))
    return text


def _limit(text: str) -> float | None:
    try:
        return parse_number(text.replace(",", ".")) if text else None
    except BadCell:
        return None


def _hold_to_branching(
    row: Row, variable: ContextVariable, answers: Mapping[str, float | str | None]
) -> None:
    asked = is_asked(variable.branching, answers) if variable.branching else True
    if asked is False and row.has(variable.name):
        row.fault(
            variable.name,
            "not_asked",
            say(
                "%(texts)s is given, but the dictionary asks %(variable)s only if "
                "%(branching)s; empty this cell or correct the other.",
                texts=quoted(row.texts[variable.name]),
                variable=variable.name,
                branching=variable.branching,
            ),
        )
    elif asked and variable.required and not row.has(variable.name):
        row.fault(
            variable.name,
            "required",
            say(
                "empty, but the dictionary requires %(variable)s; fill it in, or leave "
                "the whole column out.",
                variable=variable.name,
            ),
        )
