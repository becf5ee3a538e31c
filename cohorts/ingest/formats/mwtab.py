"""mwTab, the format of the Metabolomics Workbench, as text or JSON -> a long assay table [1]_.

A key that comes twice among the additional data of a sample is read with a warning, since
nothing of these data reaches the assay table; anything else that comes twice is refused.

References
----------
.. [1] mwTab file format specification 1.5, Metabolomics Workbench
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cohorts.ingest.formats.assay_file import (
    AssayFile,
    LongRows,
    NamedFeature,
    listed,
    plain_unit,
)
from cohorts.ingest.formats.mwtab_json import read_json
from cohorts.ingest.formats.mwtab_parts import Parts
from cohorts.ingest.formats.mwtab_text import FIRST_LINE, read_lines
from cohorts.ingest.reading import read_text, refuse_size

_IDENTIFIERS = {
    "pubchem_id": "pubchem",
    "pubchem": "pubchem",
    "pubchem_cid": "pubchem",
    "inchi_key": "inchikey",
    "inchikey": "inchikey",
    "kegg_id": "kegg",
    "kegg": "kegg",
    "hmdb_id": "hmdb",
    "hmdb": "hmdb",
    "chebi_id": "chebi",
    "chebi": "chebi",
    "refmet": "refmet",
    "refmet_name": "refmet",
}


def recognises(head: str) -> bool:
    """Whether a file that begins so is mwTab; ``head`` is its first 20,000 letters or so."""
    start = head.lstrip()
    return start.startswith(FIRST_LINE) or (
        start.startswith("{") and '"METABOLOMICS WORKBENCH"' in head
    )


def read(content: bytes, *, filename: str = "") -> AssayFile:
    """Read one analysis; rows of the table are lines (text) or places in ``Data`` (JSON).

    Raises
    ------
    UnreadableFile
        The file is malformed, cut short or holds no values; the message names line and section.
    """
    name = filename or "The file"
    refuse_size(content, name)
    text, encoding = read_text(content, name)
    as_json = text.lstrip().startswith("{")
    parts = read_json(text, name) if as_json else read_lines(text, name)
    warnings = [*parts.warnings, *_doubts(parts)]
    unit = plain_unit(parts.unit)
    if unit != parts.unit and unit == "relative":
        warnings.append(f'The unit "{parts.unit}" is a signal: taken as relative, never converted.')
    if not parts.unit:
        warnings.append(f"Section {parts.section} names no UNITS; give the unit with the file.")
    rows = LongRows(name)
    for line, feature, values in parts.rows:
        rows.extend(line, feature, parts.header, values, unit=unit if parts.unit else "")
    return AssayFile(
        "mwTab JSON" if as_json else "mwTab",
        rows.table(encoding, parts.samples, warnings),
        tuple(
            _feature(feature, parts.metabolites.get(feature, {})) for _, feature, _ in parts.rows
        ),
        tuple(parts.samples),
    )


def _feature(name: str, columns: Mapping[str, str]) -> NamedFeature:
    identifiers = {
        _IDENTIFIERS[column.strip().casefold().replace(" ", "_")]: text
        for column, text in columns.items()
        if text not in ("", "-") and column.strip().casefold().replace(" ", "_") in _IDENTIFIERS
    }
    return NamedFeature(name, identifiers)


def _doubts(parts: Parts) -> Iterator[str]:
    declared = {sample.sample for sample in parts.samples}
    measured = set(parts.header)
    unknown = [sample for sample in parts.header if sample not in declared]
    if unknown:
        yield (
            f"{len(unknown)} samples have values but no line in SUBJECT_SAMPLE_FACTORS: "
            f"{listed(unknown)}."
        )
    empty = [sample for sample in sorted(declared) if sample not in measured]
    if empty:
        yield f"{len(empty)} samples of SUBJECT_SAMPLE_FACTORS have no values: {listed(empty)}."
    if parts.metabolites:
        bare = [feature for _, feature, _ in parts.rows if feature not in parts.metabolites]
        if bare:
            yield (
                "Features without a line in METABOLITES, so without identifiers "
                f"({len(bare)}): {listed(bare)}."
            )
