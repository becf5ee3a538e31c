"""Stored files and reports without one participant; the files as sent leave the store."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any

from django.db import transaction
from django.utils import timezone

from cohorts.ingest.reading import UnreadableFile, read_table
from cohorts.ingest.redaction import (
    Marks,
    Redacted,
    masked,
    masking,
    report_without,
    samples_of_person,
    with_blank_line,
    without_person,
)
from cohorts.models import ColumnMapping, Erasure, Participant, Sample, Upload
from cohorts.services.tables import files


def rewrite_files(person: Participant) -> list[dict[str, Any]]:
    """Rewrite every stored file of the site that holds the person, refused ones too.

    A file that several sites sent together is one file: all its uploads follow. Returns a
    redaction entry a file: SHA-256 before and after, the number of rows removed, and how.
    """
    files.hold_for_rewriting()
    mine = Upload.objects.filter(site=person.site_id)
    by_file: dict[str, list[Upload]] = {}
    for upload in mine.select_for_update().order_by("sha256", "pk"):
        by_file.setdefault(upload.sha256, []).append(upload)
    samples = _samples_of(person, by_file)
    entries = []
    for digest, uploads in by_file.items():
        found = _redacted(digest, uploads, person, samples)
        _mask_uploads(uploads, found.rows, person.code, samples)
        if found.how != "unchanged":
            entries.append(_replace(digest, found))
    return entries


def remove_replaced() -> None:
    """Remove from the store what executed erasures have replaced, once no upload needs it.

    Called after the commit, and again by every sweep until it is done.
    """
    for erasure in Erasure.objects.with_files_to_remove():
        with transaction.atomic():
            files.hold_all_for_removal()
            for entry in erasure.receipt.get("files", []):
                if not Upload.objects.filter(sha256=entry["before"]).exists():
                    files.path_of(entry["before"]).unlink(missing_ok=True)
            Erasure.objects.filter(pk=erasure.pk).update(files_removed_at=timezone.now())


def _redacted(
    digest: str, uploads: Sequence[Upload], person: Participant, samples: frozenset[str]
) -> Redacted:
    try:
        content = files.read(digest)
    except FileNotFoundError:
        return Redacted(b"")
    # One reading of the file for all that its uploads say of it: row numbers stay those as sent.
    return without_person(content, uploads[0].filename, _marks(uploads, person, samples))


def _samples_of(person: Participant, by_file: dict[str, list[Upload]]) -> frozenset[str]:
    """The person's sample codes: those on the books, and those that only a sent table names."""
    known = Sample.objects.filter(site=person.site_id)
    own = set(known.filter(participant=person).values_list("code", flat=True))
    others = set(known.exclude(participant=person).values_list("code", flat=True))
    for digest, uploads in by_file.items():
        for upload in uploads:
            if upload.kind == "samples" and files.path_of(digest).exists():
                own |= _sent_samples(upload, person) - others
    return frozenset(own)


def _sent_samples(upload: Upload, person: Participant) -> set[str]:
    try:
        table = read_table(files.read(upload.sha256), filename=upload.filename)
    except UnreadableFile:
        return set()
    return samples_of_person(table, _marks([upload], person, frozenset()))


def _marks(uploads: Iterable[Upload], person: Participant, samples: frozenset[str]) -> Marks:
    """How the person is found in a file: by the columns that any of its uploads was read by."""
    codes = {"participant": frozenset({person.code}), "sample": samples}
    columns: dict[str, set[str]] = {name: set() for name in codes}
    where: dict[str, list[str]] = {}
    for upload in uploads:
        said = upload.options.get("read", {})
        where |= said.get("where", {})
        saved = ColumnMapping.objects.filter(site=upload.site_id, kind=upload.kind).first()
        for name, headers in columns.items():
            headers |= set(said.get("columns", {}).get(name, ()))
            headers |= {saved.columns[name]} if saved and name in saved.columns else set()
    return Marks(codes, columns, where)


def _mask_uploads(
    uploads: Iterable[Upload], rows: frozenset[int], code: str, samples: Iterable[str]
) -> None:
    mask = masking([code])
    for upload in uploads:
        report = report_without(upload.report, rows, masking([code, *samples]))
        filename, options = masked(upload.filename, mask)[:255], masked(upload.options, mask)
        if (report, filename, options) != (upload.report, upload.filename, upload.options):
            upload.report, upload.filename, upload.options = report, filename, options
            upload.save(update_fields=["report", "filename", "options"])


def _replace(digest: str, found: Redacted) -> dict[str, Any]:
    """Store the new file, then point every upload of the old one, at whatever site, to it."""
    holders = list(Upload.objects.select_for_update().filter(sha256=digest).order_by("pk"))
    content = found.content
    # A site may have sent this very table before; a blank line more keeps two uploads two.
    while _taken(content, holders):
        content = with_blank_line(content)
    after = files.store(content)
    for upload in holders:
        upload.sha256, upload.n_bytes = after, len(content)
        if found.how == "rewritten as CSV":
            upload.filename = str(PurePath(upload.filename).with_suffix(".csv"))
        upload.save(update_fields=["sha256", "n_bytes", "filename"])
    return {"before": digest, "after": after, "rows": len(found.rows), "how": found.how}


def _taken(content: bytes, holders: list[Upload]) -> bool:
    digest = hashlib.sha256(content).hexdigest()
    there = Upload.objects.filter(sha256=digest)
    return any(there.filter(site=upload.site_id, kind=upload.kind).exists() for upload in holders)
