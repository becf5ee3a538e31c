"""Enrolling participants, with the consent that they signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.utils import timezone

from cohorts import access, clock, history
from cohorts.errors import NotAllowed, UnusableRequest
from cohorts.ingest.participants import ParticipantRow
from cohorts.language.sentences import say
from cohorts.models import Change, Consent, ConsentForm, Participant, Site, User
from cohorts.retrying import transacted
from cohorts.services import correctable
from cohorts.services.identity import refuse_merged
from cohorts.services.rules import hold_to_its_rules

CORRECTABLE: Final = (
    "sex",
    "group",
    "enrolled_on",
    "birth_year",
    "age_years",
    "drug_free",
    "washout_on",
)


def enrol(site: Site, rows: Sequence[ParticipantRow], *, by: User | None, basis: str = "") -> None:
    """Enrol checked rows and record their consents; call it inside the upload's transaction.

    ``basis`` says why data may be used where no form was signed, as for published data.
    """
    enrolled = Participant.objects.bulk_create(
        Participant(
            site=site,
            code=row.participant,
            sex=row.sex,
            group=row.group,
            enrolled_on=row.enrolled_on,  # type: ignore[misc]  # empty only for those known
            birth_year=row.birth_year,
            age_years=row.age_years,
            drug_free=row.drug_free,
            variables=row.variables,
        )
        for row in rows
    )
    forms = _forms(site, rows)
    Consent.objects.bulk_create(
        Consent(
            participant=participant,
            form=forms.get(row.consent_version),
            basis="" if row.consent_version else (basis or say("as the site's table states")),
            signed_on=row.consent_signed_on,
            scopes=sorted(row.consent_scopes),
            recorded_by=by,
        )
        for participant, row in zip(enrolled, rows, strict=True)
        if row.consent_signed_on is not None
    )


def _forms(site: Site, rows: Sequence[ParticipantRow]) -> dict[str, ConsentForm]:
    """The forms that the table names; one not yet registered starts without its document."""
    offered: dict[str, set[str]] = {}
    for row in rows:
        if row.consent_version:
            offered.setdefault(row.consent_version, set()).update(row.consent_scopes)
    forms = {
        form.version: form for form in ConsentForm.objects.filter(site=site, version__in=offered)
    }
    for version, scopes in offered.items():
        if version not in forms:
            forms[version] = ConsentForm.objects.create(
                site=site, version=version, offered_scopes=sorted(scopes)
            )
    return forms


@transacted
def correct(
    participant_id: int, changes: Mapping[str, Any], *, reason: str, by: User, version: int
) -> Participant:
    """Correct what was recorded of a participant: a new version, with the reason; the old is kept.

    ``version`` is the one that the corrector has seen. Raises NotAllowed, ChangedMeanwhile where
    somebody else was first, UnusableRequest in the words of the rule that forbids it.
    """
    person = Participant.objects.locked(participant_id)
    refuse_merged(person)
    _refuse_correction(person, changes, reason, by, version)
    for name, value in changes.items():
        setattr(person, name, value)
    person.version += 1
    _hold_to_its_rules(person)
    with history.because(reason.strip(), user=by.pk):
        person.save(update_fields=[*changes, "version"])
    Change.objects.record(
        study=person.site.study,
        site=person.site,
        kind="participants",
        counts={"corrected": 1},
        cause=say("a participant was corrected"),
    )
    return person


def _refuse_correction(
    person: Participant, changes: Mapping[str, Any], reason: str, by: User, version: int
) -> None:
    if not access.may(by, "participant", "U", person.site_id):
        raise NotAllowed(
            say("Your role at %(site)s does not correct participants.", site=person.site.code)
        )
    correctable.refuse_erased(person, timezone.localdate())
    correctable.refuse_without_reason(reason)
    if "code" in changes:
        raise UnusableRequest(
            say(
                "A code is not corrected, since the files that were sent carry it: enrol "
                "under the right code and merge the two."
            )
        )
    correctable.refuse_strange(changes, CORRECTABLE)
    correctable.refuse_older(person, person.version, version)
    if all(getattr(person, name) == value for name, value in changes.items()):
        raise UnusableRequest(say("Nothing would change: give a value that differs."))


def _hold_to_its_rules(person: Participant) -> None:
    today = clock.today_at(person.site)
    for name, words in (("enrolled_on", say("day of enrolment")), ("washout_on", "washout date")):
        if (day := getattr(person, name)) is not None and day > today:
            raise UnusableRequest(
                say(
                    "The %(words)s %(day)s is still to come: check it.",
                    words=words,
                    day=format(day, "%Y-%m-%d"),
                )
            )
    groups = person.site.study.groups
    if person.group not in groups:
        raise UnusableRequest(
            say(
                "%(group)s is not a group of this study; the groups are %(groups)s.",
                group=repr(person.group),
                groups=", ".join(sorted(groups)),
            )
        )
    hold_to_its_rules(person)
