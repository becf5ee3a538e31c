"""mzTab-M 2 -> a long assay table of its small molecules [1]_.

References
----------
.. [1] Hoffmann et al. 2019, mzTab-M, doi:10.1021/acs.analchem.8b04310
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from cohorts.ingest.formats.assay_file import (
    AssayFile,
    DescribedSample,
    LongRows,
    NamedFeature,
    listed,
    plain_unit,
    tells_order,
)
from cohorts.ingest.formats.mztab_lines import read_sections
from cohorts.ingest.formats.mztab_metadata import Metadata, check_metadata
from cohorts.ingest.reading import UnreadableFile, read_text, refuse_size

_ABUNDANCE = re.compile(r"abundance_(assay\[[1-9][0-9]*\])")
_ACCESSION = re.compile(r"(HMDB|CHEBI|KEGG|LM|PUBCHEM-CPD)\s*:", re.IGNORECASE)
_KINDS = {"hmdb": "hmdb", "chebi": "chebi", "kegg": "kegg", "lm": "lipidmaps"}
_UNITS = {
    "molar": "mol/L",
    "millimolar": "mmol/L",
    "micromolar": "umol/L",
    "nanomolar": "nmol/L",
    "picomolar": "pmol/L",
}
# Our own files say in such a column of an assay what a null abundance is below.
BELOW_DETECTION = "below_detection"
_COPIED = {"inchi": "inchi", "smiles": "smiles", "chemical_formula": "formula"}


@dataclass(frozen=True)
class Molecule:
    """One row of the small molecule section; ``abundances`` one text an assay, "" is null."""

    line: int
    sml_id: str
    name: str
    identifiers: Mapping[str, str]
    abundances: tuple[str, ...]


@dataclass(frozen=True)
class MzTab:
    """A valid file. ``assays`` are those with abundances; ``molecules`` those with a name."""

    metadata: Metadata
    encoding: str
    assays: tuple[str, ...]
    molecules: tuple[Molecule, ...]
    n_unnamed: int
    n_features: int


def recognises(head: str) -> bool:
    """Whether a file that begins so is mzTab of any kind."""
    return bool(re.search(r'(?:^|\n)"?MTD\t', head))


def read(content: bytes, *, filename: str = "") -> AssayFile:
    """Read the abundances of the assays; rows of the table are lines of the file.

    Raises
    ------
    UnreadableFile
        The file breaks the format, or it has no annotated small molecule. The message names
        the line or the missing key.
    """
    name = filename or "The file"
    mztab = parse(content, filename=filename)
    if not mztab.molecules:
        raise UnreadableFile(
            f"{name} has no annotated small molecules: {mztab.n_unnamed} SML rows without name "
            f"or identifier, {mztab.n_features} unnamed SMF rows; annotate them, then export again."
        )
    warnings: list[str] = []
    labels = _sample_labels(mztab, warnings)
    unit = _unit(mztab.metadata, warnings)
    names = _distinct_names(mztab, warnings)
    if mztab.n_unnamed:
        warnings.append(f"{mztab.n_unnamed} small molecules without name or identifier: left out.")
    rows = LongRows(name)
    for molecule, feature in zip(mztab.molecules, names, strict=True):
        rows.extend(molecule.line, feature, labels, molecule.abundances, unit=unit)
    samples = tuple(
        _described(mztab.metadata, assay, label)
        for assay, label in zip(mztab.assays, labels, strict=True)
    )
    return AssayFile(
        "mzTab-M",
        rows.table(mztab.encoding, samples, warnings),
        tuple(
            NamedFeature(feature, molecule.identifiers)
            for feature, molecule in zip(names, mztab.molecules, strict=True)
        ),
        samples,
    )


def parse(content: bytes, *, filename: str = "") -> MzTab:
    """Read and check a file, which may lack small molecules. Raises UnreadableFile."""
    name = filename or "The file"
    refuse_size(content, name)
    text, encoding = read_text(content, name)
    sections = read_sections(text, name)
    metadata = check_metadata(sections.metadata, name)
    assays = tuple(match[1] for column in sections.smh if (match := _ABUNDANCE.fullmatch(column)))
    for assay in assays:
        if assay not in metadata.assays:
            raise UnreadableFile(
                f"{name}: line {sections.smh_line}: abundance_{assay}, but the metadata declare "
                f"no {assay}; add it or drop the column."
            )
    if sections.sml and not assays:
        raise UnreadableFile(
            f"{name}: line {sections.smh_line}: no abundance_assay column; export with abundances."
        )
    columns = [(f"abundance_{assay}", f"opt_{assay}_{BELOW_DETECTION}") for assay in assays]
    molecules = [_molecule(line, row, columns) for line, row in sections.sml]
    named = tuple(molecule for molecule in molecules if molecule.name)
    return MzTab(metadata, encoding, assays, named, len(molecules) - len(named), len(sections.smf))


def _molecule(line: int, row: Mapping[str, str], columns: list[tuple[str, str]]) -> Molecule:
    accession = row.get("database_identifier", "")
    return Molecule(
        line,
        row["SML_ID"],
        row.get("chemical_name", "") or accession,
        _identifiers(row, accession),
        tuple(row[abundance] or row.get(below, "") for abundance, below in columns),
    )


def _identifiers(row: Mapping[str, str], accession: str) -> dict[str, str]:
    found = {kind: row[column] for column, kind in _COPIED.items() if row.get(column)}
    if accession:
        known = _ACCESSION.match(accession)
        found[_KINDS.get(known[1].casefold(), "database") if known else "database"] = accession
    return found


def _sample_labels(mztab: MzTab, warnings: list[str]) -> list[str]:
    """The first kind of name that every assay has and no two share."""
    metadata = mztab.metadata
    kinds: tuple[tuple[str, Callable[[str], str]], ...] = (
        ("sample", lambda assay: metadata.text(metadata.sample_of(assay))),
        ("name", metadata.text),
        ("raw data file", lambda assay: _stem(metadata.location_of(assay))),
    )
    kind, labels = "number", list(mztab.assays)
    for of, named in kinds:
        names = [named(assay) for assay in mztab.assays]
        if all(names) and len(set(names)) == len(names):
            kind, labels = of, names
            break
    if kind != "sample":
        warnings.append(
            f"Samples are called by the {kind} of their assay: {listed(labels)}; "
            "not every assay has a named sample of its own."
        )
    return labels


def _stem(location: str) -> str:
    return PurePosixPath(location.replace("\\", "/")).stem


def _unit(metadata: Metadata, warnings: list[str]) -> str:
    sent = metadata.quantification_unit
    unit = _UNITS.get(sent.casefold(), plain_unit(sent))
    if unit == "relative":
        warnings.append(f'The unit "{sent}" is a signal: taken as relative, never converted.')
    return unit


def _distinct_names(mztab: MzTab, warnings: list[str]) -> list[str]:
    """Names as sent; isomers under one name are kept apart by their SML_ID."""
    times = Counter(molecule.name for molecule in mztab.molecules)
    shared = [name for name, n in times.items() if n > 1]
    if shared:
        warnings.append(
            f"{len(shared)} names stand for several molecules, kept apart by their SML_ID: "
            f"{listed(shared)}."
        )
    return [
        molecule.name if times[molecule.name] == 1 else f"{molecule.name} (SML {molecule.sml_id})"
        for molecule in mztab.molecules
    ]


def _described(metadata: Metadata, assay: str, label: str) -> DescribedSample:
    sample = metadata.sample_of(assay)
    tissue = metadata.parameter(f"{sample}-tissue[1]") if sample else ""
    variables = tuple(
        ("study_variable", metadata.text(variable) or variable)
        for variable, assays in metadata.study_variables.items()
        if assay in assays
    )
    orders = tuple(pair for pair in metadata.customs(assay) if tells_order(pair[0]))
    return DescribedSample(label, material=tissue, factors=(*variables, *orders))
