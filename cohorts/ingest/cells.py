"""One cell: text -> value, or the reason why not. The grammar is strict ASCII throughout."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from cohorts.ingest.facts import normalise
from cohorts.ingest.nearest import nearest
from cohorts.language.sentences import say

NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_NUMBER = re.compile(NUMBER)
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+(?:[eE][+-]?[0-9]+)?")
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+-]{0,63}")
_EATEN_CODE = re.compile(r"[0-9]+(?:\.[0-9]+)?[eE]\+[0-9]+")
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
# What spreadsheets make of a name such as SEPT2 or 1-4, and how they show a day.
EATEN_DATE = re.compile(
    rf"[0-9]{{1,2}}-(?:{_MONTHS})|(?:{_MONTHS})-[0-9]{{2}}|[0-9]{{1,2}}-(?:{_MONTHS})-[0-9]{{2,4}}"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ]00:00(?::00)?)?",
    re.IGNORECASE,
)
# Days since 1899-12-30, of the years 1954 to 2119.
_DAY_NUMBER = re.compile(r"([2-7][0-9]{4})(?:\.[0-9]+)?")
_DAY_NONE = date(1899, 12, 30)
_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]00:00(?::00)?)?")
# How spreadsheets of East Asia write a day: the year first, so that the order is certain.
_SLASHED = re.compile(
    r"([0-9]{4})/([0-9]{1,2})/([0-9]{1,2})(?:[ T]([0-9]{1,2}):([0-9]{2}(?::[0-9]{2})?))?"
)
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})?"
)
_YES = frozenset({"yes", "true", "1"})
_NO = frozenset({"no", "false", "0"})
_EARLIEST = date(1900, 1, 1)
_NOUNS = {
    "sex": say("sex"),
    "group": say("group"),
    "material": say("material"),
    "instrument": say("instrument"),
    "sample_type": say("sample_type"),
    "version": say("version"),
    "language": say("language"),
}


class BadCell(ValueError):
    """A cell that cannot be taken; ``code`` for programs, ``message`` for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def quoted(text: str) -> str:
    """The cell as shown in a message: never longer than 40 letters, never over two lines."""
    shown = " ".join(text.split())
    return f'"{shown}"' if len(shown) <= 40 else f'"{shown[:39]}…"'


def parse_number(text: str) -> float:
    """A finite number in ASCII digits with a decimal point."""
    if _NUMBER.fullmatch(text):
        value = float(text)
        if math.isinf(value) or (value == 0 and re.search("[1-9]", re.split("[eE]", text)[0])):
            raise BadCell(
                "out_of_range", say("%(text)s is beyond what a number can hold.", text=quoted(text))
            )
        return value
    raise BadCell(*_why_no_number(text))


def _why_no_number(text: str) -> tuple[str, str]:
    if _DECIMAL_COMMA.fullmatch(text):
        point = text.replace(",", ".")
        return "decimal_comma", say(
            "%(text)s has a comma; write %(point)s with a decimal point.",
            text=quoted(text),
            point=point,
        )
    if text.startswith("#"):
        return "spreadsheet_error", say(
            "%(text)s is a spreadsheet error; correct or empty it.", text=quoted(text)
        )
    if text.startswith("="):
        return "formula", say(
            "%(text)s is a formula that was never computed; send its value.", text=quoted(text)
        )
    if (narrow := unicodedata.normalize("NFKC", text)) != text and _NUMBER.fullmatch(narrow):
        return "not_a_number", _write_instead(text, narrow)
    return (
        "not_a_number",
        say(
            "%(text)s is not a number; write plain digits, or leave the cell empty.",
            text=quoted(text),
        ),
    )


def has_decimal_commas(texts: Sequence[str]) -> bool:
    """Whether a whole column writes its decimals with a comma: one fault then says it all."""
    commas = sum(bool(_DECIMAL_COMMA.fullmatch(text)) for text in texts)
    return commas > 1 and all(
        _DECIMAL_COMMA.fullmatch(text) or text.lstrip("+-").isdecimal() for text in texts if text
    )


def parse_whole(text: str) -> int:
    """A whole number; ``3.0`` is 3, since spreadsheets write it so."""
    value = parse_number(text)
    if not value.is_integer():
        raise BadCell("not_whole", say("%(text)s is not a whole number.", text=quoted(text)))
    return int(value)


