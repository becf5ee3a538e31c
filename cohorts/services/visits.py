"""Visits against the protocol's windows, and interviews about a person's withdrawal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.utils.translation import gettext_noop

from cohorts import access, clock, history
from cohorts.errors import NotAllowed, UnusableRequest
from cohorts.language.sentences import say
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
from cohorts.retrying import transacted
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
    today = clock.today_at(person.site)
    return [_planned(person, plan, visits.get(plan.label), today) for plan in protocol]


@transacted
def record_visit(participant_id: int, *, label: str, on: date, reason: str = "", by: User) -> Visit:
    """Record the day of a visit; one outside its window is taken and asked about.

    A day that was recorded wrongly is corrected with the reason.
    """
    person = willing(participant_id, by)
    protocol = list(
        ProtocolVisit.objects.filter(study=person.site.study_id).values_list("label", flat=True)
    )
    if protocol and label not in protocol:
        raise UnusableRequest(
            say(
                "%(label)s is not a visit of the protocol; the visits are %(protocol)s.",
                label=repr(label),
                protocol=", ".join(protocol),
            )
        )
    if not person.enrolled_on <= on <= clock.today_at(person.site):
        raise UnusableRequest(
            say(
                "%(on)s is before the enrolment (%(enrolled_on)s) or still to come: check the day.",
                on=format(on, "%Y-%m-%d"),
                enrolled_on=format(person.enrolled_on, "%Y-%m-%d"),
            )
        )
    known = Visit.objects.filter(participant=person, label=label).first()
    corrects = known is not None and known.visited_on not in (None, on)
    if known and corrects and not reason.strip():
        raise UnusableRequest(
            say(
                "%(label)s of %(person)s was on %(visited_on)s already; one visit has one day: "
                "say why that one is wrong.",
                label=label,
                person=person.code,
                visited_on=format(known.visited_on, "%Y-%m-%d"),
            )
        )
    visit = known or Visit(participant=person, label=label)
    visit.visited_on = on
    hold_to_its_rules(visit)
    with history.because(reason.strip() if corrects else say("visit recorded"), user=by.pk):
        visit.save()
    recheck(person.site, person)
    _note(person.site, "visit")
    return visit


@transacted
def record_interview(
    participant_id: int, facts: Mapping[str, Any], *, on: date, reason: str = "", by: User
) -> Interview:
    """Record what an interview found; the grades follow from it by each set of criteria.

    One of that day is corrected with the reason: what is asked now stands in its place.
    """
    person = willing(participant_id, by)
    if on > clock.today_at(person.site):
        raise UnusableRequest(
            say("%(on)s is still to come: check the day.", on=format(on, "%Y-%m-%d"))
        )
    if strange := sorted(set(facts) - set(FACTS)):
        raise UnusableRequest(
            say(
                "%(strange)s is not asked; what is: %(facts)s.",
                strange=repr(strange[0]),
                facts=", ".join(FACTS),
            )
        )
    if all(value is None for value in facts.values()):
        raise UnusableRequest(say("Nothing was answered; record at least one criterion."))
    known = Interview.objects.filter(participant=person, interviewed_on=on).first()
    if known and not reason.strip():
        raise UnusableRequest(
            say(
                "%(person)s was interviewed on %(on)s already: say why that record is wrong.",
                person=person.code,
                on=format(on, "%Y-%m-%d"),
            )
        )
    interview = known or Interview(participant=person, interviewed_on=on)
    for name in FACTS:
        setattr(interview, name, facts.get(name))
    hold_to_its_rules(interview)
    with history.because(reason.strip() if known else say("interview recorded"), user=by.pk):
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


_OUTSIDE = {
    ("early", False): gettext_noop(
        "%(label)s was on %(on)s, %(days)s day before its window (%(window)s): check the day, "
        "or say why."
    ),
    ("early", True): gettext_noop(
        "%(label)s was on %(on)s, %(days)s days before its window (%(window)s): check the day, "
        "or say why."
    ),
    ("late", False): gettext_noop(
        "%(label)s was on %(on)s, %(days)s day after its window (%(window)s): check the day, "
        "or say why."
    ),
    ("late", True): gettext_noop(
        "%(label)s was on %(on)s, %(days)s days after its window (%(window)s): check the day, "
        "or say why."
    ),
}


def _state(
    label: str, first: date, last: date, on: date | None, *, known: bool, today: date
) -> tuple[str, str]:
    window = f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
    if on is None:
        if known:
            return "no_date", say(
                "%(label)s has no date; its window is %(window)s.", label=label, window=window
            )
        missed = today > last
        return ("missed" if missed else "planned"), say(
            "%(label)s is planned for %(window)s.", label=label, window=window
        )
    if first <= on <= last:
        return "on_time", ""
    state, days = ("early", (first - on).days) if on < first else ("late", (on - last).days)
    return state, say(_OUTSIDE[state, days > 1], label=label, on=on, days=days, window=window)


def willing(participant_id: int, by: User) -> Participant:
    """The participant, held, of whom this person may record something new. Raises in words."""
    person = Participant.objects.locked(participant_id)
    if not access.may(by, "assessment", "C", person.site_id):
        raise NotAllowed(
            say(
                "Your role at %(site)s does not record visits and interviews.",
                site=person.site.code,
            )
        )
    refuse_merged(person)
    standing = Withdrawal.objects.filter(participant=person).effective(clock.today())
    if standing.stopping_new_data().exists():
        raise UnusableRequest(
            say("%(person)s has withdrawn; no further data are taken.", person=person.code)
        )
    if person.left_on:
        raise UnusableRequest(
            say("%(person)s moved to another site; new data are taken there.", person=person.code)
        )
    return person


def _note(site: Site, what: str) -> None:
    Change.objects.record(
        study=site.study, site=site, kind="assessments", counts={what: 1}, cause=f"{what} recorded"
    )
