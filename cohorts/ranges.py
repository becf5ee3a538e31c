"""Which reference ranges hold for one value, and on which side of them it lies; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

DAYS_A_YEAR = 365.25


@dataclass(frozen=True)
class Bounds:
    """One range in the feature's canonical unit; an empty word or None holds for all."""

    low: float
    high: float
    source: str
    to_be_confirmed: bool = False
    platform: str = ""
    matrix: str = ""
    sex: str = ""
    age_from: float | None = None
    age_until: float | None = None

    def holds_for(self, *, platform: str, matrix: str, sex: str, age_years: float | None) -> bool:
        """Whether it is a range of this assay and person.

        A range with an age or a sex is not one of somebody whose age or sex is not known.
        """
        said = ((self.platform, platform), (self.matrix, matrix), (self.sex, sex))
        if any(own and own.casefold() != theirs.casefold() for own, theirs in said):
            return False
        if self.age_from is None and self.age_until is None:
            return True
        return (
            age_years is not None
            and (self.age_from is None or age_years >= self.age_from)
            and (self.age_until is None or age_years < self.age_until)
        )

    @property
    def closeness(self) -> tuple[bool, bool, bool]:
        """How much it is the range of this very assay and sex; the higher, the closer."""
        return bool(self.platform), bool(self.matrix), bool(self.sex)


def holding(
    known: Sequence[Bounds], *, platform: str, matrix: str, sex: str, age_years: float | None
) -> tuple[Bounds, ...]:
    """The closest ranges that hold; several where sources contradict each other."""
    found = [
        bounds
        for bounds in known
        if bounds.holds_for(platform=platform, matrix=matrix, sex=sex, age_years=age_years)
    ]
    closest = max((bounds.closeness for bounds in found), default=None)
    return tuple(bounds for bounds in found if bounds.closeness == closest)


def side_of(value: float, bounds: Sequence[Bounds]) -> str:
    """``below`` or ``above`` every range, else ``within``; empty without a range."""
    if not bounds:
        return ""
    if all(value < each.low for each in bounds):
        return "below"
    return "above" if all(value > each.high for each in bounds) else "within"


def side_of_limit(limit: float, bounds: Sequence[Bounds]) -> str:
    """Of a value known only to be under ``limit``; empty where that leaves it open."""
    return "below" if bounds and all(limit <= each.low for each in bounds) else ""


def age_on(day: date | None, *, enrolled_on: date, age_at_enrolment: float | None) -> float | None:
    """Years on that day; on the day of the enrolment where the day is not recorded."""
    if age_at_enrolment is None or day is None:
        return age_at_enrolment
    return max(0.0, age_at_enrolment + (day - enrolled_on).days / DAYS_A_YEAR)
