"""Records leave the platform: by whom it is allowed, with the reason, and on record."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from django.db import transaction

from cohorts import access
from cohorts.errors import NoSuchSite, NotAllowed, UnusableRequest
from cohorts.models import RecordExport, Site, User
from cohorts.outgoing import fhir, fhir_r4, isa_tab, miabis, mwtab, mztab_m, redcap
from cohorts.outgoing.assay_records import Unwritable
from cohorts.outgoing.records import OutSite
from cohorts.sentences import say
from cohorts.services import leaving


@dataclass(frozen=True)
class Format:
    """``of_assays``: it holds values of assay batches, and of their samples alone."""

    write: Callable[[OutSite], str | bytes]
    suffix: str
    media_type: str
    of_assays: bool = False


FORMATS: Final[dict[str, Format]] = {
    "fhir": Format(fhir.write, "json", "application/fhir+json"),
    "fhir-r4": Format(fhir_r4.write, "json", "application/fhir+json"),
    "redcap": Format(redcap.write, "csv", "text/csv; charset=utf-8"),
    "miabis": Format(miabis.write, "json", "application/json"),
    "mwtab": Format(mwtab.write, "zip", "application/zip", of_assays=True),
    "mztab-m": Format(mztab_m.write, "zip", "application/zip", of_assays=True),
    "isa-tab": Format(isa_tab.write, "zip", "application/zip", of_assays=True),
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
            say(
                "Records of all sites are exported by two people, and that second "
                "approval is not offered yet: ask the site's data manager to export them."
            )
        )
    raise NotAllowed(say("Your role does not export records; ask the site's data manager."))


@transaction.atomic
def export(
    site: Site, form: str, *, reason: str, by: User | None, batches: Collection[int] = ()
) -> Exported:
    """The site's records in one format. Raises UnusableRequest in words."""
    refuse_unusable(form, reason, batches)
    records = leaving.records_of(site)
    if not records.people:
        raise UnusableRequest(
            say("%(site)s has nobody whose records may be exported.", site=site.code)
        )
    if FORMATS[form].of_assays:
        records = leaving.with_batches(records, site, batches)
    return recorded(site, form, records, reason=reason, by=by)


def refuse_unusable(form: str, reason: str, batches: Collection[int]) -> None:
    """Raises UnusableRequest for a format that is none, no reason, or batches that do not fit."""
    if form not in FORMATS:
        raise UnusableRequest(
            say(
                "%(form)s is not a format; choose one of %(formats)s.",
                form=repr(form),
                formats=", ".join(FORMATS),
            )
        )
    if not reason.strip():
        raise UnusableRequest(say("Say why the records are exported."))
    if batches and not FORMATS[form].of_assays:
        raise UnusableRequest(
            say(
                "%(form)s holds no assay values, so no batch is chosen for it; leave the "
                "batches out.",
                form=form,
            )
        )


def recorded(site: Site, form: str, records: OutSite, *, reason: str, by: User | None) -> Exported:
    """The file and the record of it, which is written before the first byte leaves."""
    chosen = FORMATS[form]
    try:
        written = chosen.write(records)
    except Unwritable as error:
        raise UnusableRequest(str(error)) from error
    content = written if isinstance(written, bytes) else written.encode()
    n_participants, n_samples = _counted(records, of_assays=chosen.of_assays)
    record = RecordExport.objects.create(
        site=site,
        format=form,
        reason=reason.strip()[:300],
        n_participants=n_participants,
        n_samples=n_samples,
        sha256=hashlib.sha256(content).hexdigest(),
        exported_by=by,
    )
    name = f"{site.code}-{form}-{record.pk}.{chosen.suffix}"
    return Exported(name, chosen.media_type, content, record)


def _counted(records: OutSite, *, of_assays: bool) -> tuple[int, int]:
    """Participants and samples that are in the file."""
    if not of_assays:
        return len(records.people), len(records.samples)
    assayed = {each for batch in records.batches for each in batch.samples}
    return len({each.participant for each in assayed}), len({each.sample for each in assayed})
