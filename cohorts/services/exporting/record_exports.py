"""Records leave the platform: by whom it is allowed, with the reason, and on record."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from cohorts.errors import UnusableRequest
from cohorts.language.sentences import say
from cohorts.models import ExportRequest, Participant, RecordExport, Site, User
from cohorts.outgoing import fhir, fhir_r4, isa_tab, miabis, mwtab, mztab_m, redcap
from cohorts.outgoing.assay_records import OutBatch, Unwritable
from cohorts.outgoing.records import OutSite
from cohorts.retrying import transacted
from cohorts.services.exporting import leaving


@dataclass(frozen=True)
class Format:
    """``of_assays``: it holds values of assay batches, and of their samples alone.

    ``refuse`` raises Unwritable for a batch that the format does not tell of.
    """

    write: Callable[[OutSite], str | bytes]
    suffix: str
    media_type: str
    of_assays: bool = False
    refuse: Callable[[OutBatch], None] | None = None


FORMATS: Final[dict[str, Format]] = {
    "fhir": Format(fhir.write, "json", "application/fhir+json"),
    "fhir-r4": Format(fhir_r4.write, "json", "application/fhir+json"),
    "redcap": Format(redcap.write, "csv", "text/csv; charset=utf-8"),
    "miabis": Format(miabis.write, "json", "application/json"),
    "mwtab": Format(mwtab.write, "zip", "application/zip", of_assays=True, refuse=mwtab.refuse),
    "mztab-m": Format(
        mztab_m.write, "zip", "application/zip", of_assays=True, refuse=mztab_m.refuse
    ),
    "isa-tab": Format(isa_tab.write, "zip", "application/zip", of_assays=True),
}


@dataclass(frozen=True)
class Exported:
    name: str
    media_type: str
    content: bytes
    record: RecordExport


@transacted
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


def refuse_unwritable(form: str, records: OutSite) -> None:
    """Raises UnusableRequest for the first batch that the format does not tell of."""
    refuse = FORMATS[form].refuse
    if refuse is None:
        return
    for batch in records.batches:
        try:
            refuse(batch)
        except Unwritable as error:
            raise UnusableRequest(error.sentence) from error


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


def recorded(
    site: Site,
    form: str,
    records: OutSite,
    *,
    reason: str,
    by: User | None,
    request: ExportRequest | None = None,
) -> Exported:
    """The file and the record of it, which is written before the first byte leaves."""
    chosen = FORMATS[form]
    try:
        written = chosen.write(records)
    except Unwritable as error:
        raise UnusableRequest(error.sentence) from error
    content = written if isinstance(written, bytes) else written.encode()
    codes, n_samples = _held_in(records, of_assays=chosen.of_assays)
    record = RecordExport.objects.create(
        site=site,
        format=form,
        reason=reason.strip()[:300],
        n_participants=len(codes),
        n_samples=n_samples,
        sha256=hashlib.sha256(content).hexdigest(),
        exported_by=by,
        request=request,
    )
    record.people.set(Participant.objects.filter(site=site, code__in=codes))
    name = f"{site.code}-{form}-{record.pk}.{chosen.suffix}"
    return Exported(name, chosen.media_type, content, record)


def _held_in(records: OutSite, *, of_assays: bool) -> tuple[set[str], int]:
    """Codes of the people whose rows are in the file, and how many samples are."""
    if not of_assays:
        return {person.code for person in records.people}, len(records.samples)
    assayed = {each for batch in records.batches for each in batch.samples}
    return {each.participant for each in assayed}, len({each.sample for each in assayed})
