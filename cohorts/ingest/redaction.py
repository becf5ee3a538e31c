"""A sent file without one participant: their rows leave it, every other byte stays."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cohorts.ingest.columns import heading
from cohorts.ingest.formats.dispatch import known_format
from cohorts.ingest.reading import Table, UnreadableFile, read_table

MASK = "[erased]"
_CODECS = {
    "UTF-8": "utf-8",
    "UTF-16": "utf-16",
    "UTF-32": "utf-32",
    "Windows-1252": "cp1252",
    "Shift_JIS": "cp932",
}
_BOMS = {
    b"\xef\xbb\xbf": "utf-8",
    b"\xff\xfe\x00\x00": "utf-32-le",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
}


@dataclass(frozen=True)
class Marks:
    """By what a row is known to be the person's.

    ``codes``: standard name (``participant``, ``sample``) -> the person's codes. ``columns``:
    standard name -> the headers under which this file may hold them. ``where``: header -> the
    cells that mark a row of the person's site, for a file that several sites share; another
    site's person of the same code is somebody else.
    """

    codes: Mapping[str, frozenset[str]]
    columns: Mapping[str, Collection[str]] = field(default_factory=dict)
    where: Mapping[str, Collection[str]] = field(default_factory=dict)

    @property
    def everything(self) -> frozenset[str]:
        return frozenset().union(*self.codes.values())


@dataclass(frozen=True)
class Redacted:
    """``rows``: numbers of the removed rows. ``how``: ``rows removed``, ``rewritten as CSV``,
    ``emptied``, or ``unchanged``."""

    content: bytes
    rows: frozenset[int] = frozenset()
    how: str = "unchanged"


def without_person(content: bytes, filename: str, marks: Marks) -> Redacted:
    """The file without the rows of the person.

    Text keeps its encoding, separator, quotes and line ends; a workbook, or a file of a
    repository's format, becomes CSV in UTF-8. A file in which nobody can read a table was never
    taken: it is emptied where it names the person, or where that cannot be told.
    """
    try:
        known = known_format(content, filename=filename)
        table = known.table if known else read_table(content, filename=filename)
    except UnreadableFile:
        return _unreadable(content, marks)
    rows = rows_of_person(table, marks)
    mask = masking(marks.codes.get("participant", ()), whole=True)
    inside = _within(table, marks)
    # In a repository's format the samples may be columns: it is told as the table that was read.
    kept = None if known else _text_without(content, table, rows, inside, mask)
    how = "rows removed"
    if kept is None:
        if not rows and not _names(table, inside, mask) and not _named_within(content, marks):
            return Redacted(content)
        kept, how = _as_csv(table, rows, inside, mask), "rewritten as CSV"
    if kept == content:
        return Redacted(content)
    return Redacted(kept, rows, how)


def with_blank_line(content: bytes) -> bytes:
    """The same table as another file: a blank line at its end is left out when it is read."""
    bom = next((mark for mark in _BOMS if content.startswith(mark)), b"")
    return content + "\n".encode(_BOMS.get(bom, "ascii"))


def samples_of_person(table: Table, marks: Marks) -> set[str]:
    """Sample codes in the rows that name the participant."""
    people = {"participant": marks.codes.get("participant", frozenset())}
    rows = sorted(rows_of_person(table, replace(marks, codes=people)))
    headers = _headers(table, "sample", marks)
    return {str(cell) for header in headers for cell in table.frame.loc[rows, header] if cell}


def rows_of_person(table: Table, marks: Marks) -> frozenset[int]:
    """Numbers of the rows whose participant or sample is one of the person's."""
    found: set[int] = set()
    for name, codes in marks.codes.items():
        for header in _headers(table, name, marks):
            column = table.frame[header]
            found.update(int(row) for row in column.index[column.isin(list(codes))])
    return frozenset(found) & _within(table, marks)


def masking(codes: Collection[str], *, whole: bool = False) -> re.Pattern[str] | None:
    """A pattern for a code that stands in running text; None where there is none to look for.

    A code without a letter is looked for in quotes alone: as a bare number it may be anything.
    ``whole``: only as a cell or word of its own, not as the beginning of another code.
    """
    left, right = r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])"
    if whole:
        left = r"(?<![A-Za-z0-9_])(?<![A-Za-z0-9][._:/+-])"
        right = r"(?![A-Za-z0-9_])(?![._:/+-][A-Za-z0-9])"
    named = [
        left + re.escape(code) + right
        if re.search("[A-Za-z]", code)
        else '(?<=")' + re.escape(code) + '(?=")'
        for code in sorted(codes, key=len, reverse=True)
        if not whole or re.search("[A-Za-z]", code)
    ]
    return re.compile("|".join(named)) if named else None


