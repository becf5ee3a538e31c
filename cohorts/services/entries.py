"""Questionnaires typed in from paper: once, a second time by somebody else, and compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from django.utils import timezone

from cohorts import access, clock, history
from cohorts.errors import NotAllowed, UnusableRequest
from cohorts.language.sentences import say
from cohorts.models import (
    EVENTS,
    Assessment,
    Change,
    Instrument,
    Participant,
    SecondEntry,
    User,
    Visit,
)
from cohorts.retrying import transacted
from cohorts.scoring import SCORING_VERSION, Scores, score
from cohorts.services import queries
from cohorts.services.identity import refuse_merged
from cohorts.services.phenotyping import rule_of, score_of
from cohorts.services.rules import hold_to_its_rules
from cohorts.services.visits import willing

RULE = "double-entry"
Items = Sequence[int | None]


@dataclass(frozen=True)
class Difference:
    """One item that the two entries do not answer alike; ``item`` counts from 1."""

    item: int
    first: int | None
    second: int | None


@dataclass(frozen=True)
class Progress:
    """How far a questionnaire is filled in, and what it scores so far."""

    answered: int
    n_items: int
    scores: Scores


def progress_of(instrument: Instrument, items: Items) -> Progress:
    """The answers so far, scored by the instrument's own rule."""
    answered = sum(answer is not None for answer in items)
    return Progress(answered, len(items), score(items, rule_of(instrument)))


@transacted
def record(
    participant_id: int,
    instrument: Instrument,
    items: Items,
    *,
    on: date,
    by: User,
    language: str = "",
    visit: str = "",
) -> Assessment:
    """Record a questionnaire from its paper form; the score follows from the answers."""
    person = willing(participant_id, by)
    if not person.enrolled_on <= on <= clock.today_at(person.site):
        raise UnusableRequest(
            say(
                "%(on)s is before the enrolment (%(enrolled_on)s) or still to come: check the day.",
                on=format(on, "%Y-%m-%d"),
                enrolled_on=format(person.enrolled_on, "%Y-%m-%d"),
            )
        )
    _hold_to_the_scale(instrument, items)
    if instrument.languages and language not in instrument.languages:
        raise UnusableRequest(
            say(
                "%(language)s is not a language of %(instrument)s; choose one of %(languages)s.",
                language=repr(language or "No language"),
                instrument=instrument,
                languages=", ".join(instrument.languages),
            )
        )
    assessment = Assessment(
        participant=person,
        visit=_visit(person, visit),
        instrument=instrument,
        language=language,
        assessed_on=on,
        items=list(items),
        score=score_of(instrument, items, None),
        scoring_version=SCORING_VERSION,
    )
    hold_to_its_rules(assessment)
    with history.because(say("typed in from paper"), user=by.pk):
        assessment.save()
    _note(person, "assessments")
    return assessment


@transacted
def enter_again(assessment_id: int, items: Items, *, by: User) -> SecondEntry:
    """Keep a second entry and compare; each difference is asked about, agreement asks nothing.

    Raises NotAllowed for whoever made the first entry.
    """
    first = _held(assessment_id)
    site = first.participant.site
    if not any(access.may(by, "assessment", verb, site.pk) for verb in "CU"):
        raise NotAllowed(
            say("Your role at %(site)s does not type in questionnaires.", site=site.code)
        )
    refuse_merged(first.participant)
    if not first.items:
        raise UnusableRequest(say("Only its total is on record: there is no item to compare."))
    if by.pk == first_entered_by(first):
        raise NotAllowed(say("The first entry is yours; somebody else makes the second."))
    _hold_to_the_scale(first.instrument, items)
    now = {"items": list(items), "entered_by": by, "entered_at": timezone.now()}
    open_again = {"settled_by": None, "settled_at": None}
    second, _ = SecondEntry.objects.update_or_create(assessment=first, defaults=now | open_again)
    first.second_entry = second
    recheck([first])
    return second


