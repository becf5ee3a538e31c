"""A table in two steps: checked and shown beside the books, then accepted by a person.

Unlike the one step of `uploads.submit`, a row of a known record is taken as its correction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from django.db import transaction

from cohorts import access
from cohorts.errors import BooksHaveMoved, NotAllowed, UnusableRequest
from cohorts.ingest.assays import CheckedAssays
from cohorts.ingest.checking import Checked
from cohorts.ingest.comparison import Preview
from cohorts.ingest.encodings import CODECS
from cohorts.ingest.facts import SiteFacts
from cohorts.ingest.reading import UnreadableFile
from cohorts.ingest.report import Report
from cohorts.language.sentences import say
from cohorts.models import Change, Site, Upload, User
from cohorts.retrying import transacted
from cohorts.services import corrections, uploads
from cohorts.services.batches import assay_plans
from cohorts.services.batches import assays as assay_store
from cohorts.services.batches.assay_plans import AssayPlan
from cohorts.services.corrections import RecordPlan
from cohorts.services.pausing import refuse_paused
from cohorts.services.tables import books, files, sent_tables, table_checks
from cohorts.services.tables.sent_tables import SentTable


@dataclass(frozen=True)
class _Outcome:
    """A check beside the books; ``plan`` is None where the report has faults."""

    report: Report
    checked: Checked | None = None
    plan: RecordPlan | AssayPlan | None = None

    @property
    def preview(self) -> Preview | None:
        if self.plan is None:
            return None
        return (
            self.plan.preview if isinstance(self.plan, AssayPlan) else self.plan.comparison.preview
        )


def check(site: Site, sent: SentTable, *, by: User | None) -> Upload:
    """Receive a table and say what accepting it would do; nothing of it is stored as records."""
    upload = uploads.receive(site, sent_tables.at_the_door(site, sent), by=by)
    return upload if upload.status == Upload.Status.ACCEPTED else check_again(upload.pk)


def accept(upload_id: UUID | str, *, by: User | None, reason: str = "") -> Upload:
    """Accept what was checked; the check is made again, under the site's lock.

    Raises UnusableRequest where it was not checked or a correction has no reason, NotAllowed for
    who may not, BooksHaveMoved where it would now do something else than the person was shown.
    """
    upload, moved = _accept(upload_id, by=by, reason=reason.strip()[:300])
    if moved:
        # After the commit, so that the new preview is there to be looked at.
        raise BooksHaveMoved(moved)
    return upload


def choose_encoding(upload_id: UUID | str, encoding: str, *, by: User | None) -> Upload:
    """Check a table again, read in the encoding that a person chose."""
    with transaction.atomic():
        _, upload = _held(upload_id)
        refuse_outsiders(upload, by)
        if upload.status == Upload.Status.ACCEPTED:
            raise UnusableRequest(say("This table is accepted; its encoding no longer matters."))
        if encoding not in CODECS:
            raise UnusableRequest(
                say(
                    "%(encoding)s is not an encoding; choose one of %(codecs)s.",
                    encoding=repr(encoding),
                    codecs=", ".join(CODECS),
                )
            )
        upload.options = upload.options | {"encoding": encoding}
        upload.save(update_fields=["options"])
    return check_again(upload.pk)


@transacted
def discard(upload_id: UUID | str, *, by: User | None) -> Upload:
    """Put a checked table aside: it stays in the list as refused, and may be sent again."""
    upload: Upload = Upload.objects.select_for_update(of=("self",)).get(pk=upload_id)
    refuse_outsiders(upload, by)
    if upload.status != Upload.Status.CHECKED:
        raise UnusableRequest(
            say("This table is %(status)s; only a checked one is discarded.", status=upload.status)
        )
    upload.status = Upload.Status.REJECTED
    upload.report = upload.report | {"discarded_by": by.username if by else "system"}
    upload.save(update_fields=["status", "report"])
    return upload


@transacted
def check_again(upload_id: UUID | str) -> Upload:
    """Put the table beside the books as they are now."""
    site, upload = _held(upload_id)
    if upload.status != Upload.Status.ACCEPTED:
        _tell(upload, _look(site, upload))
    return upload


@transacted
def _accept(upload_id: UUID | str, *, by: User | None, reason: str) -> tuple[Upload, str]:
    site, upload = _held(upload_id)
    refuse_outsiders(upload, by)
    if upload.status == Upload.Status.ACCEPTED:
        return upload, ""
    refuse_paused(site)
    if upload.status != Upload.Status.CHECKED:
        raise UnusableRequest(
            say(
                "This table is %(status)s; send it and look at its check first.",
                status=upload.status,
            )
        )
    shown = upload.report.get("preview", {})
    seen = _look(site, upload)
    if seen.preview is None or seen.plan is None or seen.checked is None:
        _tell(upload, seen)
        return upload, say("The books have changed since this check, and the table now has faults.")
    if seen.preview.digest != shown.get("digest"):
        _tell(upload, seen)
        return upload, (
            say(
                "The books have changed since this check: look at what the table would "
                "do now, and accept it again."
            )
        )
    _refuse_who_may_not(upload, seen.preview, by)
    if seen.preview.changed and not reason:
        raise UnusableRequest(say("Say why the values on the books are corrected."))
    upload.reason, upload.accepted_by = reason if seen.preview.changed else "", by
    _store(site, upload, seen)
    return upload, ""


def _held(upload_id: UUID | str) -> tuple[Site, Upload]:
    """The upload and its site, locked: a check stays true until its rows are written."""
    site_id = Upload.objects.values_list("site_id", flat=True).get(pk=upload_id)
    site = Site.objects.locked(site_id)
    return site, Upload.objects.select_for_update(of=("self",)).get(pk=upload_id)


def _look(site: Site, upload: Upload) -> _Outcome:
    sent = SentTable(upload.kind, files.read(upload.sha256), upload.filename, upload.options)

    def facts() -> SiteFacts:
        return replace(books.facts_of(site, upload.kind), corrects=True)

    try:
        mapping = sent_tables.mapping_of(site, upload.kind, upload.options)
        checked = table_checks.check(sent, facts, mapping)
    except UnreadableFile as error:
        return _Outcome(table_checks.unreadable(upload.kind, error))
    if not checked.report.ok:
        return _Outcome(checked.report)
    plan: RecordPlan | AssayPlan
    if isinstance(checked, CheckedAssays):
        plan = assay_plans.plan(site, checked, sent_tables.assay_options(upload.options))
    else:
        plan = corrections.plan(site, sent_tables.records_of(upload.kind), checked)
    if plan.faults:
        return _Outcome(checked.report.refused_for(plan.faults))
    return _Outcome(checked.report, checked, plan)


def _tell(upload: Upload, seen: _Outcome) -> None:
    if seen.preview is None:
        uploads.mark_refused(upload, seen.report)
        return
    upload.report = seen.report.as_dict() | {"preview": seen.preview.as_dict()}
    upload.status = Upload.Status.CHECKED
    upload.save(update_fields=["report", "status"])


def refuse_outsiders(upload: Upload, by: User | None) -> None:
    """Whoever neither adds, nor corrects, nor approves such records has no say in the table."""
    if by is not None and not may_decide(upload, by):
        raise NotAllowed(say("Your role at this site does not accept %(kind)s.", kind=upload.kind))


def may_decide(upload: Upload, user: User) -> bool:
    """Whether this person may accept or discard tables of that kind at that site."""
    resource = access.UPLOAD_KINDS[upload.kind]
    wanted = [(resource, "C"), (resource, "U")]
    wanted += [("assay_correction", "A")] if upload.kind == "assays" else []
    return any(access.may(user, what, verb, upload.site_id) for what, verb in wanted)


def _refuse_who_may_not(upload: Upload, preview: Preview, by: User | None) -> None:
    """New rows need the right to create, changed ones that to correct. None is the operator."""
    if by is None:
        return
    resource, site = access.UPLOAD_KINDS[upload.kind], upload.site_id
    if preview.changed and upload.kind == "assays":
        if upload.sent_by_id == by.pk or not access.may(by, "assay_correction", "A", site):
            raise NotAllowed(
                say(
                    "A correction of laboratory values is accepted by a second person: ask "
                    "the other site data manager, or the consortium's."
                )
            )
        return  # what a second person has looked at may also hold new rows
    if preview.changed and not access.may(by, resource, "U", site):
        raise NotAllowed(say("Your role at this site does not correct %(kind)s.", kind=upload.kind))
    if preview.new and not access.may(by, resource, "C", site):
        raise NotAllowed(
            say(
                "%(new)s rows are new, and your role corrects %(kind)s but does not add "
                "any: leave these rows out, or have somebody accept it whose role does.",
                new=preview.new,
                kind=upload.kind,
            )
        )


def _store(site: Site, upload: Upload, seen: _Outcome) -> None:
    checked, plan, preview = seen.checked, seen.plan, seen.preview
    assert checked is not None and preview is not None  # noqa: S101, PT018 - looked at before
    if isinstance(plan, AssayPlan):
        assay_store.store(site, upload, plan, sent_tables.assay_options(upload.options))
        uploads.mark_accepted(upload, checked.report, preview)
    elif isinstance(plan, RecordPlan) and not isinstance(checked, CheckedAssays):
        corrections.apply(site, upload, checked, plan)
        uploads.store(site, upload, corrections.new_of(checked, plan), preview)
    if preview.new or preview.changed:
        Change.objects.record(
            study=site.study,
            site=site,
            kind=sent_tables.records_of(upload.kind),
            counts={"new": preview.new, "corrected": preview.changed},
            cause=say("the table %(file)s", file=upload.filename[:190]),
        )