def parse_day(text: str) -> date:
    """An ISO 8601 day."""
    match = _DAY.fullmatch(text)
    if match:
        return _existing(text, match[1])
    if number := _DAY_NUMBER.fullmatch(text):
        meant = _DAY_NONE + timedelta(days=int(number[1]))
        raise BadCell(
            "eaten_date",
            say(
                "%(text)s is how a spreadsheet stores a date (%(meant)s, where it counts from "
                "1900); show the column as dates and write YYYY-MM-DD.",
                text=quoted(text),
                meant=meant.isoformat(),
            ),
        )
    _refuse_as_written(text)
    raise BadCell("not_a_date", say("%(text)s is not a date; write YYYY-MM-DD.", text=quoted(text)))


def _refuse_as_written(text: str) -> None:
    """Refuse a date whose meaning is certain but not its form, with the form to write it in."""
    narrow = unicodedata.normalize("NFKC", text)
    if slashed := _SLASHED.fullmatch(narrow):
        year, month, day, hour, minutes = slashed.groups()
        iso = f"{year}-{month:0>2}-{day:0>2}"
        _existing(text, iso)
        meant = f"{iso}T{hour:0>2}:{minutes}" if hour else iso
        raise BadCell("not_a_date", _write_instead(text, meant))
    if narrow != text and (_DAY.fullmatch(narrow) or _MOMENT.fullmatch(narrow)):
        raise BadCell("not_a_date", _write_instead(text, narrow))


def _existing(text: str, iso: str) -> date:
    """The day, if the calendar has it and the study could."""
    try:
        day = date.fromisoformat(iso)
    except ValueError as error:
        raise BadCell(
            "not_a_date",
            say("%(text)s is no day of the calendar; check month and day.", text=quoted(text)),
        ) from error
    if day < _EARLIEST:
        raise BadCell(
            "not_a_date",
            say("%(text)s lies before the year 1900; check the year.", text=quoted(text)),
        )
    return day


def _write_instead(text: str, meant: str) -> str:
    return say("%(text)s: write it as %(meant)s.", text=quoted(text), meant=meant)


def parse_moment(text: str) -> datetime | date:
    """An ISO 8601 day, or day and time; the offset from UTC is kept as sent."""
    if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text) or _DAY_NUMBER.fullmatch(text):
        return parse_day(text)
    if _MOMENT.fullmatch(text):
        _existing(text, text[:10])
        try:
            return datetime.fromisoformat(text)
        except ValueError as error:
            raise BadCell(
                "not_a_date",
                say("%(text)s is no time of the day; check hours and minutes.", text=quoted(text)),
            ) from error
    _refuse_as_written(text)
    raise BadCell(
        "not_a_date",
        say("%(text)s is not a date; write YYYY-MM-DD or YYYY-MM-DDTHH:MM.", text=quoted(text)),
    )


def parse_yes_no(text: str) -> bool:
    folded = text.casefold()
    if folded in _YES or folded in _NO:
        return folded in _YES
    raise BadCell(
        "not_yes_no", say("%(text)s is neither yes nor no; write yes or no.", text=quoted(text))
    )


def parse_code(text: str) -> str:
    """A study code or sample code; the message does not repeat the cell: it may be a name."""
    if not _CODE.fullmatch(text):
        if _CODE.fullmatch(unicodedata.normalize("NFKC", text)):
            raise BadCell(
                "not_a_code",
                say("a code in full-width letters or digits; type it in half width."),
            )
        raise BadCell(
            "not_a_code",
            say("not a code; use 1 to 64 ASCII letters, digits and . _ : / + - (no spaces)."),
        )
    if EATEN_DATE.fullmatch(text):
        raise BadCell(
            "eaten_code",
            # Not repeated: it may be a birth date.
            say(
                "a code that a spreadsheet turned into a date; format the column as text and "
                "type it anew."
            ),
        )
    if _EATEN_CODE.fullmatch(text):
        raise BadCell(
            "eaten_code",
            say(
                "%(text)s is a code that a spreadsheet turned into a number; format the "
                "column as text and type it anew.",
                text=quoted(text),
            ),
        )
    return text


def parse_choice(text: str, known: Sequence[str], noun: str) -> str:
    """The known name that equals the cell but for case and separators."""
    wanted = normalise(text)
    for name in known:
        if normalise(name) == wanted:
            return name
    few = len(known) <= 16
    listed = say("; known are %(known)s.", known=", ".join(known)) if few else "."
    raise BadCell(
        f"unknown_{noun}",
        say(
            "%(text)s is not a known %(noun)s%(near)s%(listed)s",
            text=quoted(text),
            noun=_NOUNS.get(noun, noun),
            near=nearest(text, known),
            listed=listed,
        ),
    )
