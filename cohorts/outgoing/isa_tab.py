"""ISA-Tab with metabolite assignment files, as MetaboLights takes it: a folder a batch [1]_.

The metabolite files are laid out as the Biocrates kits' are: of each sample the concentration, its
status (VALID, SMALLER_LOD, MISSING_MEASUREMENT, INVALID) and the limit.

References
----------
.. [1] ISA-Tab specification 1.0, doi:10.5281/zenodo.161355
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from cohorts.ingest.assay_tables.values import BELOW_LOD, MEASURED, MISSING
from cohorts.outgoing.archive import zipped
from cohorts.outgoing.assay_records import OutAssayed, OutBatch, OutFeature, OutPart, parts_of
from cohorts.outgoing.isa_investigation import TECHNOLOGY, investigation
from cohorts.outgoing.records import OutSite

_STATUS: Final = {MEASURED: "VALID", BELOW_LOD: "SMALLER_LOD", MISSING: "MISSING_MEASUREMENT"}
_MAF: Final = (
    *("database_identifier", "chemical_formula", "smiles", "inchi", "metabolite_identification"),
    *("mass_to_charge", "fragmentation", "modifications", "charge", "retention_time", "taxid"),
    *("species", "database", "database_version", "reliability", "uri", "unit"),
)


ORDER: Final = "Parameter Value[Injection order]"


def write(site: OutSite) -> bytes:
    """A zip: for each batch a folder with investigation, study, assays and metabolite files."""
    files: dict[str, str] = {}
    for batch in site.batches:
        parts = list(parts_of(batch))
        folder = f"batch-{batch.key}"
        files[f"{folder}/i_{folder}.txt"] = investigation(site, batch, [p.name for p in parts])
        files[f"{folder}/s_{folder}.txt"] = _study(batch)
        for part in parts:
            files[f"{folder}/a_{part.name}.txt"] = _assay(part)
            files[f"{folder}/m_{part.name}_maf.txt"] = _maf(part)
    return zipped(files)


def _sheet(rows: Iterable[Iterable[str]]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter="\t", lineterminator="\n").writerows(rows)
    return out.getvalue()


def _study(batch: OutBatch) -> str:
    head = ("Source Name", "Characteristics[Organism]", "Term Source REF", "Term Accession Number",
            "Characteristics[Organism part]", "Protocol REF", "Sample Name",
            "Factor Value[Group]", "Factor Value[Sex]", "Factor Value[Sample type]")  # fmt: skip
    human = ("Homo sapiens", "NCBITAXON", "http://purl.obolibrary.org/obo/NCBITaxon_9606")
    # A pool or a blank is its own source.
    rows = [(one.participant or one.sample, *human, batch.matrix, "Sample collection", one.sample,
             one.group, one.sex, one.kind) for one in batch.samples]  # fmt: skip
    return _sheet([head, *rows])


def _assay(part: OutPart) -> str:
    batch = part.batch
    _, measuring, assay_name = TECHNOLOGY[batch.technology]
    order = [ORDER] if batch.has_order else []
    head = ("Sample Name", "Protocol REF", "Extract Name", "Protocol REF",
            "Parameter Value[Instrument]", *order, "Date", assay_name, "Protocol REF",
            "Data Transformation Name", "Metabolite Assignment File")  # fmt: skip
    day = batch.run_date.isoformat() if batch.run_date else ""
    rows = [(one.sample, "Extraction", one.sample, measuring, batch.platform,
             *_order(one, batch), day, one.sample,
             "Data transformation", part.name, f"m_{part.name}_maf.txt")
            for one in batch.samples]  # fmt: skip
    return _sheet([head, *rows])


def _order(one: OutAssayed, batch: OutBatch) -> list[str]:
    if not batch.has_order:
        return []
    return ["" if one.injection_order is None else str(one.injection_order)]


def _maf(part: OutPart) -> str:
    head = [f"{one.sample}[{kind}]" for one in part.batch.samples for kind in _KINDS]
    rows = (
        [*_identity(feature, part.unit), *_triples(part, place)]
        for place, feature in enumerate(part.features)
    )
    return _sheet([[*_MAF, *head], *rows])


_KINDS: Final = ("concentration", "status", "lod")


def _identity(feature: OutFeature, unit: str) -> list[str]:
    chebi = f"CHEBI:{feature.chebi.removeprefix('CHEBI:')}" if feature.chebi else ""
    known = {
        "database_identifier": feature.hmdb or chebi,
        "metabolite_identification": feature.name,
        "taxid": "9606",
        "species": "Homo sapiens",
        "database": "HMDB" if feature.hmdb else "ChEBI" if chebi else "",
        "unit": unit,
    }
    return [known.get(column, "") for column in _MAF]


def _triples(part: OutPart, place: int) -> Iterator[str]:
    """Concentration, status and limit of each sample; below its limit a value is no value."""
    column = part.at[place]
    for value, flag in zip(part.batch.values[:, column], part.batch.flags[:, column], strict=True):
        known = "" if np.isnan(value) else repr(float(value))
        yield known if flag == MEASURED else ""
        yield _STATUS.get(int(flag), "INVALID")
        yield known if flag == BELOW_LOD else ""
