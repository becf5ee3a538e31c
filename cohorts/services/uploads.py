"""A site's table, from the file to the records: the one way in for commands, API and portal."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.utils import timezone

from cohorts.ingest import assessments, participants, samples
from cohorts.ingest.checking import Checked
from cohorts.ingest.child import client as child
from cohorts.ingest.comparison import Preview
from cohorts.ingest.facts import SiteFacts
from cohorts.ingest.reading import UnreadableFile
from cohorts.ingest.report import Report
from cohorts.models import Change, Site, Upload, User
from cohorts.retrying import retried
from cohorts.services import assays as assay_store
from cohorts.services import (
    biobank,
    books,
    enrolment,
    files,
    personal_files,
    phenotyping,
)
from cohorts.services.rows_ahead import RowsAhead
from cohorts.services.sent_tables import (
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
from cohorts.services.table_checks import begin, check, unreadable


def submit(site: Site, sent: SentTable, *, by: User | None) -> Upload:
    """Receive, check and, if every row holds, accept. The same file twice is one upload.

    File and report are kept either way, but not a file of personal data; of a refused table no
    row is stored.
    """
    sent = at_the_door(site, sent)
    with begin(sent, mapping_of(site, sent.kind)) as begun:
        upload = receive(site, sent, by=by)
        if upload.status == Upload.Status.ACCEPTED:
            return upload
        return accept(upload, sent.content, begun)


@retried
@transaction.atomic
def receive(site: Site, sent: SentTable, *, by: User | None) -> Upload:
    """Store the file, then its row: a row without its file cannot exist."""
    refuse_unusable(site, sent)
    files.hold_for_naming()
    digest = files.digest_of(sent.content)
    refuse_replaced(site, digest)
    files.store(sent.content, digest)
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


@retried
@transaction.atomic
def accept(
    upload: Upload, content: bytes | None = None, begun: child.Begun | None = None
) -> Upload:
    """Check every row against the books and store all of them, or none and say why.

    ``content`` saves reading the file, for who has just stored it under the upload's digest;
    ``begun`` is what `begin` began with it.
    """
    stored = upload.sha256
    # The site's row orders its uploads: a check stays true until its rows are written. Not the
    # study's: sites wait for each other only where they open new names.
    site = Site.objects.locked(upload.site_id)
    upload = Upload.objects.select_for_update().get(pk=upload.pk)
    if upload.status == Upload.Status.ACCEPTED:
        return upload
    if content is None or upload.sha256 != stored:  # an erasure may have rewritten the file
        content, begun = files.read(upload.sha256), None
    sent = SentTable(upload.kind, content, upload.filename, upload.options)
    mapping = mapping_of(site, upload.kind)
    try:
        checked, batch_id = _checked_for_storing(site, sent, mapping, begun)
    except UnreadableFile as error:
        return mark_refused(upload, unreadable(upload.kind, error))
    if not checked.report.ok:
        return mark_refused(upload, checked.report)
    upload.report = checked.report.as_dict()
    store(site, upload, checked, rows_of=batch_id)
    Change.objects.record(
        study=site.study,
        site=site,
        kind=records_of(upload.kind),
        counts=dict(checked.report.summary),
        cause=f"table {upload.filename}",
    )
    return upload


def _checked_for_storing(
    site: Site, sent: SentTable, mapping: Mapping[str, str], begun: child.Begun | None
) -> tuple[Checked, int | None]:
    """A checked table, and the id of its batch where its rows were stored meanwhile."""
    with RowsAhead(site) as ahead:
        taker = ahead if sent.kind == "assays" and not moves_zeros(sent) else None

        def facts() -> SiteFacts:
            return ahead.knowing(books.facts_of(site, sent.kind))

        checked = check(sent, facts, mapping, begun, taker)
        ahead.settle(checked)
    return checked, ahead.batch_id


def store(
    site: Site,
    upload: Upload,
    checked: Checked,
    preview: Preview | None = None,
    *,
    rows_of: int | None = None,
) -> None:
    """Write checked rows and mark the upload accepted; the caller owns transaction and change.

    ``rows_of`` is the id of the one batch, where its rows are stored already.
    """
    if isinstance(checked, participants.CheckedParticipants):
        enrolment.enrol(site, checked.rows, by=upload.sent_by)
    elif isinstance(checked, samples.CheckedSamples):
        biobank.register_samples(site, checked.rows)
    elif isinstance(checked, assessments.CheckedAssessments):
        phenotyping.record_assessments(site, checked.rows)
    else:
        for batch in checked.batches:
            options = assay_options(upload.options)
            assay_store.store_batch(site, upload, batch, options, ahead=rows_of)
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
