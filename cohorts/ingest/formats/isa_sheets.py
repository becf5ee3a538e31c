"""The tab-separated sheets of ISA-Tab: the investigation, and tables with their line numbers."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from cohorts.ingest.cells import quoted
from cohorts.ingest.reading import UnreadableFile, read_text, refuse_size

_SECTION_START = "ONTOLOGY SOURCE REFERENCE"
# Written by hand and by converters alike, and no part of the cell.
_SPACE_AFTER_QUOTE = re.compile(r'(?<=[^\t\n])" +(?=\t|\r?$)', re.MULTILINE)
_FIELDS = ("Study File Name", "Study Assay File Name", "Study Protocol Name")


@dataclass(frozen=True)
class Investigation:
    """The files that an investigation names, and the protocols of its studies."""

    name: str
    study_files: tuple[str, ...]
    assay_files: tuple[str, ...]
    protocols: tuple[str, ...]


@dataclass(frozen=True)
class Sheet:
    """A table: ``rows`` are (line, cells), all as wide as ``header``."""

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]

    def columns(self, header: str) -> list[int]:
        return self._places.get(header.casefold(), [])

    @cached_property
    def _places(self) -> Mapping[str, list[int]]:
        """Each row of a metabolite file asks, and a header may have thousands of columns."""
        places: dict[str, list[int]] = {}
        for j, own in enumerate(self.header):
            places.setdefault(own.casefold(), []).append(j)
        return places

    def column(self, header: str) -> int | None:
        """Where the first column of that name is, whatever its case; None if there is none."""
        return next(iter(self.columns(header)), None)


def _lines(content: bytes, name: str) -> list[tuple[int, list[str]]]:
    refuse_size(content, name)
    text, _ = read_text(content, name)
    text = _SPACE_AFTER_QUOTE.sub('"', text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True)
    lines = []
    start = 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                lines.append((start, cells))
            start = reader.line_num + 1
    except csv.Error as error:
        raise UnreadableFile(
            f"{name}: line {start}: not well-formed ({error}); look for an unclosed quote."
        ) from error
    return lines


def read_investigation(content: bytes, name: str) -> Investigation:
    """The investigation file. Raises UnreadableFile where it names no study or no assay."""
    lines = _lines(content, name)
    if not any(cells[0].casefold() == _SECTION_START.casefold() for _, cells in lines):
        raise UnreadableFile(
            f"{name}: no section {_SECTION_START}; it is no ISA-Tab investigation."
        )
    found: dict[str, list[str]] = {field: [] for field in _FIELDS}
    for _, cells in lines:
        if cells[0] in found:
            found[cells[0]] += [cell for cell in cells[1:] if cell]
    for field in _FIELDS[:2]:
        if not found[field]:
            raise UnreadableFile(f"{name}: section STUDY: no {field}; name the files of the study.")
    return Investigation(name, *(tuple(dict.fromkeys(found[field])) for field in _FIELDS))


def read_sheet(content: bytes, name: str) -> Sheet:
    """A study, assay or metabolite sheet. Raises UnreadableFile naming the line."""
    lines = _lines(content, name)
    if len(lines) < 2 or lines[0][0] != 1:
        raise UnreadableFile(f"{name}: line 1: no header, or no row below it; send the whole file.")
    header = lines[0][1]
    while not header[-1]:
        header.pop()
    rows = []
    for number, cells in lines[1:]:
        if len(cells) < len(header) or any(cells[len(header) :]):
            raise UnreadableFile(
                f"{name}: line {number}: {quoted(cells[0])} has {len(cells)} cells for "
                f"{len(header)} columns; put one tab between any two cells."
            )
        rows.append((number, tuple(cells[: len(header)])))
    return Sheet(name, tuple(header), tuple(rows))
