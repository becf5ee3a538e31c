"""A site's table, from the file to the records: the one way in for commands, API and portal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from django.db import transaction
from django.utils import timezone

from cohorts.ingest import participants, samples
from cohorts.ingest.assays import CheckedAssays
from cohorts.ingest.child import client as child
from cohorts.ingest.comparison import Preview
from cohorts.ingest.facts import SiteFacts
from cohorts.ingest.reading import UnreadableFile
from cohorts.ingest.report import Report
from cohorts.language.sentences import say
from cohorts.models import Change, Site, Upload, User
from cohorts.retrying import transacted
from cohorts.services import biobank, enrolment, phenotyping
from cohorts.services.batches import assay_plans
from cohorts.services.batches import assays as assay_store
from cohorts.services.batches.assay_plans import AssayPlan
from cohorts.services.corrections import CheckedRecords
from cohorts.services.erasing import personal_files
from cohorts.services.tables import books, files
from cohorts.services.tables.rows_ahead import RowsAhead
from cohorts.services.tables.sent_tables import (
    SentTable,
    assay_options,
    at_the_door,
    filename_of,
    mapping_of,
    moves_zeros,
    records_of,
    refuse_replaced,
    refuse_unusable,
)
from cohorts.services.tables.table_checks import begin, check, unreadable


def submit(site: Site, sent: SentTable, *, by: User | None) -> Upload:
    """Receive, check and, if every row holds, accept. The same file twice is one upload.

    File and report are kept either way, but not a file of personal data; of a refused table no
    row is stored. Until it is decided nobody sees the upload: whoever is cut off sends it again.
    """
    sent = at_the_door(site, sent)
    mapping = mapping_of(site, sent.kind, sent.options)
    with begin(sent, mapping) as begun, files.Storing(sent.content) as storing:
        try:
            return _take(site.pk, sent, begun, storing, by=by)
        except child.ParserFailure:
            receive(site, sent, by=by)  # what the program fails on is there to be looked at
            raise


@transacted
def receive(site: Site, sent: SentTable, *, by: User | None) -> Upload:
    """Store the file, then its row: a row without its file cannot exist."""
    refuse_unusable(site, sent)
    files.hold_for_naming()
    digest = files.digest_of(sent.content)
    refuse_replaced(site, digest)
    files.store(sent.content, digest)
    return _row_of(site, sent, digest, by=by)


def _row_of(site: Site, sent: SentTable, digest: str, *, by: User | None) -> Upload:
    """The upload of a file, new or as it stands; its file must be stored before the commit."""
    options = dict(sent.options)
    upload, _ = Upload.objects.get_or_create(
        site=site,
        kind=sent.kind,
        sha256=digest,
        defaults={
            "filename": filename_of(sent),
            "n_bytes": len(sent.content),
            "options": options,
            "sent_by": by,
        },
    )
    if upload.status != Upload.Status.ACCEPTED and upload.options != options:
        upload.options = options
        upload.save(update_fields=["options"])
    if upload.status == Upload.Status.REJECTED:
        # As if it came for the first time: what was refused for personal data is not removed
        # before it is checked again.
        upload.file_removed_at, upload.status = None, Upload.Status.RECEIVED
        upload.save(update_fields=["file_removed_at", "status"])
    return upload


@transacted
def _take(
    site_id: int,
    sent: SentTable,
    begun: child.Begun,
    storing: files.Storing,
    *,
    by: User | None,
) -> Upload:
    """Check every row against the books and store all of them, or none and say why.

    The books are looked up while a thread hashes the file and a child reads it, and the file is
    stored while its rows are checked.
    """
    # The site's row orders its uploads: a check stays true until its rows are written. Not the
    # study's: sites wait for each other only where they open new names.
    site = Site.objects.locked(site_id)
    refuse_unusable(site, sent)
    known = books.facts_of(site, sent.kind)
    refuse_replaced(site, storing.digest)
    named = _row_of(site, sent, storing.digest, by=by)
    upload = Upload.objects.select_for_update().get(pk=named.pk)
    if upload.status == Upload.Status.ACCEPTED:
        return upload
    sent = replace(sent, filename=upload.filename, options=upload.options)
    if upload.sha256 != storing.digest:  # another site's erasure has rewritten it since
        sent = replace(sent, content=files.read(upload.sha256))
        return _decide(site, upload, _Look(sent, known))
    storing.begin()
    return _decide(site, upload, _Look(sent, known, begun), storing)


@dataclass(frozen=True)
class _Look:
    """What a check looks at: a table, the site's books, and a child that reads it already."""

    sent: SentTable
    known: SiteFacts
    begun: child.Begun | None = None


