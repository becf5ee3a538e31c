"""Enrolling participants, with the consent that they signed."""

from __future__ import annotations

from collections.abc import Sequence

from cohorts.ingest.participants import ParticipantRow
from cohorts.models import Consent, ConsentForm, Participant, Site, User


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
            enrolled_on=row.enrolled_on,
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
            basis="" if row.consent_version else (basis or "as the site's table states"),
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
