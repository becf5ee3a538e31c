"""Enrolling one person by a form: held to every rule that a table of participants is held to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd

from cohorts import access
from cohorts.errors import DomainError, NotAllowed
from cohorts.ingest import participants
from cohorts.ingest.reading import Table
from cohorts.ingest.report import Fault
from cohorts.language.sentences import say
from cohorts.models import Change, ConsentForm, Participant, Site, User
from cohorts.retrying import transacted
from cohorts.services import consent, enrolment
from cohorts.services.tables import books

ROW = 2  # a table's first row, beneath its header


@dataclass(frozen=True)
class SignedConsent:
    """What a person signed at enrolment; without a form, the basis says why data may be used."""

    form: ConsentForm | None
    basis: str
    signed_on: date
    scopes: Sequence[str]


class RefusedEnrolment(DomainError):
    """Cells of the form that break a rule; each fault names its column."""

    code = "enrolment_refused"

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(faults[0].message)
        self.faults = tuple(faults)


@transacted
def enrol_one(
    site_id: int, cells: Mapping[str, str], signed: SignedConsent | None, *, by: User
) -> Participant:
    """Enrol one person, with the consent where one was signed; both or neither.

    ``cells`` are those of a participants table, by its columns. Raises RefusedEnrolment with every
    fault at once, UnusableRequest where the consent's form was not there to be signed.
    """
    # The site's row orders its enrolments, so that two forms cannot take one code.
    site = Site.objects.locked(site_id)
    if not access.may(by, "participant", "C", site.pk):
        raise NotAllowed(say("Your role at %(site)s does not enrol participants.", site=site.code))
    frame = pd.DataFrame([dict(cells)], index=[ROW], dtype=str)
    facts = books.facts_of_one(site, cells.get("participant", ""))
    checked = participants.check(Table(frame), facts)
    if not checked.report.ok:
        raise RefusedEnrolment(checked.report.faults)
    enrolment.enrol(site, checked.rows, by=by)
    person = Participant.objects.get(site=site, code=checked.rows[0].participant)
    Change.objects.record(
        study=site.study,
        site=site,
        kind="participants",
        counts={"participants": 1},
        cause=say("a participant was enrolled"),
    )
    if signed is not None:
        consent.record_consent(
            person.pk,
            form=signed.form,
            basis=signed.basis,
            signed_on=signed.signed_on,
            scopes=signed.scopes,
            by=by,
        )
    return person
