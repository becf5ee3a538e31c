"""One column of a REDCap export, under the rules that the dictionary has for its variable."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from cohorts.ingest.cells import BadCell, parse_day, parse_moment, parse_number, quoted
from cohorts.ingest.formats.redcap_dictionary import Variable
from cohorts.ingest.report import Findings

_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+")
_WHOLE = re.compile(r"[+-]?[0-9]+")
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?")
_NUMERIC = re.compile(r"integer|number.*|float")
_TRUTH = {"FALSE": "0", "TRUE": "1"}

Rows = Sequence[int]


def clean_column(
    variable: Variable, column: str, texts: Sequence[str], rows: Rows, findings: Findings
) -> list[str]:
    """The texts with a decimal point, choices as codes and days in ISO 8601.

    What breaks a rule of the dictionary is a fault, and stays as sent; a number outside the
    range of its validation is a warning, since REDCap itself lets it be stored.
    """
    if variable.kind == "checkbox":
        return _checked(column, texts, rows, findings)
    if variable.choices:
        return _coded(variable, texts, rows, findings)
    if variable.kind in ("calc", "slider") or _NUMERIC.fullmatch(variable.validation):
        return _numbers(variable, texts, rows, findings)
    parse = _parser(variable.validation)
    if parse is not None:
        for row, text in zip(rows, texts, strict=True):
            _refuse_unparsed(parse, text, row, column, findings)
    return list(texts)


def _parser(validation: str) -> Callable[[str], object] | None:
    if validation.startswith("datetime_"):
        return parse_moment
    if validation.startswith("date_"):
        return parse_day
    return _parse_clock if validation.startswith("time") else None


def _parse_clock(text: str) -> str:
    if not _CLOCK.fullmatch(text):
        raise BadCell("not_a_time", f"{quoted(text)} is not a time; write HH:MM.")
    return text


def _refuse_unparsed(
    parse: Callable[[str], object], text: str, row: int, column: str, findings: Findings
) -> None:
    if not text:
        return
    try:
        parse(text)
    except BadCell as bad:
        findings.fault(row, column, bad.code, bad.message)


def _checked(column: str, texts: Sequence[str], rows: Rows, findings: Findings) -> list[str]:
    codes = {"": "", "0": "0", "1": "1", "Unchecked": "0", "Checked": "1"}
    for row, text in zip(rows, texts, strict=True):
        if text not in codes and text.upper() not in _TRUTH:
            findings.fault(
                row, column, "not_a_choice", f"{quoted(text)} is no checkbox; write 0 or 1."
            )
    return [codes.get(text, _TRUTH.get(text.upper(), text)) for text in texts]


def _coded(variable: Variable, texts: Sequence[str], rows: Rows, findings: Findings) -> list[str]:
    codes = {code for code, _ in variable.choices}
    filled = {text for text in texts if text}
    spoken = _spoken(variable, filled)
    if not filled <= codes and spoken:
        findings.warn(
            None,
            variable.name,
            "labels",
            "the export has words where the dictionary has codes: read as codes.",
        )
        return [spoken.get(text, text) for text in texts]
    for row, text in zip(rows, texts, strict=True):
        if text and text not in codes:
            findings.fault(
                row,
                variable.name,
                "not_a_choice",
                f"{quoted(text)} is not one of its codes ({', '.join(sorted(codes)[:16])}); "
                "export raw values.",
            )
    return list(texts)


def _spoken(variable: Variable, filled: set[str]) -> dict[str, str]:
    """Word -> code, if every filled cell is such a word and no word stands for two codes."""
    labels = {label: code for code, label in variable.choices}
    if len(labels) == len(variable.choices) and filled <= set(labels):
        return labels
    # Programs that pass an export on read 0 and 1 as truth values.
    is_truth = {code for code, _ in variable.choices} == {"0", "1"} and filled <= set(_TRUTH)
    return dict(_TRUTH) if is_truth else {}


def _numbers(variable: Variable, texts: Sequence[str], rows: Rows, findings: Findings) -> list[str]:
    cleaned = _with_points(variable, texts, rows, findings)
    low, high = _limit(variable.minimum), _limit(variable.maximum)
    for row, text in zip(rows, cleaned, strict=True):
        # A comma that is left has been told, and a calculation may give a word or a day.
        if not text or "," in text or (variable.kind == "calc" and not re.match(r"[-+.0-9]", text)):
            continue
        try:
            value = parse_number(text)
        except BadCell as bad:
            if variable.kind != "calc":
                findings.fault(row, variable.name, bad.code, bad.message)
            continue
        if (low is not None and value < low) or (high is not None and value > high):
            findings.warn(
                row,
                variable.name,
                "out_of_range",
                f"{quoted(text)} is outside {variable.minimum or '...'} to "
                f"{variable.maximum or '...'}; check it.",
            )
    return cleaned


def _limit(text: str) -> float | None:
    try:
        return parse_number(text.replace(",", ".")) if text else None
    except BadCell:
        return None


def _with_points(
    variable: Variable, texts: Sequence[str], rows: Rows, findings: Findings
) -> list[str]:
    """Decimal commas become points if the whole column has them; a mixture is refused."""
    commas = [bool(_COMMA.fullmatch(text)) for text in texts]
    if not any(commas):
        return list(texts)
    mixed = [
        (row, text)
        for row, text, comma in zip(rows, texts, commas, strict=True)
        if text and not comma and not _WHOLE.fullmatch(text)
    ]
    # One comma alone may set off thousands, unless the dictionary says that it does not.
    if not variable.decimal_comma and sum(commas) < 2 and not mixed:
        mixed = [(row, text) for row, text in zip(rows, texts, strict=True) if "," in text]
    for row, text in mixed:
        findings.fault(
            row,
            variable.name,
            "decimal_comma",
            f"{quoted(text)}: the column has both commas and points, or a comma that may set off "
            "thousands; write every number with a decimal point.",
        )
    return list(texts) if mixed else [text.replace(",", ".") for text in texts]
