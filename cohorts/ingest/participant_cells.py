"""Cells of the participants table: sex, age, and consent."""

from __future__ import annotations

from datetime import date

from cohorts.ingest.cells import BadCell, parse_choice, parse_whole, quoted
from cohorts.ingest.facts import SCOPES
from cohorts.ingest.nearest import nearest
from cohorts.ingest.rows import Row
from cohorts.language.sentences import say

SEXES = ("female", "male", "intersex", "unknown")
_SHORT_SEX = {"f": "female", "m": "male"}
OLDEST_YEARS = 120
_CONSENT = ("consent_version", "consent_signed_on", "consent_scopes")


def parse_sex(text: str) -> str:
    """One of `SEXES`; f and m are taken."""
    return _SHORT_SEX.get(text.casefold()) or parse_choice(text, SEXES, "sex")


def _parse_birth_year(text: str) -> int:
    # The cell is not repeated: it may be a birth date, which is never taken nor shown.
    try:
        year = parse_whole(text)
    except BadCell as bad:
        raise BadCell(
            "not_a_year", say("not a year; write the year of birth alone (YYYY).")
        ) from bad
    if not 1000 <= year <= 9999:
        raise BadCell("not_a_year", say("not a year; write the year of birth alone (YYYY)."))
    return year


def age_of(row: Row, enrolled_on: date) -> tuple[int | None, float | None]:
    """Birth year and age in years; the two must fit each other and the day of enrolment."""
    age_years = row.number_in("age_years", 0, OLDEST_YEARS)
    birth_year = row.read("birth_year", _parse_birth_year)
    if birth_year is None:
        return None, age_years
    implied = enrolled_on.year - birth_year
    if not 0 <= implied <= OLDEST_YEARS:
        row.fault(
            "birth_year",
            "out_of_range",
            say(
                "%(birth_year)s makes an age of %(implied)s years at enrolment; check both years.",
                birth_year=birth_year,
                implied=implied,
            ),
        )
    elif age_years is not None and not implied - 2 < age_years < implied + 2:
        row.fault(
            "birth_year",
            "inconsistent",
            say(
                "%(birth_year)s does not fit an age of %(age_years)s years; keep the one "
                "that is right.",
                birth_year=birth_year,
                age_years=format(age_years, "g"),
            ),
        )
    return birth_year, age_years


def consent_of(row: Row, today: date) -> tuple[str, date | None, tuple[str, ...]]:
    """Version, day signed and scopes granted; empty where the row says nothing of consent."""
    if not any(row.has(name) for name in _CONSENT):
        return "", None, ()
    for name in ("consent_signed_on", "consent_scopes"):
        if not row.has(name):
            row.fault(
                name,
                "incomplete_consent",
                say(
                    "empty beside other consent cells; give the day signed and the scopes, "
                    "or neither."
                ),
            )
    signed_on = row.day("consent_signed_on", today=today)
    scopes = row.read("consent_scopes", _parse_scopes) or ()
    return row.text("consent_version", longest=40), signed_on, scopes


def _parse_scopes(text: str) -> tuple[str, ...]:
    """Scopes separated by ``;`` in the order of SCOPES, each once."""
    granted = {part.strip().casefold() for part in text.split(";")} - {""}
    unknown = sorted(granted.difference(SCOPES))
    if unknown or not granted:
        near = nearest(unknown[0], SCOPES) if unknown else ""
        raise BadCell(
            "unknown_scope",
            say(
                "%(unknown)s is not a scope%(near)s; the six are %(scopes)s, separated by ;.",
                unknown=quoted(unknown[0] if unknown else text),
                near=near,
                scopes=", ".join(SCOPES),
            ),
        )
    return tuple(scope for scope in SCOPES if scope in granted)
