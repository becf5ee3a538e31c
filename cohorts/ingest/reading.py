"""Bytes of a file -> a table of text. Nothing is guessed: what is not certain is refused."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from cohorts.ingest.encodings import decode
from cohorts.ingest.plain_csv import has_no_controls, read_plain
from cohorts.ingest.plain_numbers import MAX_CELLS, AsNumbers, PlainNumbers, read_numbers
from cohorts.ingest.sheets.opendocument import is_opendocument, read_opendocument
from cohorts.ingest.sheets.sheet_numbers import numbers_of
from cohorts.ingest.sheets.workbook import UnreadableFile, as_text, read_workbook
from cohorts.language.sentences import say

__all__ = ["MAX_CELLS", "AsNumbers", "Table", "UnreadableFile", "read_table", "read_text"]

MAX_BYTES = 200 * 2**20
MAX_COLUMNS = 20_000
"""Of a table, and of features of a long one: each becomes a feature to be looked at by somebody."""
_EXCERPT = 200_000  # of the text, in which the separator is looked for

SEMICOLONS = say("Cells are separated by semicolons.")
"""A note that is no remark: where it is wrong, the columns are."""

_FOREIGN = (
    (b"%PDF", say("a PDF")),
    (b"\xd0\xcf\x11\xe0", say("an old .xls or a password-protected workbook")),
    (b"\x1f\x8b", say("a gzip archive")),
    (b"PAR1", say("a Parquet file")),
    (b"\x89PNG", say("a picture")),
    (b"\xff\xd8\xff", say("a picture")),
)
_HTML = re.compile(rb"\s*<(!doctype html|html|table|\?xml|head|body|meta)", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")


@dataclass(frozen=True)
class Table:
    """A file's table, every cell as text.

    ``frame`` has the header as sent for its columns and the file's row numbers for its index
    (the header is row 1; blank rows count and are left out). An empty cell is ``""``; white
    space around a cell is removed. ``note`` says what a reader of the report should know;
    ``warnings`` what a reader of the format found odd in the file. ``numbers`` are the columns
    that were read as numbers at once, after those of ``frame``, which then does not hold them.
    """

    frame: pd.DataFrame
    encoding: str = "UTF-8"
    note: str = ""
    warnings: tuple[str, ...] = ()
    numbers: PlainNumbers | None = None

    @property
    def columns(self) -> list[str]:
        names = [str(name) for name in self.frame.columns]
        return [*names, *self.numbers.names] if self.numbers else names

    @property
    def n_rows(self) -> int:
        return len(self.frame)


def read_table(content: bytes, *, filename: str = "", as_numbers: AsNumbers | None = None) -> Table:
    """Read CSV, TSV, XLSX or ODS, told apart by content and not by name.

    With ``as_numbers`` its columns are `Table.numbers` where every cell of theirs is one.

    Raises
    ------
    UnreadableFile
        The file is empty, too large, not a table, in an uncertain encoding, without rows, or
        its header is unclear. The message says what to do.
    """
    name = filename or say("The file")
    refuse_size(content, name)
    if content.startswith(b"PK\x03\x04"):
        opendocument = is_opendocument(content)
        rows, note = (read_opendocument if opendocument else read_workbook)(content, name)
        kind = "ODS" if opendocument else "XLSX"
        _refuse_wide(len(rows[0]) if rows else 0, name)
        numbers = numbers_of(rows, as_numbers) if as_numbers else None
        if numbers is not None:
            return Table(numbers[0], kind, note, numbers=numbers[1])
        return _as_table([[as_text(cell) for cell in row] for row in rows], kind, note, name)
    _refuse_foreign(content, name)
    plain = _plain_table(content, as_numbers, name)
    if plain is not None:
        return plain
    text, encoding = read_text(content, name)
    delimiter = _delimiter(text)
    return _as_table(_parse_text(text, delimiter, name), encoding, _note(delimiter), name)


def _plain_table(content: bytes, as_numbers: AsNumbers | None, name: str) -> Table | None:
    """The table of plain ASCII, which is never decoded as a whole; None where it is not that."""
    if not has_no_controls(content):
        return None
    delimiter = _delimiter(content[:_EXCERPT].decode("ascii"))
    header = content[: content.find(b"\n")]
    if b'"' not in header:
        _refuse_wide(header.count(delimiter.encode()) + 1, name)
    numbers = read_numbers(content, delimiter, as_numbers) if as_numbers else None
    if numbers is not None:
        return Table(numbers[0], "UTF-8", _note(delimiter), numbers=numbers[1])
    frame = read_plain(content, delimiter)
    if frame is not None and frame.size <= MAX_CELLS:
        return Table(frame, "UTF-8", _note(delimiter))
    return None


def _note(delimiter: str) -> str:
    return SEMICOLONS if delimiter == ";" else ""


def refuse_size(content: bytes, name: str) -> None:
    """Raises UnreadableFile for a file with nothing in it, and for one too large to read."""
    if not content or content.isspace():
        raise UnreadableFile(say("%(name)s is empty; send the table with its header.", name=name))
    if len(content) > MAX_BYTES:
        raise UnreadableFile(
            say(
                "%(name)s is over %(max_bytes)s MB; split it by rows.",
                name=name,
                max_bytes=MAX_BYTES >> 20,
            )
        )


def read_text(content: bytes, name: str) -> tuple[str, str]:
    """The text of a file and the name of its encoding.

    Raises UnreadableFile for other kinds of file, an uncertain encoding, control characters.
    """
    _refuse_foreign(content, name)
    text, encoding = decode(content, name)
    control = None if has_no_controls(content) else _CONTROL.search(text)
    if control:
        line = text.count("\n", 0, control.start()) + 1
        raise UnreadableFile(
            say(
                "%(name)s is not text: line %(line)s has a control character; export it "
                "as CSV in UTF-8.",
                name=name,
                line=line,
            )
        )
    return text, encoding


def _refuse_foreign(content: bytes, name: str) -> None:
    for magic, what in _FOREIGN:
        if content.startswith(magic):
            raise UnreadableFile(
                say("%(name)s is %(what)s; export the table as CSV or .xlsx.", name=name, what=what)
            )
    if _HTML.match(content):
        raise UnreadableFile(
            say(
                "%(name)s is a web page, whatever its name says; export the table as CSV or .xlsx.",
                name=name,
            )
        )


def _parse_text(text: str, delimiter: str, name: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise UnreadableFile(
            say(
                "%(name)s is not a well-formed table (%(error)s); look for an unclosed quote.",
                name=name,
                error=error,
            )
        ) from error


def _delimiter(text: str) -> str:
    """The separator that cuts the first rows into equally many cells, and into the most."""
    head = text[:_EXCERPT]
    return max(",\t;", key=lambda delimiter: _fit(head, delimiter))


def _fit(head: str, delimiter: str) -> tuple[bool, int]:
    reader = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter)
    try:
        widths = [len(row) for row, _ in zip(reader, range(20), strict=False) if row]
    except csv.Error:
        return (False, 0)
    # The last row of the excerpt may be cut short, so one odd row does not count.
    steady = sum(width == widths[0] for width in widths) >= len(widths) - 1
    return (steady and widths[0] > 1, widths[0])


def _as_table(rows: Sequence[list[str]], encoding: str, note: str, name: str) -> Table:
    numbered = [(i, [cell.strip() for cell in row]) for i, row in enumerate(rows, start=1)]
    numbered = [(i, row) for i, row in numbered if any(row)]
    if not numbered or numbered[0][0] != 1:
        raise UnreadableFile(
            say("%(name)s: row 1 is empty; it must hold the names of the columns.", name=name)
        )
    header, body = numbered[0][1], numbered[1:]
    _refuse_wide(len(header), name)
    if not body:
        raise UnreadableFile(say("%(name)s has a header but no rows; nothing to take.", name=name))
    if len(header) * len(body) > MAX_CELLS:
        raise UnreadableFile(
            say(
                "%(name)s has over %(max_cells)s cells; split it by rows.",
                name=name,
                max_cells=format(MAX_CELLS, ","),
            )
        )
    width = _trimmed_width(header, body)
    _refuse_ragged(body, len(header), name)
    _refuse_unclear_header(header[:width], body, name)
    numbers = pd.Index([i for i, _ in body], name="row")
    named = [j for j in range(width) if header[j]]
    frame = pd.DataFrame(
        {header[j]: pd.array([row[j] for _, row in body], dtype="str") for j in named},
        index=numbers,
    )
    return Table(frame, encoding, note)


def _refuse_wide(n_columns: int, name: str) -> None:
    if n_columns > MAX_COLUMNS:
        raise UnreadableFile(
            say(
                "%(name)s has %(n_columns)s columns, over %(most)s; send it in several tables, "
                "each with the samples and some of the columns.",
                name=name,
                n_columns=format(n_columns, ","),
                most=format(MAX_COLUMNS, ","),
            )
        )


def _trimmed_width(header: list[str], body: Sequence[tuple[int, list[str]]]) -> int:
    width = len(header)
    while (
        width
        and not header[width - 1]
        and not any(row[width - 1 : width] > [""] for _, row in body)
    ):
        width -= 1
    return width


def _refuse_ragged(body: Sequence[tuple[int, list[str]]], width: int, name: str) -> None:
    ragged = [(i, len(row)) for i, row in body if len(row) < width or any(row[width:])]
    if ragged:
        told = ", ".join(f"row {i} has {n}" for i, n in ragged[:5])
        more = (
            say(" and %(n_ragged)s more rows", n_ragged=len(ragged) - 5) if len(ragged) > 5 else ""
        )
        raise UnreadableFile(
            say(
                "%(name)s: the header has %(width)s cells, but %(told)s%(more)s; put "
                "quotes around cells that hold the separator, and send the file whole.",
                name=name,
                width=width,
                told=told,
                more=more,
            )
        )


def _refuse_unclear_header(
    header: list[str], body: Sequence[tuple[int, list[str]]], name: str
) -> None:
    for j, column in enumerate(header):
        if not column and any(row[j] for _, row in body):
            raise UnreadableFile(
                say(
                    "%(name)s: column %(j)s has values but no name; name it in row 1.",
                    name=name,
                    j=j + 1,
                )
            )
        if len(column) > 200:
            raise UnreadableFile(
                say(
                    "%(name)s: the name of column %(j)s is over 200 letters; cut it.",
                    name=name,
                    j=j + 1,
                )
            )
    named = [column for column in header if column]
    twice = (
        sorted({column for column in named if named.count(column) > 1})
        if len(set(named)) < len(named)
        else []
    )
    if twice:
        raise UnreadableFile(
            say(
                "%(name)s: two columns are named %(twice)s; give each its own name.",
                name=name,
                twice=", ".join(twice[:5]),
            )
        )
