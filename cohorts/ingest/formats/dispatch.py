"""An assay upload of any format that is read -> the table that the check takes."""

from __future__ import annotations

from cohorts.ingest.formats import isa_tab, mwtab, mztab_m
from cohorts.ingest.formats.assay_file import AssayFile
from cohorts.ingest.reading import AsNumbers, Table, read_table

_HEAD = 20_000


def read_assay_file(
    content: bytes, *, filename: str = "", as_numbers: AsNumbers | None = None
) -> Table:
    """The assay table in a file: mwTab, mzTab-M, zipped ISA-Tab, or a table as it is.

    Told apart by content and not by name. Raises UnreadableFile as each reader does.
    """
    read = known_format(content, filename=filename)
    if read:
        return read.table
    return read_table(content, filename=filename, as_numbers=as_numbers)


def known_format(content: bytes, *, filename: str = "") -> AssayFile | None:
    """All that a file of a repository's format says; None for any other file."""
    if content.startswith(b"PK\x03\x04"):
        is_isa = isa_tab.is_isa_zip(content)
        return isa_tab.read_zip(content, filename=filename) if is_isa else None
    # The marks are ASCII: without its zero bytes UTF-16 shows them as well.
    head = content[:_HEAD].replace(b"\x00", b"").decode("latin-1")
    head = head.removeprefix("\xef\xbb\xbf").removeprefix("\xff\xfe").removeprefix("\xfe\xff")
    if mwtab.recognises(head):
        return mwtab.read(content, filename=filename)
    return mztab_m.read(content, filename=filename) if mztab_m.recognises(head) else None