def _decide(
    site: Site, upload: Upload, look: _Look, storing: files.Storing | None = None
) -> Upload:
    """Accept the upload or refuse it; in the caller's transaction, which holds site and upload."""
    try:
        found = _checked_for_storing(site, look)
        report = found.report
    except UnreadableFile as error:
        found, report = None, unreadable(upload.kind, error)
    if storing is not None:
        storing.finish()  # before the log of changes is held
    if found is None or not report.ok:
        return mark_refused(upload, report)
    if isinstance(found, _Values):
        options = assay_options(upload.options)
        assay_store.store(site, upload, found.plan, options, rows_of=found.rows_of)
        mark_accepted(upload, report, found.plan.preview)
        if not found.plan.adds:
            return upload
    else:
        store(site, upload, found)
    Change.objects.record(
        study=site.study,
        site=site,
        kind=records_of(upload.kind),
        counts=dict(report.summary),
        cause=say("the table %(file)s", file=upload.filename),
    )
    return upload


@dataclass(frozen=True)
class _Values:
    """A checked assay table beside the books; ``rows_of`` are batches whose rows are stored."""

    report: Report
    plan: AssayPlan
    rows_of: Mapping[str, int]


def _checked_for_storing(site: Site, look: _Look) -> CheckedRecords | _Values:
    sent, mapping = look.sent, mapping_of(site, look.sent.kind, look.sent.options)
    with RowsAhead(site, look.known) as ahead:
        taker = ahead if sent.kind == "assays" and not moves_zeros(sent) else None
        checked = check(sent, lambda: look.known, mapping, look.begun, taker)
        if not isinstance(checked, CheckedAssays):
            return checked
        ahead.end()
        report, plan = assay_plans.in_one_step(site, checked, assay_options(sent.options))
        if plan.is_all_new:
            ahead.settle(checked)
    return _Values(report, plan, ahead.batch_ids)


def store(
    site: Site, upload: Upload, checked: CheckedRecords, preview: Preview | None = None
) -> None:
    """Write checked rows and mark the upload accepted; the caller owns transaction and change."""
    if isinstance(checked, participants.CheckedParticipants):
        enrolment.enrol(site, checked.rows, by=upload.sent_by)
    elif isinstance(checked, samples.CheckedSamples):
        biobank.register_samples(site, checked.rows)
    else:
        phenotyping.record_assessments(site, checked.rows)
    mark_accepted(upload, checked.report, preview)


def mark_refused(upload: Upload, report: Report) -> Upload:
    """Nothing of the upload is in the books; its file is kept, but for one of personal data."""
    upload.status, upload.report = Upload.Status.REJECTED, report.as_dict()
    upload.save(update_fields=["report", "status"])
    transaction.on_commit(personal_files.remove, robust=True)
    return upload


def mark_accepted(upload: Upload, report: Report, preview: Preview | None = None) -> None:
    """The upload's rows are in the books; ``preview`` says what that changed."""
    upload.status = Upload.Status.ACCEPTED
    upload.accepted_at = timezone.now()
    upload.report = report.as_dict() | ({"preview": preview.as_dict()} if preview else {})
    upload.save(update_fields=["status", "accepted_at", "report", "accepted_by", "reason"])
