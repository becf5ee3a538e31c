"""A participant moves to another site: offered by the one, taken over by the other.

What was collected stays, with its consent and its tubes, at the site that collected it. The new
site enrols the person under a code of its own and asks for a consent of its own before it takes a
sample. Both records are one person: analyses count one.
"""

from __future__ import annotations

import uuid
from datetime import date

from django.db.models import Max
from django.utils import timezone

from cohorts import access, clock, history
from cohorts.errors import NotAllowed, UnusableRequest
from cohorts.language.sentences import say
from cohorts.models import Change, Consent, Participant, Site, Transfer, User, Withdrawal
from cohorts.retrying import transacted
from cohorts.services.identity import refuse_merged
from cohorts.services.rules import hold_to_its_rules

SHARE = "share_consortium"


@transacted
def offer(participant_id: int, *, to_site: str, reason: str, by: User) -> Transfer:
    """Tell another site of the study that a participant moves there.

    Raises NotAllowed, or UnusableRequest in the words of the rule that forbids it.
    """
    person = Participant.objects.locked(participant_id)
    if not access.may(by, "transfer", "C", person.site_id):
        raise NotAllowed(
            say("Your role at %(site)s does not transfer participants.", site=person.site.code)
        )
    refuse_merged(person)
    if not reason.strip():
        raise UnusableRequest(say("Say why the participant is transferred."))
    there = Site.objects.filter(study=person.site.study, code=to_site.strip()).first()
    if there is None or there.pk == person.site_id:
        raise UnusableRequest(
            say(
                "%(to_site)s is not another site of this study; check the code.",
                to_site=repr(to_site),
            )
        )
    if person.left_on:
        raise UnusableRequest(
            say("%(person)s has moved to another site already.", person=person.code)
        )
    _refuse_unwilling(person)
    transfer = Transfer(participant=person, to_site=there, reason=reason.strip()[:300], asked_by=by)
    hold_to_its_rules(transfer)
    transfer.save()
    return transfer


@transacted
def accept(transfer_id: int, *, code: str, on: date, by: User) -> Participant:
    """Take a participant over under a code of the new site; the old site takes no new data."""
    transfer = _open(transfer_id)
    if not access.may(by, "transfer", "U", transfer.to_site_id):
        raise NotAllowed(
            say(
                "Your role at %(to_site)s does not take participants over.",
                to_site=transfer.to_site.code,
            )
        )
    person = Participant.objects.locked(transfer.participant_id)
    _refuse_unwilling(person)
    if not person.enrolled_on <= on <= clock.today_at(transfer.to_site):
        raise UnusableRequest(
            say(
                "%(on)s is before the enrolment or still to come; give the day of the move.",
                on=format(on, "%Y-%m-%d"),
            )
        )
    last = transfer.to_site.ethics_expires_on
    if last and on > last:
        raise UnusableRequest(
            say(
                "The ethics approval of %(to_site)s ended %(last)s; nobody is enrolled "
                "without one: have the renewed approval recorded first.",
                to_site=transfer.to_site.code,
                last=format(last, "%Y-%m-%d"),
            )
        )
    person.person = person.person or uuid.uuid4()
    years = (on - person.enrolled_on).days / 365.25
    arrived = Participant(
        site=transfer.to_site, code=code.strip(), sex=person.sex, group=person.group,
        enrolled_on=on, birth_year=person.birth_year, person=person.person,
        age_years=None if person.age_years is None else round(person.age_years + years, 1),
        drug_free=person.drug_free, washout_on=person.washout_on,
    )  # fmt: skip
    hold_to_its_rules(arrived)
    with history.because(transfer.reason, user=by.pk):
        arrived.save()
        person.left_on = on
        person.version += 1
        person.save(update_fields=["left_on", "person", "version"])
    transfer.arrived_as, transfer.accepted_by, transfer.accepted_at = arrived, by, timezone.now()
    transfer.save(update_fields=["arrived_as", "accepted_by", "accepted_at"])
    for each in (person, arrived):
        Change.objects.record(
            study=each.site.study, site=each.site, kind="participants",
            counts={"transferred": 1}, cause=say("a participant moved between sites"),
        )  # fmt: skip
    return arrived


@transacted
def call_off(transfer_id: int, *, by: User) -> Transfer:
    """Either end calls an open transfer off."""
    transfer = _open(transfer_id)
    ends = (transfer.participant.site_id, transfer.to_site_id)
    if not any(access.may(by, "transfer", "U", site_id) for site_id in ends):
        raise NotAllowed(say("Your role does not call a transfer off."))
    transfer.ended_by, transfer.ended_at = by, timezone.now()
    transfer.save(update_fields=["ended_by", "ended_at"])
    return transfer


def _refuse_unwilling(person: Participant) -> None:
    today = clock.today()
    standing = Withdrawal.objects.filter(participant=person).effective(today)
    if (standing.aggregate(level=Max("level"))["level"] or 0) >= Withdrawal.Level.NO_FURTHER_DATA:
        raise UnusableRequest(
            say(
                "%(person)s has withdrawn; nobody is transferred against a wish.",
                person=person.code,
            )
        )
    if not Consent.objects.filter(participant=person).in_force(today).granting([SHARE]).exists():
        raise UnusableRequest(
            say(
                "%(person)s has no consent in force that covers %(share)s: another site "
                "may not be told of them.",
                person=person.code,
                share=SHARE,
            )
        )


def _open(transfer_id: int) -> Transfer:
    found: Transfer = (
        Transfer.objects.select_for_update(of=("self",))
        .select_related("to_site__study", "participant__site")
        .get(pk=transfer_id)
    )
    if found.state != "offered":
        raise UnusableRequest(
            say("This transfer is %(state)s already.", state=found.state.replace("_", " "))
        )
    return found
