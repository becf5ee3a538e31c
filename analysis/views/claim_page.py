"""What the page of a claim shows first: the standing verdict, since when, and what turned it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from analysis.figures import signed
from analysis.models import Claim, Plan, Run
from analysis.plots import verdict as verdict_figure
from analysis.services import changes, histories, staleness
from analysis.views.claim_readings import Reading, histories_of
from cohorts.models import User

MEANINGS = {
    "replicated": _("The sites find what was published."),
    "opposite": _("The sites find the opposite of what was published."),
    "undecided": _("The sites can neither confirm nor refute it yet."),
    "not_testable": _("It cannot be tested with what the sites have recorded."),
}


@dataclass(frozen=True)
class Turn:
    """The run that gave the verdict another word, and what is known of why."""

    run: str
    before: str
    at: str
    words: str
    people: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Standing:
    """One plan's newest verdict in the people that the claim was published for."""

    plan: str
    reading: Reading
    others: Sequence[Reading]
    meaning: str
    finding: str
    drawing: SafeString
    since: str
    n_runs: int
    all_listed: bool
    turn: Turn | None
    stale_because: str


def standings_of(claim: Claim, rows: Sequence[Mapping[str, Any]], user: User) -> list[Standing]:
    """A standing for each plan: followed ones, which speak for the study, before those asked for.

    Within the two, in the order of their newest runs.
    """
    by_plan: dict[str, list[list[Reading]]] = {}
    for plan, _where, readings in histories_of(rows):
        by_plan.setdefault(plan, []).append(readings)
    followed = set(Plan.objects.current().values_list("name", flat=True))
    ordered = sorted(by_plan.items(), key=lambda each: each[0] not in followed)
    return [_standing(claim, plan, strata, user) for plan, strata in ordered]


def _standing(claim: Claim, plan: str, strata: Sequence[Sequence[Reading]], user: User) -> Standing:
    course = next((each for each in strata if each[0].row["primary"]), strata[0])
    newest = course[0]
    same = list(takewhile(lambda one: not one.row["changed"], course))
    n_runs = min(len(same) + 1, len(course))
    first = course[n_runs - 1]
    turned = first if first.row["changed"] else None
    drawing = SafeString("")
    if newest.row["estimate"] is not None:
        side = verdict_figure.side_of(newest.row["measure"], claim.direction)
        drawing = verdict_figure.standing(
            newest.row, side, _comparable(claim, newest.row), finding_of(newest)
        )
    return Standing(
        plan=plan,
        reading=newest,
        others=[each[0] for each in strata if each is not course],
        meaning=str(MEANINGS.get(newest.row["verdict"], "")),
        finding=finding_of(newest),
        drawing=drawing,
        since=first.row["published_at"] or "",
        n_runs=n_runs,
        all_listed=len(course) < histories.AT_MOST or turned is not None,
        turn=_turn(claim, turned, course[n_runs], user) if turned else None,
        stale_because=staleness.reason(
            Run.objects.select_related("plan").get(pk=newest.row["run"]), user
        ),
    )


def _comparable(claim: Claim, row: Mapping[str, Any]) -> float | None:
    """The published effect where it is on the same scale and was published for these people."""
    return claim.published_effect if row["measure"] == "g" and row["primary"] else None


def finding_of(reading: Reading) -> str:
    """What the sites found, as a sentence without symbols."""
    estimate = reading.row["estimate"]
    if estimate is None:
        return ""
    if reading.row["measure"] != "g":
        return f"{reading.measure} {reading.estimate}" + (
            f" ({reading.interval})" if reading.interval else ""
        )
    amount = signed(abs(estimate)).lstrip("+")
    words = (
        gettext("In cases lower by %(amount)s standard deviations")
        if estimate < 0
        else gettext("In cases higher by %(amount)s standard deviations")
    )
    return words % {"amount": amount}


def course_of(claim: Claim, readings: Sequence[Reading]) -> SafeString:
    """The drawing of one stratum's history."""
    side = verdict_figure.side_of(readings[0].row["measure"], claim.direction)
    words = [f"{one.measure} {one.estimate} ({one.interval})." for one in readings]
    return verdict_figure.course([one.row for one in readings], side, words)


def _turn(claim: Claim, turned: Reading, was: Reading, user: User) -> Turn:
    """Why the verdict changed, from what this person may see of both runs."""
    run = Run.objects.visible_to(user).select_related("plan", "snapshot").get(pk=turned.row["run"])
    news = changes.changes_for(run, changes.previous_for(run, user), user)
    here = (claim.code, turned.row["stratum"])
    words = next(
        (flip["words"] for flip in news["verdicts"] if (flip["claim"], flip["stratum"]) == here), ""
    )
    return Turn(
        run=turned.row["run"],
        before=was.row["verdict"],
        at=turned.row["published_at"] or "",
        words=words,
        people=[one for one in news["participants"] if one["n_in"] is not None],
    )
