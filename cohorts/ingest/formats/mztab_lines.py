"""The lines of an mzTab file, by section; references between the sections are followed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cohorts.ingest.cells import quoted
from cohorts.ingest.reading import UnreadableFile

_HEADERS = {"SMH": "SML", "SFH": "SMF", "SEH": "SME"}
_IDS = {"SML": "SML_ID", "SMF": "SMF_ID", "SME": "SME_ID"}
_PROTEOMICS = frozenset({"PRH", "PRT", "PEH", "PEP", "PSH", "PSM"})
_COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:\[[1-9][0-9]*\])?[^\s]*")

Row = Mapping[str, str]


@dataclass
class Sections:
    """Rows with the line on which they stand; ``null`` has become an empty text."""

    metadata: dict[str, tuple[int, str]] = field(default_factory=dict)
    columns: dict[str, list[str]] = field(default_factory=dict)
    header_lines: dict[str, int] = field(default_factory=dict)
    rows: dict[str, list[tuple[int, Row]]] = field(
        default_factory=lambda: {"SML": [], "SMF": [], "SME": []}
    )
    by_id: dict[str, dict[str, int]] = field(
        default_factory=lambda: {"SML": {}, "SMF": {}, "SME": {}}
    )

    @property
    def smh(self) -> list[str]:
        return self.columns.get("SML", [])

    @property
    def smh_line(self) -> int:
        return self.header_lines.get("SML", 0)

    @property
    def sml(self) -> list[tuple[int, Row]]:
        return self.rows["SML"]

    @property
    def smf(self) -> list[tuple[int, Row]]:
        return self.rows["SMF"]


def read_sections(text: str, name: str) -> Sections:
    """Cut the file into its sections. Raises UnreadableFile naming the line."""
    sections = Sections()
    for number, line in enumerate(text.split("\n"), start=1):
        cells = [cell.strip() for cell in line.split("\t")]
        if '"' in line:
            cells = [_unquoted(cell) for cell in cells]
        while cells and not cells[-1]:
            cells.pop()
        if cells and cells[0] != "COM":
            wrong = _take(sections, number, cells)
            if wrong:
                raise UnreadableFile(f"{name}: line {number}: {wrong}")
    _follow(sections, "SML", "SMF_ID_REFS", "SMF", name)
    _follow(sections, "SMF", "SME_ID_REFS", "SME", name)
    return sections


def _unquoted(text: str) -> str:
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        text = text[1:-1].replace('""', '"').strip()
    return text


def _take(sections: Sections, number: int, cells: list[str]) -> str:
    """Take one line; the answer is what is wrong with it."""
    prefix = cells[0]
    if prefix == "MTD":
        return _take_metadata(sections, number, cells[1:])
    if prefix in _HEADERS:
        return _take_header(sections, number, _HEADERS[prefix], cells[1:])
    if prefix in _IDS:
        return _take_row(sections, number, prefix, cells[1:])
    if prefix in _PROTEOMICS:
        return f"{prefix} is of mzTab for proteomics; only mzTab-M 2 is read."
    return f"{quoted(prefix)} begins no line of mzTab; correct or delete the line."


def _take_metadata(sections: Sections, number: int, cells: list[str]) -> str:
    if len(cells) != 2:
        return "a metadata line has a key and a value, with a tab between; correct it."
    key, value = cells
    first = sections.metadata.setdefault(key, (number, "" if value == "null" else value))
    return "" if first[0] == number else f"{quoted(key)} is also in line {first[0]}; keep one."


def _take_header(sections: Sections, number: int, section: str, columns: list[str]) -> str:
    if section in sections.columns:
        return f"a second header of {section} rows; line {sections.header_lines[section]} has one."
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        return f"the column {quoted(twice[0])} comes twice; keep one."
    if _IDS[section] not in columns:
        return f"the header of {section} rows has no {_IDS[section]}; add it."
    sections.columns[section] = columns
    sections.header_lines[section] = number
    return ""


def _take_row(sections: Sections, number: int, section: str, cells: list[str]) -> str:
    columns = sections.columns.get(section)
    if columns is None:
        return f"a {section} row before the header of its columns; put the header first."
    if len(cells) != len(columns):
        return (
            f"{len(cells)} cells for {len(columns)} columns; write null where there is no value, "
            "and one tab between any two cells."
        )
    row = {
        column: "" if cell == "null" else cell for column, cell in zip(columns, cells, strict=True)
    }
    own = row[_IDS[section]]
    if not own:
        return f"no {_IDS[section]}; number the row."
    first = sections.by_id[section].setdefault(own, number)
    if first != number:
        return f"{_IDS[section]} {quoted(own)} is also in line {first}; number every row anew."
    sections.rows[section].append((number, row))
    return ""


def _follow(sections: Sections, section: str, column: str, target: str, name: str) -> None:
    """Every reference must lead to a row."""
    for number, row in sections.rows[section]:
        for reference in (part.strip() for part in row.get(column, "").split("|")):
            if reference and reference not in sections.by_id[target]:
                raise UnreadableFile(
                    f"{name}: line {number}: {column} names {target} {quoted(reference)}, which no "
                    f"{target} row is; export the file anew."
                )
