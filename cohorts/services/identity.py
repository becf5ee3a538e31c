"""One person in several records: merged within a site, declared the same across sites."""

from __future__ import annotations

import uuid

from cohorts import access, clock, history
from cohorts.errors import NotAllowed, UnusableRequest
from cohorts.language.sentences import say
from cohorts.models import (
    EVENTS,
    Assessment,
    Change,
    Erasure,
    Participant,
    Transfer,
    User,
    Visit,
    Withdrawal,
)
from cohorts.retrying import transacted
from cohorts.services.samples import destruction

FACTS = ("sex", "birth_year", "group")


def refuse_merged(person: Participant) -> None:
    """Raises UnusableRequest for a record that is kept under another code."""
    if person.merged_into is not None:
        raise UnusableRequest(
            say(
                "%(person)s was merged into %(merged_into)s; use that code.",
                person=person.code,
                merged_into=person.merged_into.code,
            )
        )


@transacted
def merge(kept_id: int, other_id: int, *, reason: str, by: User) -> Participant:
    """Two records of a site are one person: all that hangs on ``other`` moves to ``kept``.

    The other record stays, empty, so that its code still leads here. The strictest wish holds:
    a withdrawal that stood for either stands for the one. Raises NotAllowed or UnusableRequest.
    """
    kept, other = _pair(kept_id, other_id, reason)
    site = kept.site
    if not access.may(by, "participant", "U", site.pk) or other.site_id != site.pk:
        raise NotAllowed(
            say("Your role at %(site)s does not merge these two participants.", site=site.code)
        )
    if Erasure.objects.open().filter(participant__in=[kept, other]).exists():
        raise UnusableRequest(
            say("An erasure of one of them is open: carry it out or stop it first.")
        )
    if Transfer.objects.open().filter(participant__in=[kept, other]).exists():
        raise UnusableRequest(
            say("One of them is offered to another site: let that be taken over, or call it off.")
        )
    level = max(_level(kept), _level(other))
    if level == Withdrawal.Level.ERASE:
        raise UnusableRequest(
            say("One of them has asked to be erased: erase each record by itself.")
        )
    with history.because(reason.strip(), user=by.pk):
        _move_visits(kept, other)
        _move_assessments(kept, other)
        _move_the_rest(kept, other)
        _link(kept, other)
        if _level(kept) < level:
            Withdrawal.objects.create(
                participant=kept, level=level, effective_on=clock.today(), recorded_by=by,
                note=say("It stood for one of two merged records."),
            )  # fmt: skip
        if level >= Withdrawal.Level.NO_FURTHER_USE:
            # The tubes that came from the record without the wish are held by it too.
            destruction.block(kept, destruction.WITHDRAWAL, by=by)
        other.merged_into = kept
        _new_version(other, "merged_into")
        _new_version(kept, "person", "left_on")
    Change.objects.record(
        study=site.study, site=site, kind="participants", counts={"merged": 1},
        cause=say("two records of one participant were merged"),
    )  # fmt: skip
    return kept


@transacted
def declare_same(one_id: int, other_id: int, *, reason: str, by: User) -> uuid.UUID:
    """Records of two sites are one person: each stays with its site, analyses count one.

    Raises NotAllowed or UnusableRequest.
    """
    one, other = _pair(one_id, other_id, reason)
    for site_id in (one.site_id, other.site_id):
        if not access.may(by, "same_person", "C", site_id):
            raise NotAllowed(
                say("Only the consortium's data manager sees both sites and links them.")
            )
    if one.site_id == other.site_id:
        raise UnusableRequest(say("Both are of %(site)s: merge them there.", site=one.site.code))
    if one.site.study_id != other.site.study_id:
        raise UnusableRequest(say("They are of two studies, which are analysed apart."))
    if one.person is not None and one.person == other.person:
        raise UnusableRequest(
            say(
                "%(one)s and %(other)s are declared one person already.",
                one=one.code,
                other=other.code,
            )
        )
    person = one.person or other.person or uuid.uuid4()
    held = {each.person for each in (one, other)} - {None}
    together = Participant.objects.select_for_update(of=("self",)).select_related("site__study")
    with history.because(reason.strip(), user=by.pk):
        linked = {one.pk: one, other.pk: other}
        linked |= {each.pk: each for each in together.filter(person__in=held)}
        for each in linked.values():
            each.person = person
            _new_version(each, "person")
            _note(each, say("a participant has a record at another site"))
    return person


