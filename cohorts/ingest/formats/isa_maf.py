"""A metabolite assignment file: values, or concentrations beside the status that a kit gives."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cohorts.ingest.cells import NUMBER, quoted
from cohorts.ingest.formats.assay_file import listed, plain_unit
from cohorts.ingest.formats.isa_sheets import Sheet
from cohorts.ingest.reading import UnreadableFile

NAME = "metabolite_identification"
_PART = re.compile(r"(.+)\[([a-z0-9 ]+)\]", re.IGNORECASE)
_ACCESSIONS = {"hmdb": "hmdb", "chebi": "chebi", "c": "kegg"}
_MEASURED = frozenset({"VALID", "SEMI_QUANT"})
_BELOW = {"SMALLER_LOD": ("lod", "<LOD"), "SMALLER_LLOQ": ("lloq", "<LLOQ")}
_ABOVE = "GREATER_THAN_ULOQ"
_UNUSABLE = frozenset(
    {"NO_INTERCEPT", "MISSING_MEASUREMENT", "ISTD_OUT_OF_RANGE", "STD_OUT_OF_RANGE", "INVALID"}
    | {"INCOMPLETE", "BLANK_OUT_OF_RANGE", "QC_OUT_OF_RANGE", "MISSING_PEAK", "NO_PEAK"}
)


@dataclass(frozen=True)
class Maf:
    """A read MAF: ``rows`` are (line, feature, one text a sample); ``unit`` empty if unnamed."""

    name: str
    samples: tuple[str, ...]
    unit: str
    rows: tuple[tuple[int, str, tuple[str, ...]], ...]
    identifiers: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class _Column:
    """Where the parts of one sample stand; ``parts`` such as concentration, status, lod."""

    sample: str
    parts: Mapping[str, int]


def read_maf(
    sheet: Sheet,
    sample_of: Mapping[str, str],
    protocols: Sequence[str],
    warnings: list[str],
) -> Maf:
    """Read the values of the samples that the assay sheet names.

    A status other than VALID and SEMI_QUANT decides: below its limit, above the range (``>x``,
    which the check refuses), or unusable, which is missing. The name of the kit at the end of a
    name is cut off if it is one of ``protocols``.
    """
    name = sheet.column(NAME)
    if name is None:
        raise UnreadableFile(f"{sheet.name}: line 1: no column {NAME}; it is no metabolite file.")
    columns = _columns(sheet, sample_of)
    unit_column = sheet.column("unit")
    units = {cells[unit_column] for _, cells in sheet.rows} if unit_column is not None else {""}
    if len(units) > 1:
        raise UnreadableFile(
            f"{sheet.name}: several units, {listed(sorted(units))}; send one each."
        )
    statuses: Counter[str] = Counter()
    rows = []
    identifiers: dict[str, dict[str, str]] = {}
    first: dict[str, int] = {}
    for line, cells in sheet.rows:
        feature = _without_kit(cells[name], protocols)
        if not feature or first.setdefault(feature, line) != line:
            told = f"also in line {first[feature]}" if feature else "no name"
            raise UnreadableFile(
                f"{sheet.name}: line {line}: {NAME} {quoted(cells[name])}: {told}; name each."
            )
        values = tuple(_value(sheet, line, cells, column, statuses) for column in columns)
        rows.append((line, feature, values))
        identifiers[feature] = _identifiers(sheet, cells)
    _tell(sheet.name, statuses, warnings)
    unit = plain_unit(*units) if any(units) else ""
    return Maf(sheet.name, tuple(c.sample for c in columns), unit, tuple(rows), identifiers)


def _columns(sheet: Sheet, sample_of: Mapping[str, str]) -> list[_Column]:
    found: dict[str, dict[str, int]] = {}
    for j, header in enumerate(sheet.header):
        match = _PART.fullmatch(header)
        own, part = (match[1], match[2].casefold()) if match else (header, "concentration")
        if header in sample_of:
            own, part = header, "concentration"
        if own in sample_of:
            parts = found.setdefault(sample_of[own], {})
            if part in parts:
                raise UnreadableFile(
                    f"{sheet.name}: line 1: two columns hold the {part} of "
                    f"{quoted(sample_of[own])}; keep one."
                )
            parts[part] = j
    silent = [sample for sample in dict.fromkeys(sample_of.values()) if sample not in found]
    if silent or not found:
        raise UnreadableFile(
            f"{sheet.name}: line 1: no column of values for {listed(silent) or 'any sample'}; "
            "name the columns by sample, assay or raw data file."
        )
    for sample, parts in found.items():
        if "concentration" not in parts:
            raise UnreadableFile(f"{sheet.name}: line 1: no concentration of {quoted(sample)}.")
    return [_Column(sample, parts) for sample, parts in found.items()]


def _without_kit(feature: str, protocols: Sequence[str]) -> str:
    for protocol in protocols:
        if feature.endswith(f"_{protocol}") and len(feature) > len(protocol) + 1:
            return feature[: -len(protocol) - 1]
    return feature


def _value(
    sheet: Sheet, line: int, cells: Sequence[str], column: _Column, statuses: Counter[str]
) -> str:
    text = cells[column.parts["concentration"]]
    if "status" not in column.parts:
        return text
    status = cells[column.parts["status"]].upper()
    statuses[status] += 1
    if status in _MEASURED:
        if not text:
            raise UnreadableFile(
                f"{sheet.name}: line {line}: {quoted(column.sample)} is {status} without a value."
            )
        return text
    if status in _BELOW:
        part, word = _BELOW[status]
        limit = cells[column.parts[part]] if part in column.parts else ""
        return f"<{limit}" if re.fullmatch(NUMBER, limit) else word
    if status == _ABOVE:
        return f">{text}"
    if status in _UNUSABLE or not (status or text):
        return ""
    raise UnreadableFile(
        f"{sheet.name}: line {line}: {quoted(column.sample)} has the status {quoted(status)}, "
        "which is not known; write VALID, SMALLER_LOD, SMALLER_LLOQ, ... or empty the value."
    )


def _identifiers(sheet: Sheet, cells: Sequence[str]) -> dict[str, str]:
    found = {
        header: cells[j]
        for header in ("chemical_formula", "smiles", "inchi")
        if (j := sheet.column(header)) is not None and cells[j]
    }
    j = sheet.column("database_identifier")
    if j is not None and cells[j]:
        prefix = re.match(r"[A-Za-z]+", cells[j])
        kind = _ACCESSIONS.get(prefix[0].casefold(), "database") if prefix else "database"
        found[kind] = cells[j]
    return found


def _tell(name: str, statuses: Counter[str], warnings: list[str]) -> None:
    for status, meaning in (
        ("SEMI_QUANT", "semi-quantitative: kept as measured"),
        ("SMALLER_LLOQ", "below quantification: taken as below detection"),
        (_ABOVE, "above the range: each is refused"),
    ):
        if statuses[status]:
            warnings.append(f"{name}: {statuses[status]} values are {meaning} ({status}).")
    unusable = sum(statuses[status] for status in _UNUSABLE)
    if unusable:
        told = listed(sorted(status for status in _UNUSABLE if statuses[status]))
        warnings.append(f"{name}: {unusable} values are unusable, so missing ({told}).")
