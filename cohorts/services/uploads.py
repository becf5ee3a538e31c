"""A site's table, from the file to the records: the one way in for commands, API and portal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from cohorts import access
from cohorts.errors import NoSuchSite, NotAllowed, UnusableRequest
from cohorts.ingest import assays, assessments, checking, participants, samples
from cohorts.ingest.checking import Checked, Options
from cohorts.ingest.child import client as child
from cohorts.ingest.child.ahead import Taker
from cohorts.ingest.comparison import Preview
from cohorts.ingest.encodings import CODECS, UndecidedEncoding
from cohorts.ingest.facts import SiteFacts
from cohorts.ingest.reading import Table, UnreadableFile
from cohorts.ingest.report import Fault, Report
from cohorts.language.sentences import say
from cohorts.models import Change, ColumnMapping, Erasure, Site, Upload, User
from cohorts.retrying import retried
from cohorts.services import assays as assay_store
from cohorts.services import (
    biobank,
    books,
    enrolment,
    files,
    personal_files,
    phenotyping,
    redcap_projects,
)
from cohorts.services.pausing import refuse_paused
from cohorts.services.rows_ahead import RowsAhead

ASSAY_OPTIONS = ("platform", "matrix", "unit", "scale", "zero_means")
SCALES = ("raw", "log2", "ln", "log10", "standardised")
REWRITTEN = "Rows of this very file have been erased; export the table again without them."
ZERO_MEANS = ("zero", "below_lod", "missing")


@dataclass(frozen=True)
class SentTable:
    """A file as it came; ``options`` are those of an assay table (`ASSAY_OPTIONS`).

    ``dictionary`` is the data dictionary of a REDCap project, whose data the file then holds.
    """

    kind: str
    content: bytes
    filename: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    dictionary: bytes = b""


def site_for(user: User, site_code: str, kind: str, *, verbs: str = "C") -> Site:
    """The site, if this user may send such tables for it; ``verbs`` any of which will do.

    Raises NoSuchSite alike for unknown and for other people's sites, NotAllowed for a role at that
    site that does not send this kind.
    """
    site: Site | None = Site.objects.visible_to(user).filter(code=site_code).first()
    if site is None or not access.reach(user, "upload", "C").covers(site.pk):
        raise NoSuchSite(site_code)
    check_kind(kind)
    if not any(access.may(user, access.UPLOAD_KINDS[kind], verb, site.pk) for verb in verbs):
        who = ", ".join(
            str(access.ROLES[role])
            for role in sorted(access.roles_with(access.UPLOAD_KINDS[kind], "C"))
        )
        raise NotAllowed(
            say(
                "Your role at %(site)s does not send %(kind)s; ask a %(who)s there.",
                site=site.code,
                kind=kind,
                who=who,
            )
        )
    return site


def check_kind(kind: str) -> None:
    if kind not in access.UPLOAD_KINDS:
        raise UnusableRequest(
            say(
                "%(kind)s is not a kind of table; send %(upload_kinds)s.",
                kind=repr(kind),
                upload_kinds=", ".join(access.UPLOAD_KINDS),
            )
        )


def submit(site: Site, sent: SentTable, *, by: User | None) -> Upload:
    """Receive, check and, if every row holds, accept. The same file twice is one upload.

    The file and its report are kept either way; of a refused table no row is stored.
    """
    sent = at_the_door(site, sent)
    with begin(sent, mapping_of(site, sent.kind)) as begun:
        upload = receive(site, sent, by=by)
        if upload.status == Upload.Status.ACCEPTED:
            return upload
        return accept(upload, sent.content, begun)


def at_the_door(site: Site, sent: SentTable) -> SentTable:
    """The table as it may be stored; of a REDCap project without what names a person.

    Raises UnusableRequest, or that the site is paused.
    """
    refuse_unusable(site, sent)
    if sent.kind != redcap_projects.KIND:
        return sent
    encoding = str(sent.options.get("encoding", ""))
    kept = redcap_projects.kept_of(
        site, sent.content, sent.dictionary, filename=_filename(sent), encoding=encoding
    )
    options = redcap_projects.options_of(kept)
    return replace(sent, content=kept.content, dictionary=b"", options=options)


def records_of(kind: str) -> str:
    """The kind of records that a kind of table brings."""
    return "participants" if kind == redcap_projects.KIND else kind


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
            "filename": _filename(sent),
            "n_bytes": len(sent.content),
            "options": options,
            "sent_by": by,
        },
    )
    if upload.status != Upload.Status.ACCEPTED and upload.options != options:
        upload.options = options
        upload.save(update_fields=["options"])
    if upload.file_removed_at:
        upload.file_removed_at, upload.status = None, Upload.Status.RECEIVED
        upload.save(update_fields=["file_removed_at", "status"])
    return upload


def refuse_unusable(site: Site, sent: SentTable) -> None:
    """Raises UnusableRequest, or that the site is paused, before anybody reads the file."""
    refuse_paused(site)
    check_kind(sent.kind)
    if sent.dictionary and sent.kind != redcap_projects.KIND:
        raise UnusableRequest(say("Only a REDCap project comes with a data dictionary."))
    if max(len(sent.content), len(sent.dictionary)) > settings.UPLOAD_MAX_BYTES:
        limit = settings.UPLOAD_MAX_BYTES // 1024**2
        raise UnusableRequest(
            say(
                "The file is larger than %(limit)s MB; split it by batch and send the parts.",
                limit=limit,
            )
        )
    if sent.kind == "assays":
        assay_options(sent.options)
    if sent.options.get("encoding") and sent.options["encoding"] not in CODECS:
        raise UnusableRequest(
            say(
                "%(encoding)s is not an encoding; choose one of %(codecs)s.",
                encoding=repr(sent.options["encoding"]),
                codecs=", ".join(CODECS),
            )
        )


def refuse_replaced(site: Site, digest: str) -> None:
    """Raises UnusableRequest for a file that an erasure has rewritten: it would bring rows back."""
    if Erasure.objects.filter(site=site).that_rewrote(digest).exists():
        raise UnusableRequest(REWRITTEN)


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
    site = (
        Site.objects.select_for_update(of=("self",), no_key=True)
        .select_related("study")
        .get(pk=upload.site_id)
    )
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
        taker = ahead if sent.kind == "assays" and not _moves_zeros(sent) else None

        def facts() -> SiteFacts:
            return ahead.knowing(books.facts_of(site, sent.kind))

        checked = check(sent, facts, mapping, begun, taker)
        ahead.settle(checked)
    return checked, ahead.batch_id


def _moves_zeros(sent: SentTable) -> bool:
    return sent.options.get("zero_means", "zero") not in ("", "zero")


def dry_run(site: Site, sent: SentTable) -> Report:
    """The report that sending this table would give; nothing is stored."""
    check_kind(sent.kind)
    sent = at_the_door(site, sent)
    try:
        return check(
            sent, lambda: books.facts_of(site, sent.kind), mapping_of(site, sent.kind)
        ).report
    except UnreadableFile as error:
        return unreadable(sent.kind, error)


def check(
    sent: SentTable,
    facts: Callable[[], SiteFacts],
    mapping: Mapping[str, str],
    begun: child.Begun | None = None,
    taker: Taker | None = None,
) -> Checked:
    """Read the file and check its rows, in a child. Raises UnreadableFile: no table in it.

    ``begun`` is a child that reads this very content; it is asked if it does so in the same way.
    ``taker`` is told of rows of plain numbers before it is known whether the table holds.
    """
    how = _how(sent, mapping)
    if begun is None or not begun.serves(*how):
        with child.begin_check(sent.content, *how) as anew:
            return redcap_projects.with_left_out(anew.checked(facts, taker), sent.options)
    return redcap_projects.with_left_out(begun.checked(facts, taker), sent.options)


def begin(sent: SentTable, mapping: Mapping[str, str]) -> child.Begun:
    """Let a child read the file while it is being stored; what `check` then asks."""
    named = replace(sent, filename=_filename(sent))
    return child.begin_check(named.content, *_how(named, mapping))


def _how(sent: SentTable, mapping: Mapping[str, str]) -> tuple[str, str, Options, str]:
    options: Options = mapping
    if sent.kind == "assays":
        options = assay_options(sent.options, mapping)
    return sent.kind, sent.filename, options, str(sent.options.get("encoding", ""))


def _filename(sent: SentTable) -> str:
    return sent.filename[:255] or f"{sent.kind}.csv"


def check_table(
    kind: str,
    table: Table,
    facts: SiteFacts,
    mapping: Mapping[str, str],
    options: Mapping[str, Any],
) -> Checked:
    """Check a table that has been read; ``mapping`` is standard column -> the site's own name."""
    how: Options = assay_options(options, mapping) if kind == "assays" else mapping
    return checking.check_table(kind, table, facts, how)


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


