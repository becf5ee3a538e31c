"""mzTab-M 2: small molecules of a batch, one file a unit [1]_.

A value below detection is null, as the format asks, and its limit stands in an optional column a
sample, ``opt_assay[n]_below_detection``.

References
----------
.. [1] Hoffmann et al. 2019, mzTab-M, doi:10.1021/acs.analchem.8b04310
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cohorts.ingest.formats.mztab_m import BELOW_DETECTION
from cohorts.ingest.units import spelled
from cohorts.language.sentences import say
from cohorts.outgoing.archive import zip_of_parts
from cohorts.outgoing.assay_records import (
    OutBatch,
    OutFeature,
    OutPart,
    Unwritable,
    refuse_letters,
)
from cohorts.outgoing.records import OutSite

# The Units of Measurement Ontology has these; any other unit is a parameter without a vocabulary.
_ONTOLOGY: Final = {
    "mol/L": "[UO, UO:0000062, molar, ]",
    "mmol/L": "[UO, UO:0000063, millimolar, ]",
    "umol/L": "[UO, UO:0000064, micromolar, ]",
    "nmol/L": "[UO, UO:0000065, nanomolar, ]",
    "pmol/L": "[UO, UO:0000066, picomolar, ]",
}
_COLUMNS: Final = (
    *("SML_ID", "SMF_ID_REFS", "database_identifier", "chemical_formula", "smiles", "inchi"),
    *("chemical_name", "uri", "theoretical_neutral_mass", "adduct_ions", "reliability"),
    *("best_id_confidence_measure", "best_id_confidence_value"),
)


def write(site: OutSite) -> bytes:
    """A zip of the files. Raises Unwritable for a batch that no mass spectrometer measured."""
    return zip_of_parts(site, "mztab", text)


def refuse(batch: OutBatch) -> None:
    """Raises Unwritable for a batch that was measured otherwise."""
    if batch.technology != "MS":
        raise Unwritable(
            say(
                "Batch %(batch)s was measured by %(platform)s; mzTab-M tells of mass spectrometry "
                "alone: export it as ISA-Tab.",
                batch=batch.key,
                platform=batch.platform,
            )
        )


def text(site: OutSite, part: OutPart) -> str:
    """One file. Raises Unwritable."""
    refuse(part.batch)
    refuse_letters(part, "\t\n\r|", "mzTab-M")
    metadata = [f"MTD\t{key}\t{value}" for key, value in _metadata(site, part)]
    return "\n".join([*metadata, "", *_molecules(part), ""])


def _metadata(site: OutSite, part: OutPart) -> Iterator[tuple[str, str]]:
    yield "mzTab-version", "2.0.0-M"
    yield "mzTab-ID", f"hikiproject-{site.site}-{part.name}"
    yield "title", f"{site.title}, {site.name}: batch {part.batch.key}"
    yield "software[1]", "[, , hikiproject, ]"
    yield "quantification_method", f"[, , {_parameter(part.batch.platform)}, ]"
    yield "cv[1]-label", "UO"
    yield "cv[1]-full_name", "Units of Measurement Ontology"
    yield "cv[1]-version", "2017-09-25"
    yield "cv[1]-uri", "http://purl.obolibrary.org/obo/uo.owl"
    for n, (name, prefix, uri) in enumerate(_DATABASES, start=1):
        yield f"database[{n}]", f"[, , {name}, ]"
        yield f"database[{n}]-prefix", prefix
        yield f"database[{n}]-version", "Unknown"
        yield f"database[{n}]-uri", uri
    yield from _assays(part)
    unit = _ONTOLOGY.get(spelled(part.unit), f"[, , {_parameter(part.unit)}, ]")
    yield "small_molecule-quantification_unit", unit
    yield "small_molecule-identification_reliability", "[, , identity in the dictionary, ]"
    yield "id_confidence_measure[1]", "[, , identity in the dictionary, ]"


_DATABASES: Final = (
    ("HMDB", "HMDB", "https://hmdb.ca/"),
    ("ChEBI", "CHEBI", "https://www.ebi.ac.uk/chebi/"),
)


def _assays(part: OutPart) -> Iterator[tuple[str, str]]:
    of_group: dict[str, list[str]] = {}
    for n, one in enumerate(part.batch.samples, start=1):
        yield f"sample[{n}]", one.sample
        whose = f"participant {one.participant}, {one.sex}" if one.participant else one.kind
        yield f"sample[{n}]-description", whose
        yield f"sample[{n}]-species[1]", "[NCBITaxon, NCBITaxon:9606, Homo sapiens, ]"
        yield f"sample[{n}]-tissue[1]", f"[, , {_parameter(part.batch.matrix)}, ]"
        # The platform keeps tables and no raw data; the format wants a place for them all the same.
        yield f"ms_run[{n}]-location", "null"
        yield f"assay[{n}]", one.sample
        yield f"assay[{n}]-sample_ref", f"sample[{n}]"
        yield f"assay[{n}]-ms_run_ref", f"ms_run[{n}]"
        if one.injection_order is not None:
            yield f"assay[{n}]-custom[1]", f"[, , injection order, {one.injection_order}]"
        of_group.setdefault(one.group or one.kind, []).append(f"assay[{n}]")
    for n, (group, assays) in enumerate(of_group.items(), start=1):
        yield f"study_variable[{n}]", group
        yield f"study_variable[{n}]-description", f"group {group}"
        yield f"study_variable[{n}]-assay_refs", "|".join(assays)


def _molecules(part: OutPart) -> Iterator[str]:
    numbers = range(1, len(part.batch.samples) + 1)
    groups = range(1, len({one.group or one.kind for one in part.batch.samples}) + 1)
    yield "\t".join(
        ["SMH", *_COLUMNS]
        + [f"abundance_assay[{n}]" for n in numbers]
        + [f"abundance_{kind}study_variable[{g}]" for kind in ("", "variation_") for g in groups]
        + [f"opt_assay[{n}]_{BELOW_DETECTION}" for n in numbers]
    )
    for place, feature in enumerate(part.features):
        cells = [part.cell(row, place) for row in range(len(numbers))]
        below = [cell if cell.startswith("<") else "null" for cell in cells]
        shown = ["null" if cell.startswith("<") else cell or "null" for cell in cells]
        identity = [str(place + 1), "null", _accession(feature), "null", "null", "null",
                    feature.name, *["null"] * 6]  # fmt: skip
        yield "\t".join(["SML", *identity, *shown, *["null"] * (2 * len(groups)), *below])


def _accession(feature: OutFeature) -> str:
    if feature.hmdb:
        return f"HMDB:{feature.hmdb}"
    return f"CHEBI:{feature.chebi.removeprefix('CHEBI:')}" if feature.chebi else "null"


def _parameter(text: str) -> str:
    """A parameter separates by commas, so a text with one is quoted."""
    return f'"{text}"' if "," in text else text