@transacted
def settle(
    assessment_id: int, answers: Mapping[int, int | None], *, reason: str, by: User
) -> Assessment:
    """Decide each item that differs, from the paper; the record is corrected where it was wrong.

    ``answers`` has every differing item. Raises NotAllowed, UnusableRequest in words.
    """
    first = _held(assessment_id)
    person = first.participant
    if not access.may(by, "assessment", "U", person.site_id):
        raise NotAllowed(
            say("Your role at %(site)s does not correct questionnaires.", site=person.site.code)
        )
    if not reason.strip():
        raise UnusableRequest(say("Say how the differences were settled."))
    differ = {each.item for each in differences(first)}
    if not differ:
        raise UnusableRequest(say("The two entries agree: nothing is to be settled."))
    if set(answers) != differ:
        listed = ", ".join(map(str, sorted(differ)))
        raise UnusableRequest(
            say("Decide exactly the items that differ: %(listed)s.", listed=listed)
        )
    items = [answers.get(n, was) for n, was in enumerate(first.items, start=1)]
    _hold_to_the_scale(first.instrument, items)
    second = first.second_entry
    second.settled_by, second.settled_at = by, timezone.now()
    second.save(update_fields=["settled_by", "settled_at"])
    if items != first.items:
        first.items, first.scoring_version = items, SCORING_VERSION
        first.score = score_of(first.instrument, items, first.sent_total)
        with history.because(reason.strip()[:300], user=by.pk):
            first.save(update_fields=["items", "score", "scoring_version"])
    recheck([first])
    _note(person, "settled")
    return first


def differences(assessment: Assessment) -> tuple[Difference, ...]:
    """Items that differ and that nobody has settled; none where there is no second entry."""
    second = SecondEntry.objects.filter(assessment=assessment, settled_at=None).first()
    if second is None:
        return ()
    pairs = zip(assessment.items, second.items, strict=True)
    return tuple(Difference(n, a, b) for n, (a, b) in enumerate(pairs, start=1) if a != b)


def recheck(assessments: Iterable[Assessment]) -> None:
    """Ask about entries that differ; a question whose entries agree by now is closed."""
    for each in assessments:
        differ = differences(each)
        found = [queries.Finding(each, _cause(differ), _words(each, differ))] if differ else []
        queries.recheck(RULE, each.participant.site, found, assessment=each)


def first_entered_by(assessment: Assessment) -> int | None:
    """The account that brought the assessment, by its history; None for a command."""
    events = EVENTS[Assessment]._default_manager.filter(pgh_obj_id=assessment.pk)
    event = events.filter(pgh_label="insert").first()
    found = (getattr(event, "pgh_context", None) or {}).get("user")
    return int(found) if found is not None else None


def _cause(differ: Sequence[Difference]) -> str:
    seen = ";".join(f"{each.item}:{each.first}/{each.second}" for each in differ)
    return seen[:200]


def _words(assessment: Assessment, differ: Sequence[Difference]) -> str:
    listed = ", ".join(str(each.item) for each in differ)
    named = {"instrument": assessment.instrument.code, "on": assessment.assessed_on}
    if len(differ) == 1:
        return say(
            "%(instrument)s of %(on)s was typed in twice and differs in item %(listed)s: "
            "look at the paper and settle each.",
            **named,
            listed=listed,
        )
    return say(
        "%(instrument)s of %(on)s was typed in twice and differs in items %(listed)s: "
        "look at the paper and settle each.",
        **named,
        listed=listed,
    )


def _held(assessment_id: int) -> Assessment:
    found: Assessment = (
        Assessment.objects.select_for_update(of=("self",))
        .select_related("participant__site__study", "participant__merged_into", "instrument")
        .get(pk=assessment_id)
    )
    return found


def _hold_to_the_scale(instrument: Instrument, items: Items) -> None:
    n_items = instrument.n_items or 0
    if not n_items:
        raise UnusableRequest(
            say(
                "%(instrument)s is taken as a total alone; send it in a table.",
                instrument=instrument,
            )
        )
    if len(items) != n_items:
        raise UnusableRequest(
            say(
                "%(instrument)s has %(n_items)s items, and %(given)s were given.",
                instrument=instrument,
                n_items=n_items,
                given=len(items),
            )
        )
    for number, answer in enumerate(items, start=1):
        if answer is not None and not instrument.item_min <= answer <= instrument.item_max:
            raise UnusableRequest(
                say(
                    "Item %(number)s is answered %(answer)s; the range is %(item_min)s to "
                    "%(item_max)s.",
                    number=number,
                    answer=answer,
                    item_min=instrument.item_min,
                    item_max=instrument.item_max,
                )
            )
    if all(answer is None for answer in items):
        raise UnusableRequest(say("No item is answered; answer at least one."))


def _visit(person: Participant, label: str) -> Visit | None:
    if not label:
        return None
    found: Visit | None = Visit.objects.filter(participant=person, label=label).first()
    if found is None:
        raise UnusableRequest(
            say(
                "%(person)s has no visit %(label)s; record the visit first.",
                person=person.code,
                label=repr(label),
            )
        )
    return found


def _note(person: Participant, what: str) -> None:
    site = person.site
    Change.objects.record(
        study=site.study, site=site, kind="assessments", counts={what: 1}, cause=say("typed in")
    )