@transacted
def declare_different(participant_id: int, *, reason: str, by: User) -> Participant:
    """Take back that a record is of the same person as others."""
    one = Participant.objects.locked(participant_id)
    if not access.may(by, "same_person", "W", one.site_id):
        raise NotAllowed(say("Only the consortium's data manager takes such a link back."))
    if not reason.strip():
        raise UnusableRequest(say("Say why the records are of different people."))
    if one.person is None:
        raise UnusableRequest(say("%(one)s is linked with no other record.", one=one.code))
    with history.because(reason.strip(), user=by.pk):
        one.person = None
        _new_version(one, "person")
    _note(one, say("a participant is no longer linked with another record"))
    return one


def _pair(one_id: int, other_id: int, reason: str) -> tuple[Participant, Participant]:
    if one_id == other_id:
        raise UnusableRequest(say("These are one record; name two."))
    if not reason.strip():
        raise UnusableRequest(say("Say how you know that they are one person."))
    # In one order, so that two people who link the same two do not wait for each other.
    found = {pk: Participant.objects.locked(pk) for pk in sorted((one_id, other_id))}
    one, other = found[one_id], found[other_id]
    for each in (one, other):
        refuse_merged(each)
    for name in FACTS:
        said = {getattr(one, name), getattr(other, name)} - {None, "unknown"}
        if len(said) > 1 and not (name == "group" and one.site_id != other.site_id):
            raise UnusableRequest(
                say(
                    "%(one)s and %(other)s differ in %(what)s: correct the record that is "
                    "wrong first, or leave them two.",
                    one=one.code,
                    other=other.code,
                    what=name.replace("_", " "),
                )
            )
    return one, other


def _level(person: Participant) -> int:
    standing = Withdrawal.objects.filter(participant=person).effective(clock.today())
    return standing.highest_level()


def _new_version(person: Participant, *fields: str) -> None:
    person.version += 1
    person.save(update_fields=[*fields, "version"])


def _note(person: Participant, cause: str) -> None:
    site = person.site
    Change.objects.record(
        study=site.study, site=site, kind="participants", counts={"linked": 1}, cause=cause
    )


def _link(kept: Participant, other: Participant) -> None:
    """Records at other sites that are of ``other`` are of ``kept`` now, and count once with it."""
    kept.left_on = kept.left_on or other.left_on
    if other.person is None or other.person == kept.person:
        return
    kept.person = kept.person or uuid.uuid4()
    elsewhere = Participant.objects.select_for_update(of=("self",)).filter(person=other.person)
    for each in elsewhere.exclude(pk=other.pk).select_related("site__study"):
        each.person = kept.person
        _new_version(each, "person")
        _note(each, say("a participant has a record at another site"))


def _move_visits(kept: Participant, other: Participant) -> None:
    """A visit of both with one label is one visit, if its dates agree."""
    known = {visit.label: visit for visit in Visit.objects.filter(participant=kept)}
    for visit in Visit.objects.filter(participant=other):
        same = known.get(visit.label)
        if same is None:
            visit.participant = kept
            visit.save(update_fields=["participant"])
            continue
        if same.visited_on and visit.visited_on and same.visited_on != visit.visited_on:
            raise UnusableRequest(
                say(
                    "Both have a visit %(visit)s, on different days: correct one first.",
                    visit=repr(visit.label),
                )
            )
        if same.visited_on is None:
            same.visited_on = visit.visited_on
            same.save(update_fields=["visited_on"])
        visit.sample_set.update(visit=same)
        visit.assessment_set.update(visit=same)
        visit.delete()


def _move_assessments(kept: Participant, other: Participant) -> None:
    """The same answers on the same day are one assessment; different ones are a question."""
    for theirs in Assessment.objects.filter(participant=other).select_related("instrument"):
        mine = Assessment.objects.filter(
            participant=kept, instrument=theirs.instrument_id, assessed_on=theirs.assessed_on
        ).first()
        if mine is None:
            theirs.participant = kept
            theirs.save(update_fields=["participant"])
        elif (mine.items, mine.sent_total) == (theirs.items, theirs.sent_total):
            theirs.delete()
        else:
            raise UnusableRequest(
                say(
                    "Both answered %(instrument)s on %(assessed_on)s, and differently: clear "
                    "that up first.",
                    instrument=theirs.instrument.code,
                    assessed_on=format(theirs.assessed_on, "%Y-%m-%d"),
                )
            )


def _move_the_rest(kept: Participant, other: Participant) -> None:
    """Consents, withdrawals, samples, and whatever else comes to hang on a participant."""
    passed = {Participant, Visit, Assessment, *EVENTS.values()}
    for link in Participant._meta.related_objects:
        if link.related_model in passed or link.one_to_one:
            continue
        rows = link.related_model._default_manager.filter(**{link.field.name: other})
        if link.many_to_many:
            for each in rows:
                getattr(each, link.field.name).add(kept)
                getattr(each, link.field.name).remove(other)
        else:
            rows.update(**{link.field.name: kept})
    Participant.objects.filter(merged_into=other).update(merged_into=kept)
