"""An Excel workbook -> rows of text, after its size has been checked from the directory."""

from __future__ import annotations

import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from xml.etree import ElementTree as ET

import python_calamine

from cohorts.ingest.sheets.sheet_extent import column_number, extent
from cohorts.ingest.sheets.sheet_formulas import plain_formulas
from cohorts.language.sentences import say

MAX_UNCOMPRESSED = 200 * 2**20
MAX_RATIO = 150
MAX_PARTS = 2_000
MAX_CELLS = 20_000_000

Cell = int | float | str | bool | time | date | datetime | timedelta

_RELATIONSHIP = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
# One of these is in whatever holds a formula or an error, and is looked for at once.
_MAY_HIDE = (b"<f", b":f", b'"e"', b"'e'")
_DOCTYPES = tuple("<!DOCTYPE".encode(codec) for codec in ("ascii", "utf-16-le", "utf-16-be"))
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")


DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    UnicodeDecodeError,
    ET.ParseError,
    python_calamine.CalamineError,
)
"""What the readers of zip, XML and spreadsheets raise on a file that was cut or changed."""


class UnreadableFile(ValueError):
    """A file that cannot be read as a table; the message says what to send instead."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def read_workbook(content: bytes, name: str) -> tuple[list[list[Cell]], str]:
    """The cells of the first sheet, and a note if the workbook has other sheets.

    A formula that was never computed, or that ended in an error, is
    shown as text (``=`` or ``#N/A``): calamine alone would give both as empty.
    """
    return first_sheet(
        content, name, ".xlsx", lambda: cells_shown_empty(_checked_first_sheet(content, name))
    )


def first_sheet(
    content: bytes, name: str, ending: str, hidden: Callable[[], Iterable[tuple[int, int, str]]]
) -> tuple[list[list[Cell]], str]:
    """What calamine reads of a checked workbook, with what it hides: (row, column, shown)."""
    try:
        put_in = list(hidden())
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        rows: list[list[Cell]] = book.get_sheet_by_index(0).to_python(skip_empty_area=False)
        for i, j, shown in put_in:
            put(rows, i, j, shown, name)
    except DAMAGE as error:
        raise UnreadableFile(
            say(
                "%(name)s is not a readable %(ending)s workbook; save it again.",
                name=name,
                ending=ending,
            )
        ) from error
    for i, row in enumerate(rows, start=1):
        text = "".join([cell for cell in row if isinstance(cell, str)])
        if not text.isprintable() and CONTROL.search(text):
            raise UnreadableFile(
                say(
                    "%(name)s: row %(i)s has a control character; type the row anew.",
                    name=name,
                    i=i,
                )
            )
    others = len(book.sheet_names) - 1
    note = (
        say(
            'Read sheet "%(sheet_names)s"; %(others)s other sheets left out.',
            sheet_names=book.sheet_names[0],
            others=others,
        )
        if others
        else ""
    )
    return rows, note


def open_archive(content: bytes) -> zipfile.ZipFile:
    """A zip archive. Raises one of `DAMAGE` for a directory that leads outside of it."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except ValueError as error:
        raise zipfile.BadZipFile("the directory is outside of the archive") from error
    # Reading there would raise a bare ValueError, which says nothing of its cause.
    if any(part.header_offset < 0 for part in archive.infolist()):
        raise zipfile.BadZipFile("a part begins before the archive")
    return archive


def _checked_first_sheet(content: bytes, name: str) -> bytes:
    """The first sheet's XML, once the archive has been found harmless."""
    with open_archive(content) as archive:
        refuse_bombs(archive, len(content), name)
        _refuse_active(archive, name)
        parts = checked_parts(archive, name)
    xml = parts[_first_sheet_path(parts)]
    _refuse_far_cells(xml, name)
    return xml


def refuse_bombs(archive: zipfile.ZipFile, compressed: int, name: str) -> None:
    parts = archive.infolist()
    size = sum(part.file_size for part in parts)
    if len(parts) > MAX_PARTS or size > MAX_UNCOMPRESSED or size > MAX_RATIO * compressed + 2**20:
        raise UnreadableFile(
            say(
                "%(name)s would unpack to %(size)s MB in %(n_parts)s parts, over what is "
                "read; send the table as CSV.",
                name=name,
                size=format(size / 2**20, ",.0f"),
                n_parts=len(parts),
            )
        )


def _refuse_active(archive: zipfile.ZipFile, name: str) -> None:
    names = archive.namelist()
    if any("vbaproject" in part.lower() or "macrosheets/" in part.lower() for part in names):
        raise UnreadableFile(say("%(name)s has macros; save it as .xlsx without them.", name=name))
    if "xl/workbook.xml" not in names:
        raise UnreadableFile(
            say(
                "%(name)s is a zip archive but not an .xlsx workbook; send .xlsx or CSV.", name=name
            )
        )


def checked_parts(archive: zipfile.ZipFile, name: str) -> dict[str, bytes]:
    """The parts that are XML, of an archive in which all are as its directory says.

    Each is unpacked once: that compares its true size and checksum with the directory.
    """
    parts: dict[str, bytes] = {}
    for info in archive.infolist():
        content = archive.read(info)
        if not info.filename.endswith((".xml", ".rels", ".rdf")):
            continue
        if any(mark in content for mark in _DOCTYPES):
            raise UnreadableFile(
                say(
                    "%(name)s declares a document type in %(part)s; save it again.",
                    name=name,
                    part=info.filename,
                )
            )
        parts[info.filename] = content
    return parts


def _first_sheet_path(parts: Mapping[str, bytes]) -> str:
    book = ET.fromstring(parts["xl/workbook.xml"])  # noqa: S314 - no DTD, see above
    links = ET.fromstring(parts["xl/_rels/workbook.xml.rels"])  # noqa: S314 - as above
    targets = {link.get("Id"): link.get("Target", "") for link in links}
    sheets = [element for element in book.iter() if element.tag.endswith("}sheet")]
    if not sheets:
        raise KeyError("the workbook lists no sheet")
    target = targets[sheets[0].get(_RELATIONSHIP)]
    return target.lstrip("/") if target.startswith("/") else f"xl/{target}"


def _refuse_far_cells(xml: bytes, name: str) -> None:
    # One cell in the far corner of an otherwise small sheet would fill all memory.
    n_rows, n_columns = extent(xml)
    if n_rows * n_columns > MAX_CELLS:
        raise UnreadableFile(
            say(
                "%(name)s spans %(n_rows)s rows by %(n_columns)s columns; delete what "
                "stands far outside the table, or send it as CSV.",
                name=name,
                n_rows=format(n_rows, ","),
                n_columns=format(n_columns, ","),
            )
        )


def cells_shown_empty(xml: bytes) -> Iterator[tuple[int, int, str]]:
    """Cells that calamine shows as empty: (row, column) from 0 and what to show."""
    plain = plain_formulas(xml) if any(mark in xml for mark in _MAY_HIDE) else []
    if plain is not None:
        yield from plain
        return
    i = j = -1
    # Document types were refused before: no entity can be declared.
    for event, element in ET.iterparse(io.BytesIO(xml), events=("start", "end")):  # noqa: S314 - see above
        tag = element.tag.rpartition("}")[2]
        if event == "start" and tag == "row":
            number = element.get("r", "")
            i, j = int(number) - 1 if number.isdecimal() else i + 1, -1
        elif event == "start" and tag == "c":
            letters = (element.get("r") or "").rstrip("0123456789")
            j = column_number(letters.encode()) - 1 if letters else j + 1
        elif event == "end" and tag == "c":
            shown = _shown(element)
            if shown:
                yield i, j, shown
            element.clear()


def _shown(cell: ET.Element) -> str:
    children = {child.tag.rpartition("}")[2]: child for child in cell}
    value = (children["v"].text or "") if "v" in children else ""
    if cell.get("t") == "e":
        return value or "#N/A"
    never_computed = "f" in children and not value and cell.get("t") != "str"
    return f"={children['f'].text or ''}" if never_computed else ""


def put(rows: list[list[Cell]], i: int, j: int, shown: str, name: str) -> None:
    width = len(rows[0]) if rows else 0
    if (i + 1) * (j + 1) > MAX_CELLS:
        raise UnreadableFile(
            say("%(name)s has a cell far outside the table; delete it.", name=name)
        )
    # A column or row of nothing but errors lies outside what calamine saw.
    while len(rows) <= i:
        rows.append([""] * width)
    if j >= width:
        for row in rows:
            row.extend([""] * (j + 1 - width))
    rows[i][j] = shown


def as_text(cell: Cell) -> str:
    """A cell as a CSV would have it; dates become ISO text."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime):
        # A spreadsheet keeps a time as a fraction of a day: half a second is noise.
        rounded = (cell + timedelta(microseconds=500_000)).replace(microsecond=0)
        return rounded.isoformat()
    if isinstance(cell, date | time):
        return cell.isoformat()
    return str(cell)
