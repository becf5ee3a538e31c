"""A site's own column names: proposed for a refused table, confirmed by a person, then kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db import transaction

from cohorts.errors import UnusableRequest
from cohorts.ingest.child import client as child
from cohorts.ingest.participants import STATED
from cohorts.ingest.proposals import propose, standard_names
from cohorts.ingest.reading import UnreadableFile
from cohorts.language.sentences import say
from cohorts.models import ColumnMapping, Upload, User
from cohorts.services.tables import files, sent_tables, two_steps


def headers_of(upload: Upload) -> Sequence[str]:
    """The column names of a sent table; none where there is no table in the file."""
    encoding = str(upload.options.get("encoding", ""))
    try:
        content = files.read(upload.sha256)
        return child.read_file(upload.kind, content, upload.filename, encoding).columns
    except (UnreadableFile, FileNotFoundError):
        return ()


def proposal_of(upload: Upload) -> dict[str, str]:
    """Standard name -> the table's own, for a table refused for want of a column."""
    codes = {fault["code"] for fault in upload.report.get("faults", ())}
    if not codes & {"missing_column", "unknown_column"}:
        return {}
    kept = ColumnMapping.objects.filter(site=upload.site, kind=upload.kind).first()
    known = kept.columns if kept else {}
    proposed = propose(upload.kind, headers_of(upload))
    return {name: header for name, header in proposed.items() if known.get(name) != header}


def unstated(upload: Upload) -> list[str]:
    """The columns that the table lacks and of which one word may hold for every row."""
    if sent_tables.records_of(upload.kind) != "participants":
        return []
    faults = upload.report.get("faults", ())
    lacks = {fault["column"] for fault in faults if fault["code"] == "missing_column"}
    return [name for name in STATED if name in lacks]


def confirm(upload_id: UUID | str, columns: Mapping[str, str], *, by: User | None) -> Upload:
    """Keep for the site what its columns are called, and check the table again with it.

    What begins with ``=`` is no column but holds for every row, and of this file alone: kept for
    the site it would enrol the next file's controls as cases.
    """
    upload = Upload.objects.select_related("site").get(pk=upload_id)
    two_steps.refuse_outsiders(upload, by)
    chosen = {name: header for name, header in columns.items() if header}
    stated = {name: own for name, own in chosen.items() if own.startswith("=")}
    sent_tables.refuse_stated(upload.kind, stated)
    if not stated or len(stated) < len(chosen):
        _keep(upload, {name: own for name, own in chosen.items() if name not in stated})
    if stated:
        upload.options = upload.options | {"stated": upload.options.get("stated", {}) | stated}
        upload.save(update_fields=["options"])
    return two_steps.check_again(upload.pk)


def _keep(upload: Upload, chosen: Mapping[str, str]) -> None:
    _refuse_unknown(upload, chosen)
    with transaction.atomic():
        kept, _ = ColumnMapping.objects.select_for_update().get_or_create(
            site=upload.site, kind=upload.kind
        )
        kept.columns = kept.columns | chosen
        kept.save(update_fields=["columns"])


def _refuse_unknown(upload: Upload, chosen: Mapping[str, str]) -> None:
    if not chosen:
        raise UnusableRequest(say("Choose a column for at least one of the names."))
    names, headers = standard_names(upload.kind), headers_of(upload)
    for name, header in chosen.items():
        if name not in names:
            raise UnusableRequest(
                say(
                    "%(name)s is not a column of %(kind)s tables.",
                    name=repr(name),
                    kind=upload.kind,
                )
            )
        if header not in headers:
            raise UnusableRequest(
                say(
                    "%(header)s is not a column of %(filename)s.",
                    header=repr(header),
                    filename=upload.filename,
                )
            )
    if len(set(chosen.values())) < len(chosen):
        raise UnusableRequest(say("One column of the table stands for two names; choose one."))
