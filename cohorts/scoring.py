"""Scores of a questionnaire, and the grade of a withdrawal. Pure: no database, nothing guessed.

Which items are reversed, which form a subscale and how many may be missing is reference data of
the instrument; this module knows only how such a rule is applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cohorts.language.sentences import say

SCORING_VERSION = "1"
"""Raised whenever the same answers would give another score."""


KATO = "Kato 2019/2020"
EARLIER = "earlier research criteria (2018)"


@dataclass(frozen=True)
class ScoringRule:
    """How an instrument is scored; items are counted from 1, answers are inclusive bounds.

    Up to ``max_missing_items`` unanswered items are replaced by the mean of the answered ones
    (person-mean substitution, after reversing). A subscale may lack the same share of its items,
    rounded down.

    Raises
    ------
    ValueError
        The rule names an item that the instrument does not have, or has an empty range.
    """

    n_items: int
    item_min: int
    item_max: int
    reversed_items: frozenset[int] = frozenset()
    subscales: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    max_missing_items: int = 0

    def __post_init__(self) -> None:
        if self.n_items < 1 or self.item_max <= self.item_min:
            raise ValueError(
                say(
                    "%(n_items)s items from %(item_min)s to %(item_max)s cannot be scored.",
                    n_items=self.n_items,
                    item_min=self.item_min,
                    item_max=self.item_max,
                )
            )
        named = set(self.reversed_items).union(*self.subscales.values())
        strange = sorted(item for item in named if not 1 <= item <= self.n_items)
        if strange:
            raise ValueError(
                say(
                    "The rule names items %(strange)s; there are 1 to %(n_items)s.",
                    strange=strange,
                    n_items=self.n_items,
                )
            )


@dataclass(frozen=True)
class Scores:
    """Sums in points of the scale; None where too few items were answered, ``reason`` says so."""

    total: float | None
    subscales: dict[str, float | None]
    n_missing: int
    reason: str = ""


def score(items: Sequence[int | None], rule: ScoringRule) -> Scores:
    """Total and subscale scores of one assessment.

    Parameters
    ----------
    items : answers in the order of the questionnaire, None where unanswered; shape (n_items,)

    Raises
    ------
    ValueError
        The number of answers is not that of the instrument, or an answer is out of range.
    """
    if len(items) != rule.n_items:
        raise ValueError(
            say(
                "%(n_items)s answers for %(expected)s items; give one an item.",
                n_items=len(items),
                expected=rule.n_items,
            )
        )
    points = {i: _points(i, answer, rule) for i, answer in enumerate(items, start=1)}
    n_missing = sum(value is None for value in points.values())
    total = _sum(points, points, rule.max_missing_items)
    subscales = {
        name: _sum(points, members, rule.max_missing_items * len(members) // rule.n_items)
        for name, members in rule.subscales.items()
    }
    reason = ""
    if total is None:
        reason = say(
            "Items unanswered: %(n_missing)s; at most %(max_missing_items)s may be.",
            n_missing=n_missing,
            max_missing_items=rule.max_missing_items,
        )
    return Scores(total, subscales, n_missing, reason)


def _points(item: int, answer: int | None, rule: ScoringRule) -> int | None:
    if answer is None:
        return None
    if not rule.item_min <= answer <= rule.item_max:
        raise ValueError(
            say(
                "Item %(item)s is answered %(answer)s; the range is %(item_min)s to %(item_max)s.",
                item=item,
                answer=answer,
                item_min=rule.item_min,
                item_max=rule.item_max,
            )
        )
    return rule.item_min + rule.item_max - answer if item in rule.reversed_items else answer


def _sum(
    points: Mapping[int, int | None], members: Iterable[int], max_missing: int
) -> float | None:
    values = [points[item] for item in members]
    answered = [value for value in values if value is not None]
    if not answered or len(values) - len(answered) > max_missing:
        return None
    return sum(answered) * len(values) / len(answered)


@dataclass(frozen=True)
class WithdrawalFacts:
    """What an interview records of a person's withdrawal; None is "not recorded"."""

    isolated_at_home: bool | None = None
    months: float | None = None
    impaired_or_distressed: bool | None = None
    days_out_a_week: int | None = None
    rarely_leaves_room: bool | None = None
    avoids_school_or_work: bool | None = None
    avoids_contact: bool | None = None


