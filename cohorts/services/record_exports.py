"""Records leave the platform: by whom it is allowed, with the reason, and on record."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.db import transaction
from django.utils import timezone

from cohorts import access
from cohorts.errors import NoSuchSite, NotAllowed, UnusableRequest
from cohorts.models import Consent, Participant, RecordExport, Sample, Site, User, Withdrawal
from cohorts.outgoing import fhir, fhir_r4, miabis, redcap
from cohorts.outgoing.records import OutPerson, OutSample, OutSite


@dataclass(frozen=True)
class Format:
    write: Callable[[OutSite], str]
    suffix: str
    media_type: str


FORMATS: Final[dict[str, Format]] = {
    "fhir": Format(fhir.write, "json", "application/fhir+json"),
    "fhir-r4": Format(fhir_r4.write, "json", "application/fhir+json"),
    "redcap": Format(redcap.write, "csv", "text/csv; charset=utf-8"),
    "miabis": Format(miabis.write, "json", "application/json"),
}


@dataclass(frozen=True)
class Exported:
    name: str
    media_type: str
    content: bytes
    record: RecordExport


def site_for(user: User, site_code: str) -> Site:
    """The site whose records this user may export. Raises NoSuchSite, NotAllowed."""
    site: Site | None = Site.objects.visible_to(user).filter(code=site_code).first()
    if site is None:
        raise NoSuchSite(site_code)
    if access.may(user, "record_export", "X", site.pk):
        return site
    if access.may(user, "record_export", "A", site.pk):
        raise NotAllowed(
            "Records of all sites are exported by two people, and that second approval is not "
            "offered yet: ask the site's data manager to export them."
        )
    raise NotAllowed("Your role does not export records; ask the site's data manager.")


@transaction.atomic
def export(site: Site, form: str, *, reason: str, by: User | None) -> Exported:
    """The site's records in one format. Raises UnusableRequest in words."""
    if form not in FORMATS:
        raise UnusableRequest(f"{form!r} is not a format; choose one of {', '.join(FORMATS)}.")
    if not reason.strip():
        raise UnusableRequest("Say why the records are exported.")
    chosen, records = FORMATS[form], records_of(site)
    if not records.people:
        raise UnusableRequest(f"{site.code} has nobody whose records may be exported.")
    content = chosen.write(records).encode()
    record = RecordExport.objects.create(
        site=site,
        format=form,
        reason=reason.strip()[:300],
        n_participants=len(records.people),
        n_samples=len(records.samples),
        sha256=hashlib.sha256(content).hexdigest(),
        exported_by=by,
    )
    name = f"{site.code}-{form}-{record.pk}.{chosen.suffix}"
    return Exported(name, chosen.media_type, content, record)


def records_of(site: Site) -> OutSite:
    """People and samples of the site, without those who stopped further use."""
    today = timezone.localdate()
    stopped = Withdrawal.objects.effective(today).stopping_use().values("participant")
    people = Participant.objects.filter(site=site).exclude(pk__in=stopped).order_by("code")
    consents = {
        consent.participant_id: consent
        for consent in Consent.objects.filter(participant__in=people).in_force(today)
    }
    samples = Sample.objects.filter(participant__in=people).order_by("code")
    return OutSite(
        study=site.study.code,
        title=site.study.title,
        site=site.code,
        name=site.name,
        country=site.country,
        people=tuple(_person(person, consents.get(person.pk)) for person in people),
        samples=tuple(
            OutSample(
                sample.code,
                sample.participant.code,
                sample.material,
                sample.tube,
                sample.collected_at,
                sample.parent.code if sample.parent else "",
            )
            for sample in samples.select_related("participant", "parent")
        ),
    )


def _person(person: Participant, consent: Consent | None) -> OutPerson:
    return OutPerson(
        code=person.code,
        sex=person.sex,
        group=person.group,
        enrolled_on=person.enrolled_on,
        birth_year=person.birth_year,
        age_years=person.age_at_enrolment,
        consented_on=consent.signed_on if consent else None,
        scopes=tuple(consent.scopes) if consent else (),
        variables=person.variables,
    )