def masked(value: Any, mask: re.Pattern[str] | None) -> Any:
    """JSON with the person's codes replaced in every text of it."""
    if mask is None:
        return value
    if isinstance(value, str):
        return mask.sub(MASK, value)
    if isinstance(value, list):
        return [masked(part, mask) for part in value]
    if isinstance(value, dict):
        return {name: masked(part, mask) for name, part in value.items()}
    return value


def report_without(
    report: Mapping[str, Any], rows: Collection[int], mask: re.Pattern[str] | None
) -> dict[str, Any]:
    """A report without what it says of removed rows; its numbers stay those of the file as sent."""
    told = dict(report)
    for part in ("faults", "warnings"):
        if part in told:
            told[part] = [said for said in told[part] if said.get("row") not in rows]
    if "preview" in told:
        kept = [cell for cell in told["preview"].get("cells", []) if cell.get("row") not in rows]
        told["preview"] = told["preview"] | {"cells": kept}
    clean: dict[str, Any] = masked(told, mask)
    return clean


def _headers(table: Table, name: str, marks: Marks) -> list[str]:
    named = marks.columns.get(name, ())
    known = {heading(name), *(heading(own) for own in named)}
    return [header for header in table.columns if header in named or heading(header) in known]


def _within(table: Table, marks: Marks) -> frozenset[int]:
    """Rows of the person's site; all rows where the file is that site's alone."""
    mine = table.frame.index
    for header, cells in marks.where.items():
        if header in table.columns:
            mine = mine.intersection(table.frame.index[table.frame[header].isin(list(cells))])
    return frozenset(int(row) for row in mine)


def _names(table: Table, inside: Collection[int], mask: re.Pattern[str] | None) -> bool:
    if mask is None:
        return False
    cells = table.frame.loc[sorted(inside)].to_numpy().ravel()
    return any(mask.search(str(cell)) for cell in cells)


def _named_within(content: bytes, marks: Marks) -> bool:
    """Whether a file names the participant outside its table: another sheet, or its metadata."""
    parts = [content]
    if content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = [archive.read(name) for name in archive.namelist()]
    codes = [c.encode() for c in marks.codes.get("participant", ()) if re.search("[A-Za-z]", c)]
    return any(code in part for code in codes for part in parts)


def _text_without(
    content: bytes,
    table: Table,
    rows: Collection[int],
    inside: Collection[int],
    mask: re.Pattern[str] | None,
) -> bytes | None:
    """The text with its other rows as they were sent; None where the file is no such text."""
    bom = next((mark for mark in _BOMS if content.startswith(mark)), b"")
    codec = _BOMS.get(bom) or _CODECS.get(table.encoding, "")
    if not codec:
        return None
    text = content[len(bom) :].decode(codec)
    for delimiter in ",\t;":
        records = list(_records(text, delimiter))
        if _is_header(records[0][0], table):
            break
    else:
        return None
    kept = [
        mask.sub(MASK, raw) if mask and (number in inside or number == 1) else raw
        for number, (_, raw) in enumerate(records, start=1)
        if number not in rows
    ]
    return bom + "".join(kept).encode(codec)


def _records(text: str, delimiter: str) -> Iterator[tuple[list[str], str]]:
    """Each row's cells and the very text that they were read from, its line ends too."""
    lines = io.StringIO(text, newline="").readlines()
    reader = csv.reader(iter(lines), delimiter=delimiter)
    begun = 0
    for cells in reader:
        yield cells, "".join(lines[begun : reader.line_num])
        begun = reader.line_num


def _is_header(cells: list[str], table: Table) -> bool:
    return [cell.strip() for cell in cells if cell.strip()] == table.columns


def _as_csv(
    table: Table, rows: Collection[int], inside: Collection[int], mask: re.Pattern[str] | None
) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(masked(table.columns, mask))
    for number, cells in zip(table.frame.index.tolist(), table.frame.to_numpy(), strict=True):
        if number not in rows:
            writer.writerow(masked(list(cells), mask) if number in inside else cells)
    return out.getvalue().encode()


def _unreadable(content: bytes, marks: Marks) -> Redacted:
    searchable = b"\x00" not in content and not content.startswith(
        (b"PK\x03\x04", b"%PDF", b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"PAR1", b"\x89PNG", b"\xff\xd8")
    )
    if not content or (searchable and not any(c.encode() in content for c in marks.everything)):
        return Redacted(content)
    return Redacted(b"", how="emptied")