@dataclass(frozen=True)
class WithdrawalGrade:
    """``state``: hikikomori, pre_hikikomori, not_met or unknown; ``severity`` where it is met.

    ``criteria`` names the set that was applied, since several are in use.
    """

    criteria: str
    state: str
    severity: str
    reason: str


def withdrawal_grade(facts: WithdrawalFacts) -> WithdrawalGrade:
    """Grade by the criteria of Kato 2019/2020 (World Psychiatry 19:116-117).

    Marked isolation at home, impairment or distress, 6 months or more (from 3: pre-hikikomori);
    severe rarely leaves one room, moderate goes out 1 day a week or less, mild 2 to 3 days;
    4 days or more exclude. One criterion failed is enough for "not met"; one not recorded is
    enough for "unknown", never for "met".
    """
    failed = _failed_criterion(facts)
    if failed:
        return WithdrawalGrade(KATO, "not_met", "", failed)
    unknown = [
        name
        for name in ("isolated_at_home", "months", "impaired_or_distressed", "days_out_a_week")
        if getattr(facts, name) is None
    ]
    if facts.months is None or unknown:
        return WithdrawalGrade(
            KATO, "unknown", "", say("not recorded: %(names)s.", names=", ".join(unknown))
        )
    state = "hikikomori" if facts.months >= 6 else "pre_hikikomori"
    return WithdrawalGrade(KATO, state, _severity(facts), "")


def _failed_criterion(facts: WithdrawalFacts) -> str:
    if facts.isolated_at_home is False:
        return say("no marked isolation at home.")
    if facts.months is not None and facts.months < 3:
        return say(
            "%(months)s months; pre-hikikomori begins at 3.", months=format(facts.months, "g")
        )
    if facts.impaired_or_distressed is False:
        return say("neither impaired nor distressed.")
    if facts.days_out_a_week is not None and facts.days_out_a_week >= 4:
        return say(
            "out %(days_out_a_week)s days a week; 4 or more exclude.",
            days_out_a_week=facts.days_out_a_week,
        )
    return ""


def _severity(facts: WithdrawalFacts) -> str:
    if facts.rarely_leaves_room:
        return "severe"
    return "moderate" if (facts.days_out_a_week or 0) <= 1 else "mild"


def withdrawal_grades(facts: WithdrawalFacts) -> tuple[WithdrawalGrade, ...]:
    """By each set of criteria in use, the present one first."""
    return withdrawal_grade(facts), _earlier_grade(facts)


def _earlier_grade(facts: WithdrawalFacts) -> WithdrawalGrade:
    """The research criteria of before (doi:10.1038/s41598-018-21260-w): avoidance is required.

    Most of the day at home, nearly every day, for 6 months or more; avoids school or work, and
    friends and family; distressed or impaired. They know no degrees and no pre-hikikomori.
    """
    needed = {
        "isolated_at_home": say("not most of the day at home."),
        "impaired_or_distressed": say("neither impaired nor distressed."),
        "avoids_school_or_work": say("avoids neither school nor work."),
        "avoids_contact": say("avoids neither friends nor family."),
    }
    if facts.months is not None and facts.months < 6:
        return WithdrawalGrade(
            EARLIER,
            "not_met",
            "",
            say("%(months)s months; 6 are needed.", months=format(facts.months, "g")),
        )
    for name, reason in needed.items():
        if getattr(facts, name) is False:
            return WithdrawalGrade(EARLIER, "not_met", "", reason)
    unknown = [name for name in ("months", *needed) if getattr(facts, name) is None]
    if unknown:
        reason = say("not recorded: %(names)s.", names=", ".join(unknown))
        return WithdrawalGrade(EARLIER, "unknown", "", reason)
    return WithdrawalGrade(EARLIER, "hikikomori", "", "")
