"""Visits against the protocol's windows, and interviews about a person's withdrawal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db import transaction

from cohorts import access, clock, history
from cohorts.errors import NotAllowed, UnusableRequest
from cohorts.models import (
    Change,
    Interview,
    Participant,
    ProtocolVisit,
    Site,
    User,
    Visit,
    Withdrawal,
)
from cohorts.models.interview import FACTS
from cohorts.services import queries
from cohorts.services.identity import refuse_merged
from cohorts.services.rules import hold_to_its_rules

RULE = "visit-window"


@dataclass(frozen=True)
class Planned:
    """A visit of the protocol for one participant; ``state`` in one word, ``words`` in a sentence.

    planned, on_time, early, late, missed or no_date.
    """

    label: str
    first: date
    last: date
    visited_on: date | None
    state: str
    words: str


def planned_of(person: Participant) -> list[Planned]:
    """Every visit of the protocol with its window, and how this participant kept it."""
    visits = {visit.label: visit for visit in Visit.objects.filter(participant=person)}
    protocol = ProtocolVisit.objects.filter(study=person.site.study_id)
    return [_planned(person, plan, visits.get(plan.label), clock.today()) for plan in protocol]


@transaction.atomic
def record_visit(participant_id: int, *, label: str, on: date, by: User) -> Visit:
    """Record the day of a visit; one outside its window is taken and asked about."""
    person = willing(participant_id, by)
    protocol = list(
        ProtocolVisit.objects.filter(study=person.site.study_id).values_list("label", flat=True)
    )
    if protocol and label not in protocol:
        raise UnusableRequest(
            f"{label!r} is not a visit of the protocol; the visits are {', '.join(protocol)}."
        )
    if not person.enrolled_on <= on <= clock.today():
        raise UnusableRequest(
            f"{on:%Y-%m-%d} is before the enrolment ({person.enrolled_on:%Y-%m-%d}) or still to "
            "come: check the day."
        )
    known = Visit.objects.filter(participant=person, label=label).first()
    if known and known.visited_on not in (None, on):
        raise UnusableRequest(
            f"{label} of {person.code} was on {known.visited_on:%Y-%m-%d} already; one visit has "
            "one day."
        )
    visit = known or Visit(participant=person, label=label)
    visit.visited_on = on
    hold_to_its_rules(visit)
    with history.because("visit recorded", user=by.pk):
        visit.save()
    recheck(person.site, person)
    _note(person.site, "visit")
    return visit


@transaction.atomic
def record_interview(
    participant_id: int, facts: Mapping[str, Any], *, on: date, by: User
) -> Interview:
    """Record what an interview found; the grades follow from it by each set of criteria."""
    person = willing(participant_id, by)
    if on > clock.today():
        raise UnusableRequest(f"{on:%Y-%m-%d} is still to come: check the day.")
    if strange := sorted(set(facts) - set(FACTS)):
        raise UnusableRequest(f"{strange[0]!r} is not asked; what is: {', '.join(FACTS)}.")
    if all(value is None for value in facts.values()):
        raise UnusableRequest("Nothing was answered; record at least one criterion.")
    interview = Interview(participant=person, interviewed_on=on, **facts)
    hold_to_its_rules(interview)
    with history.because("interview recorded", user=by.pk):
        interview.save()
    _note(person.site, "interview")
    return interview


def recheck(site: Site, person: Participant) -> None:
    """Ask about visits of this participant outside their windows; close what is put right."""
    found = [
        queries.Finding(person, f"{plan.label}:{plan.visited_on}", plan.words)
        for plan in planned_of(person)
        if plan.state in ("early", "late")
    ]
    queries.recheck(RULE, site, found, participant=person)


def _planned(person: Participant, plan: ProtocolVisit, visit: Visit | None, today: date) -> Planned:
    target = person.enrolled_on + timedelta(days=plan.target_day)
    first = target - timedelta(days=plan.days_before)
    last = target + timedelta(days=plan.days_after)
    on = visit.visited_on if visit else None
    state, words = _state(plan.label, first, last, on, known=visit is not None, today=today)
    return Planned(plan.label, first, last, on, state, words)


def _state(
    label: str, first: date, last: date, on: date | None, *, known: bool, today: date
) -> tuple[str, str]:
    window = f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
    if on is None:
        if known:
            return "no_date", f"{label} has no date; its window is {window}."
        missed = today > last
        return ("missed" if missed else "planned"), f"{label} is planned for {window}."
    if first <= on <= last:
        return "on_time", ""
    state, days = ("early", (first - on).days) if on < first else ("late", (on - last).days)
    side = "before" if state == "early" else "after"
    plural = "s" if days > 1 else ""
    return state, (
        f"{label} was on {on:%Y-%m-%d}, {days} day{plural} {side} its window ({window}): check "
        "the day, or say why."
    )


def willing(participant_id: int, by: User) -> Participant:
    """The participant, held, of whom this person may record something new. Raises in words."""
    person: Participant = (
        Participant.objects.select_for_update(of=("self",))
        .select_related("site__study", "merged_into")
        .get(pk=participant_id)
    )
    if not access.may(by, "assessment", "C", person.site_id):
        raise NotAllowed(f"Your role at {person.site.code} does not record visits and interviews.")
    refuse_merged(person)
    standing = Withdrawal.objects.filter(participant=person).effective(clock.today())
    if standing.stopping_new_data().exists():
        raise UnusableRequest(f"{person.code} has withdrawn; no further data are taken.")
    if person.left_on:
        raise UnusableRequest(f"{person.code} moved to another site; new data are taken there.")
    return person


def _note(site: Site, what: str) -> None:
    Change.objects.record(
        study=site.study, site=site, kind="assessments", counts={what: 1}, cause=f"{what} recorded"
    )
