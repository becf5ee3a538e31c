"""A consent that was recorded wrongly is corrected; what a participant took back stays so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from cohorts import access, clock, history
from cohorts.errors import NotAllowed, UnusableRequest
from cohorts.language.sentences import say
from cohorts.models import Change, Consent, ConsentForm, Participant, User
from cohorts.retrying import transacted
from cohorts.services import correctable
from cohorts.services.audit import history as events
from cohorts.services.audit.history import Past
from cohorts.services.consent import hold_to_its_form, use_is_stopped
from cohorts.services.identity import refuse_merged
from cohorts.services.samples import destruction

CORRECTABLE: Final = ("form_version", "form_language", "signed_on", "scopes", "basis")
_OF_THE_FORM: Final = ("form_version", "form_language")
_UNTOLD: Final = ("recorded_at", "recorded_by_id")


@transacted
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
    person = Participant.objects.locked(participant_id)
    refuse_merged(person)
    consent = Consent.objects.select_related("form").get(pk=consent_id)
    consent.participant = person
    _refuse(consent, changes, reason, by, version)
    if "form_version" in changes:
        consent.form = _form(person, changes["form_version"], changes.get("form_language"))
    for name in set(changes) - set(_OF_THE_FORM):
        value = changes[name]
        setattr(consent, name, sorted(set(value)) if name == "scopes" else value)
    consent.version += 1
    hold_to_its_form(consent)
    consent.full_clean()
    with history.because(reason.strip(), user=by.pk):
        consent.save()
    if use_is_stopped(person):  # the day of the signature may have moved to before a withdrawal
        destruction.block(person, destruction.WITHDRAWAL, by=by)
    Change.objects.record(
        study=person.site.study,
        site=person.site,
        kind="consent",
        counts={"corrected": 1},
        cause=say("a consent was corrected"),
    )
    return consent


def past_of(consent: Consent) -> list[Past]:
    """Every state of the record, the newest first; a form by its version, not by its number."""
    past = events.past_of(consent)
    known = ConsentForm.objects.filter(site=consent.participant.site_id)
    words = {form.pk: f"{form.version} {form.language}".strip() for form in known}
    return [replace(each, changed=tuple(_told(each, words))) for each in past]


def _told(event: Past, forms: Mapping[int, str]) -> Iterator[tuple[str, Any, Any]]:
    for name, was, now in event.changed:
        if name == "form_id":
            yield "form_version", forms.get(was), forms.get(now)
        elif name not in _UNTOLD:
            yield name, was, now


def _form(person: Participant, version: str, language: str | None) -> ConsentForm | None:
    """The form of that version; none for an empty one, where the basis is said instead."""
    if not version:
        return None
    registered = ConsentForm.objects.filter(site=person.site, version=version)
    if language is not None:
        registered = registered.filter(language=language)
    found = list(registered[:2])
    if not found:
        raise UnusableRequest(
            say(
                "%(site)s has no form of the version %(version)s: check it.",
                site=person.site.code,
                version=version,
            )
        )
    if len(found) > 1:
        raise UnusableRequest(
            say(
                "%(site)s has the version %(version)s in several languages: say which was signed "
                "(form_language).",
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
    if not changes or set(changes) == {"form_language"}:
        raise UnusableRequest(say("Name what is to be corrected."))
    correctable.refuse_older(person, consent.version, version)
