"""Cut-offs of scales: a number alone, or the side on which it counts, with what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cohorts.language.sentences import say

SIDES = ("at_or_above", "below")


def number_of(declared: Any) -> float | None:
    """The number of a declared cut-off; None where there is none."""
    if isinstance(declared, Mapping):
        return next((float(declared[side]) for side in SIDES if side in declared), None)
    return None if declared is None else float(declared)


def words_of(declared: Any) -> str:
    """Such as: 42 or more."""
    number = number_of(declared)
    if number is None:
        return ""
    written = format(number, "g")
    if isinstance(declared, Mapping) and "at_or_above" in declared:
        return say("%(number)s or more", number=written)
    if isinstance(declared, Mapping):
        return say("under %(number)s", number=written)
    return written


def is_clear(declared: Any) -> bool:
    """Whether it is nothing, a number, or one side with its number."""
    if isinstance(declared, Mapping):
        given = [declared[side] for side in SIDES if side in declared]
        return len(given) == 1 and _is_number(given[0])
    return declared is None or _is_number(declared)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
