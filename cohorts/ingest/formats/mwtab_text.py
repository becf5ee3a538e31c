"""mwTab as text, line by line: what cannot be understood is refused with its line and section."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from cohorts.ingest.cells import quoted
from cohorts.ingest.formats.assay_file import tells_order
from cohorts.ingest.formats.mwtab_parts import (
    DATA_SECTIONS,
    Parts,
    described,
    fault_in_header,
    repeated,
)
from cohorts.ingest.reading import UnreadableFile

FIRST_LINE = "#METABOLOMICS WORKBENCH"
_SECTIONS = frozenset(
    {"PROJECT", "STUDY", "SUBJECT", "SUBJECT_SAMPLE_FACTORS", "COLLECTION", "TREATMENT"}
    | {"SAMPLEPREP", "CHROMATOGRAPHY", "ANALYSIS", "MS", "NMR", "NM", "METABOLITES", "END"}
    | {*DATA_SECTIONS}
)
_EXTENDED = re.compile(r"EXTENDED_[A-Z_]+")
_START = re.compile(r"([A-Z_]+)_START")
_CODED = re.compile(r"[A-Z_]+(?::[A-Z0-9_]+(?:\([^)]*\))?)?")
_HEADS = frozenset({"samples", "bin range(ppm)"})


@dataclass
class _Reader:
    """Where the reader stands: ``block`` is the table that it is inside of."""

    name: str
    parts: Parts = field(default_factory=Parts)
    section: str = "the header"
    block: str = ""
    opened: int = 0
    ended: bool = False
    head: list[str] = field(default_factory=list)
    material: str = ""
    results_file: str = ""
    first_lines: dict[str, int] = field(default_factory=dict)
    sample_lines: dict[str, int] = field(default_factory=dict)
    orders: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    sampled: list[tuple[str, str, list[tuple[str, str]]]] = field(default_factory=list)

    def refuse(self, line: int, message: str) -> UnreadableFile:
        return UnreadableFile(f"{self.name}: line {line}, section {self.section}: {message}")


def read_lines(text: str, name: str) -> Parts:
    """Read the text of one analysis.

    Raises UnreadableFile naming line and section where a line is not what it should be.
    """
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if not lines[0].startswith(FIRST_LINE):
        raise UnreadableFile(f"{name}: line 1 does not begin with {FIRST_LINE}; send it whole.")
    reader = _Reader(name)
    for number, line in enumerate(lines[1:], start=2):
        if line.strip():
            _take(reader, number, line)
    return _closed(reader, len(lines))


def _take(reader: _Reader, number: int, line: str) -> None:
    if reader.ended:
        raise reader.refuse(number, "text after #END; send one analysis a file.")
    start = _START.fullmatch(line.strip())
    if reader.block:
        _take_in_block(reader, number, line)
    elif line.startswith("#"):
        _open_section(reader, number, line[1:].partition(":")[0].strip())
    elif start:
        _open_block(reader, number, start[1])
    elif "\t" not in line:
        raise reader.refuse(
            number, f"no tab after {quoted(line.split()[0])}; put one between a key and its value."
        )
    else:
        _take_pair(reader, number, line)


def _open_section(reader: _Reader, number: int, section: str) -> None:
    reader.section = section
    reader.ended = section == "END"
    if section not in _SECTIONS and not _EXTENDED.fullmatch(section):
        raise reader.refuse(number, "mwTab has no section of that name; correct the line.")


def _open_block(reader: _Reader, number: int, block: str) -> None:
    if block in DATA_SECTIONS and reader.parts.header:
        raise reader.refuse(
            number, f"a second block of values beside {reader.parts.section}; send two files."
        )
    if block not in (*DATA_SECTIONS, "METABOLITES") and not _EXTENDED.fullmatch(block):
        raise reader.refuse(number, f"{block}_START opens no block of mwTab; correct the line.")
    reader.block, reader.opened, reader.head = block, number, []
    if block in DATA_SECTIONS:
        reader.parts.section = block
    if _EXTENDED.fullmatch(block):
        reader.parts.warnings.append(f"The block {block} (line {number}) is left out.")


def _take_in_block(reader: _Reader, number: int, line: str) -> None:
    if line.strip() == f"{reader.block}_END":
        if reader.block in DATA_SECTIONS and not reader.parts.rows:
            raise reader.refuse(number, "the block has no values; nothing to take.")
        reader.block = ""
        return
    if line.startswith("#") or _START.fullmatch(line.strip()) or line.strip().endswith("_END"):
        raise reader.refuse(
            number,
            f"{quoted(line)} inside the block that line {reader.opened} opens; "
            f"close it with {reader.block}_END.",
        )
    cells = [cell.strip() for cell in line.split("\t")]
    if reader.block in DATA_SECTIONS:
        _take_values(reader, number, cells)
    elif reader.block == "METABOLITES":
        _take_metabolite(reader, number, cells)


def _take_values(reader: _Reader, number: int, cells: list[str]) -> None:
    parts = reader.parts
    if not parts.header:
        if cells[0].casefold() not in _HEADS:
            raise reader.refuse(number, 'the block must begin with "Samples" and their names.')
        parts.header = _without_empty_end(cells[1:])
        wrong = fault_in_header(parts.header)
        if wrong:
            raise reader.refuse(number, f"the row of samples {wrong}")
        return
    width = len(parts.header)
    if len(cells) - 1 < width or any(cells[width + 1 :]):
        raise reader.refuse(
            number,
            f"{quoted(cells[0])} has {len(cells) - 1} cells for {width} samples; "
            "put one tab between any two values.",
        )
    if cells[0] == "Factors" and not parts.rows:
        _compare_factors(reader, number, cells[1 : width + 1])
        return
    if not cells[0]:
        raise reader.refuse(number, "values without the name of what was measured; name it.")
    _refuse_second(reader, number, cells[0])
    parts.rows.append((number, cells[0], cells[1 : width + 1]))


def _refuse_second(reader: _Reader, number: int, feature: str) -> None:
    first = reader.first_lines.setdefault(feature, number)
    if first != number:
        raise reader.refuse(
            number, f"{quoted(feature)} is also in line {first}; give each its own name."
        )


def _without_empty_end(cells: list[str]) -> list[str]:
    while cells and not cells[-1]:
        cells = cells[:-1]
    return cells


def _compare_factors(reader: _Reader, number: int, cells: list[str]) -> None:
    """A column whose factors are another sample's would hold another sample's values."""
    declared = {sample: set(factors) for _, sample, factors in reader.sampled}
    for sample, cell in zip(reader.parts.header, cells, strict=True):
        own = declared.get(sample)
        if cell and own is not None and set(_factors(reader, number, cell)) != own:
            raise reader.refuse(
                number,
                f"the factors of {quoted(sample)} are not those of its line in "
                "SUBJECT_SAMPLE_FACTORS; the columns may be out of order.",
            )


def _take_metabolite(reader: _Reader, number: int, cells: list[str]) -> None:
    if not reader.head:
        reader.head = cells
        return
    if len(cells) != len(reader.head):
        raise reader.refuse(
            number,
            f"{quoted(cells[0])} has {len(cells)} cells for {len(reader.head)} columns; "
            "put one tab between any two cells.",
        )
    reader.parts.metabolites[cells[0]] = dict(zip(reader.head[1:], cells[1:], strict=True))


def _take_pair(reader: _Reader, number: int, line: str) -> None:
    key, _, value = (part.strip() for part in line.partition("\t"))
    if key == "SUBJECT_SAMPLE_FACTORS":
        _take_sample(reader, number, [cell.strip() for cell in line.split("\t")[1:]])
        return
    if not _CODED.fullmatch(key):
        raise reader.refuse(number, f"{quoted(key)} is no key of mwTab; correct the line.")
    if key.endswith(":UNITS"):
        reader.parts.unit = value
    elif key == "CO:SAMPLE_TYPE":
        reader.material = value
    elif key.endswith("_RESULTS_FILE"):
        reader.results_file = value


def _take_sample(reader: _Reader, number: int, cells: list[str]) -> None:
    if not 3 <= len(cells) <= 4:
        raise reader.refuse(
            number,
            f"{len(cells)} cells after the key; write subject, sample, factors and additional "
            "data with a tab between them.",
        )
    subject, sample, factors = cells[:3]
    if not sample:
        raise reader.refuse(number, "the sample has no name; name it.")
    if reader.sample_lines.setdefault(sample, number) != number:
        raise reader.refuse(number, f"the sample {quoted(sample)} is listed twice; keep one line.")
    reader.sampled.append((subject, sample, _factors(reader, number, factors)))
    if len(cells) == 4:
        _check_additional(reader, number, cells[3])
        pairs = [pair.partition("=") for pair in cells[3].split(";")]
        reader.orders[sample] = [(key, value) for key, _, value in pairs if tells_order(key)]


def _factors(reader: _Reader, number: int, text: str) -> list[tuple[str, str]]:
    pairs = []
    for pair in filter(None, (part.strip() for part in text.split("|"))):
        factor, colon, value = (part.strip() for part in pair.partition(":"))
        if not colon or not factor or value.startswith(":"):
            raise reader.refuse(
                number, f"the factor {quoted(pair)} is not NAME:VALUE; write one colon between."
            )
        pairs.append((factor, value))
    return pairs


def _check_additional(reader: _Reader, number: int, text: str) -> None:
    keys = [pair.partition("=")[0].strip() for pair in text.split(";") if pair.strip()]
    twice = repeated(keys)
    if twice:
        reader.parts.warnings.append(
            f"Line {number}: the additional data name {quoted(twice)} twice; "
            "it is not in the table."
        )


def _closed(reader: _Reader, last: int) -> Parts:
    """The parts, once nothing is left open. Samples get the material of the whole collection."""
    parts = reader.parts
    if reader.block:
        raise reader.refuse(
            last,
            f"the file ends inside the block that line {reader.opened} opens; "
            "it was cut short, send it whole.",
        )
    if not parts.rows and reader.results_file:
        raise UnreadableFile(
            f"{reader.name}: the values are in another file, {quoted(reader.results_file)}; "
            "send that as an assay table."
        )
    if not parts.rows:
        raise reader.refuse(
            last, f"there is no block of values ({DATA_SECTIONS[0]}_START); nothing to take."
        )
    if not reader.ended:
        raise reader.refuse(last, "the file has no #END; it was cut short, send it whole.")
    parts.samples = [
        described(subject, sample, [*factors, *reader.orders.get(sample, ())], reader.material)
        for subject, sample, factors in reader.sampled
    ]
    return parts
