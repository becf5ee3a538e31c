"""A consent that was recorded wrongly is corrected; what a participant took back stays so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.db import transaction

from cohorts import access, clock, history
from cohorts.errors import NotAllowed, UnusableRequest
from cohorts.models import Change, Consent, ConsentForm, Participant, User
from cohorts.sentences import say
from cohorts.services import correctable
from cohorts.services.consent import hold_to_its_form
from cohorts.services.identity import refuse_merged

CORRECTABLE: Final = ("form_version", "signed_on", "scopes", "basis")


@transaction.atomic
def correct(
    consent_id: int, changes: Mapping[str, Any], *, reason: str, by: User, version: int
) -> Consent:
    """Make the record say what the paper says: a new version, with the reason; the old is kept.

    A new wish of the participant is a new consent. When it was recorded does not move, so a
    withdrawal that came later stands as it stood. Raises NotAllowed, ChangedMeanwhile where
    somebody else was first, UnusableRequest in the words of the rule that forbids it.
    """
    participant_id = Consent.objects.values_list("participant", flat=True).get(pk=consent_id)
    # The participant first, as a withdrawal and a new consent do.
    person = (
        Participant.objects.select_for_update(of=("self",))
        .select_related("site__study", "merged_into")
        .get(pk=participant_id)
    )
    refuse_merged(person)
    consent = Consent.objects.select_related("form").get(pk=consent_id)
    consent.participant = person
    _refuse(consent, changes, reason, by, version)
    for name, value in changes.items():
        if name == "form_version":
            consent.form = _form(person, value)
        else:
            setattr(consent, name, sorted(set(value)) if name == "scopes" else value)
    consent.version += 1
    hold_to_its_form(consent)
    consent.full_clean()
    with history.because(reason.strip(), user=by.pk):
        consent.save()
    Change.objects.record(
        study=person.site.study,
        site=person.site,
        kind="consent",
        counts={"corrected": 1},
        cause=say("a consent was corrected"),
    )
    return consent


def _form(person: Participant, version: str) -> ConsentForm:
    found = list(ConsentForm.objects.filter(site=person.site, version=version)[:2])
    if len(found) != 1:
        raise UnusableRequest(
            say(
                "%(site)s has not one form of the version %(version)s; name one that is "
                "registered in one language.",
                site=person.site.code,
                version=version,
            )
        )
    return found[0]


def _refuse(
    consent: Consent, changes: Mapping[str, Any], reason: str, by: User, version: int
) -> None:
    person = consent.participant
    if not access.may(by, "consent", "U", person.site_id):
        raise NotAllowed(
            say("Your role at %(site)s does not correct consents.", site=person.site.code)
        )
    correctable.refuse_erased(person, clock.today())
    correctable.refuse_without_reason(reason)
    correctable.refuse_strange(changes, CORRECTABLE)
    if not changes:
        raise UnusableRequest(say("Name what is to be corrected."))
    correctable.refuse_older(person, consent.version, version)