def assay_options(
    options: Mapping[str, Any], mapping: Mapping[str, str] | None = None
) -> assays.AssayOptions:
    """Options as the check takes them. Raises UnusableRequest that names the option."""
    unknown = [key for key in options if key not in (*ASSAY_OPTIONS, "encoding")]
    if unknown:
        raise UnusableRequest(
            say(
                "Unknown option %(unknown)s; an assay table takes %(assay_options)s.",
                unknown=repr(unknown[0]),
                assay_options=", ".join(ASSAY_OPTIONS),
            )
        )
    for key, allowed in (("scale", SCALES), ("zero_means", ZERO_MEANS)):
        if options.get(key) and options[key] not in allowed:
            raise UnusableRequest(
                say(
                    "%(key)s is %(value)s; choose one of %(allowed)s.",
                    key=key,
                    value=repr(options[key]),
                    allowed=", ".join(allowed),
                )
            )
    for key in ("platform", "matrix"):
        if not options.get(key):
            raise UnusableRequest(
                say(
                    "An assay table needs its %(key)s: say what was measured, and with what.",
                    key=key,
                )
            )
    return assays.AssayOptions(
        platform=options["platform"],
        matrix=options["matrix"],
        unit=options.get("unit") or None,
        scale=options.get("scale") or "raw",
        zero_means=options.get("zero_means") or "zero",
        columns=mapping or {},
    )


def mapping_of(site: Site, kind: str) -> Mapping[str, str]:
    saved = ColumnMapping.objects.filter(site=site, kind=kind).first()
    return saved.columns if saved else {}


def unreadable(kind: str, error: UnreadableFile) -> Report:
    """The report on a file in which there is no table."""
    undecided = isinstance(error, UndecidedEncoding)
    code = "undecided_encoding" if undecided else "unreadable"
    choices = error.choices if isinstance(error, UndecidedEncoding) else ()
    fault = Fault(None, None, code, error.message)
    return Report(kind=kind, n_rows=0, faults=(fault,), encodings=choices)
