"""An OpenDocument spreadsheet -> rows of text, under the limits of a workbook."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from cohorts.ingest.sheets.opendocument_extent import may_hide, reaches_at_most
from cohorts.ingest.sheets.workbook import (
    DAMAGE,
    MAX_CELLS,
    Cell,
    UnreadableFile,
    checked_parts,
    first_sheet,
    open_archive,
    refuse_bombs,
)
from cohorts.language.sentences import say

MAX_REPEATED = 10_000
MIME = b"application/vnd.oasis.opendocument.spreadsheet"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_CALCEXT = "{urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0}"
_CELLS = (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell")


def is_opendocument(content: bytes) -> bool:
    """Whether a zip archive says of itself that it is an OpenDocument spreadsheet."""
    try:
        with open_archive(content) as archive:
            info = archive.getinfo("mimetype")
            return info.file_size < 200 and archive.read(info).strip().startswith(MIME)
    except DAMAGE:
        return False


def read_opendocument(content: bytes, name: str) -> tuple[list[list[Cell]], str]:
    """The cells of the first sheet, and a note if the workbook has other sheets.

    As in `read_workbook`, a formula that was never computed, or that ended in an error, is
    shown as text: calamine alone would give both as empty.
    """
    return first_sheet(
        content, name, ".ods", lambda: _hidden_cells(_checked_content(content, name), name)
    )


def _checked_content(content: bytes, name: str) -> bytes:
    with open_archive(content) as archive:
        refuse_bombs(archive, len(content), name)
        if any(part.startswith(("Basic/", "Scripts/")) for part in archive.namelist()):
            raise UnreadableFile(
                say("%(name)s has macros; save it as .ods without them.", name=name)
            )
        parts = checked_parts(archive, name)
    if b"encryption-data" in parts["META-INF/manifest.xml"]:
        raise UnreadableFile(
            say("%(name)s is protected by a password; save it without one.", name=name)
        )
    return parts["content.xml"]


@dataclass
class _Extent:
    """How far the filled cells reach: a repeat count alone can ask for all memory."""

    name: str
    rows: int = 0
    columns: int = 0

    def reach(self, row: int, column: int) -> None:
        self.rows, self.columns = max(self.rows, row), max(self.columns, column)
        if self.rows * self.columns > MAX_CELLS:
            raise UnreadableFile(
                say(
                    "%(name)s spans %(rows)s rows by %(columns)s columns; delete what stands "
                    "far outside the table, or send it as CSV.",
                    name=self.name,
                    rows=format(self.rows, ","),
                    columns=format(self.columns, ","),
                )
            )


def _hidden_cells(xml: bytes, name: str) -> list[tuple[int, int, str]]:
    """Cells that calamine shows as empty: (row, column) from 0 and what to show."""
    found: list[tuple[int, int, str]] = []
    if not may_hide(xml) and reaches_at_most(xml, MAX_CELLS):
        return found
    extent = _Extent(name)
    i = 0
    for row in _rows_of_first_sheet(xml):
        times = _repeat(row, "rows")
        j = 0
        for cell in row:
            if cell.tag not in _CELLS:
                continue
            across = _repeat(cell, "columns")
            if _is_filled(cell):
                extent.reach(i + times, j + across)
                shown = _shown(cell)
                if shown and times * across > MAX_REPEATED:
                    raise UnreadableFile(
                        say(
                            "%(name)s: row %(row)s repeats %(shown)s in %(times)s cells; "
                            "delete them.",
                            name=name,
                            row=i + 1,
                            shown=shown,
                            times=format(times * across, ","),
                        )
                    )
                if shown:
                    found += [(i + n, j + m, shown) for n in range(times) for m in range(across)]
            j += across
        i += times
    return found


def _repeat(element: ET.Element, what: str) -> int:
    text = element.get(f"{_TABLE}number-{what}-repeated", "1")
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise zipfile.BadZipFile("a repeat count is no number")
    return int(text)


def _rows_of_first_sheet(xml: bytes) -> Iterator[ET.Element]:
    # Document types were refused before: no entity can be declared.
    for _, element in ET.iterparse(io.BytesIO(xml), events=("end",)):  # noqa: S314 - see above
        if element.tag == f"{_TABLE}table-row":
            yield element
            element.clear()
        elif element.tag == f"{_TABLE}table":
            return


def _is_filled(cell: ET.Element) -> bool:
    return bool(cell.get(f"{_OFFICE}value-type") or cell.get(f"{_TABLE}formula") or len(cell))


def _shown(cell: ET.Element) -> str:
    text = "\n".join("".join(p.itertext()) for p in cell.iter(f"{_TEXT}p"))
    formula = cell.get(f"{_TABLE}formula")
    is_error = cell.get(f"{_CALCEXT}value-type") == "error" or (
        formula is not None and text.startswith(("#", "Err:"))
    )
    if is_error:
        return text if text.startswith("#") else f"#{text or 'N/A'}"
    if formula is not None and not cell.get(f"{_OFFICE}value-type"):
        return f"={formula.removeprefix('of:=')}"
    return ""
