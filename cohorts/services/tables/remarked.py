"""The file of a sent table, given back with the remarks of its check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from cohorts import access
from cohorts.errors import NotAllowed, UnusableRequest
from cohorts.ingest.child import client as child
from cohorts.ingest.reading import UnreadableFile
from cohorts.ingest.remarks import as_csv, as_xlsx, rows_with_remarks
from cohorts.language.sentences import say
from cohorts.language.told import told
from cohorts.models import Upload, User
from cohorts.services.tables import files

FORMATS = {
    "csv": ("text/csv; charset=utf-8", as_csv),
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", as_xlsx),
}

NOT_KEPT = "The file was not kept, since it has a column of personal data."


@dataclass(frozen=True)
class RemarkedFile:
    name: str
    media_type: str
    content: bytes


def may_fetch(upload: Upload, user: User) -> bool:
    """Who sent it has it anyway; others as they may fetch raw files, technicians their own."""
    if upload.sent_by_id == user.pk:
        return access.may(user, access.UPLOAD_KINDS[upload.kind], "R", upload.site_id)
    standing = access.reach(user, "raw_file", "X")
    only_own = access.roles_of(user) <= {"LT"}
    return standing.covers(upload.site_id) and not only_own


def file_of(upload: Upload, *, to: User, form: str) -> RemarkedFile:
    """The table with a column of remarks. Raises NotAllowed, and UnusableRequest in words."""
    if not may_fetch(upload, to):
        raise NotAllowed(say("Your role does not fetch the tables that others have sent."))
    if form not in FORMATS:
        raise UnusableRequest(
            say(
                "%(form)s is not a form of table; choose %(formats)s.",
                form=repr(form),
                formats=", ".join(FORMATS),
            )
        )
    if upload.file_removed_at:
        raise UnusableRequest(say(NOT_KEPT))
    try:
        table = child.read_file(
            upload.kind,
            files.read(upload.sha256),
            upload.filename,
            str(upload.options.get("encoding", "")),
        )
    except (UnreadableFile, FileNotFoundError) as error:
        raise UnusableRequest(
            say("There is no table in this file to write remarks into.")
        ) from error
    media_type, write = FORMATS[form]
    name = f"{PurePath(upload.filename).stem}-remarks.{form}"
    return RemarkedFile(name, media_type, write(rows_with_remarks(table, upload.report, _told)))


def _told(fault: Mapping[str, Any]) -> str:
    return told(fault["message"], fault.get("said"))
