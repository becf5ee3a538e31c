"""mwTab 1, the format of the Metabolomics Workbench: one file a batch and unit [1]_.

What the platform does not know, such as the chromatography, is a dash: the depositor fills it in,
and the Workbench gives the numbers of study and analysis.

References
----------
.. [1] mwTab file format specification 1.5, Metabolomics Workbench
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cohorts.language.sentences import say
from cohorts.outgoing.archive import zip_of_parts
from cohorts.outgoing.assay_records import (
    OutAssayed,
    OutBatch,
    OutPart,
    Unwritable,
    refuse_letters,
)
from cohorts.outgoing.records import OutSite

_IDENTIFIERS: Final = ("HMDB_ID", "ChEBI_ID", "inchi_key")


def write(site: OutSite) -> bytes:
    """A zip of the files. Raises Unwritable for a platform that mwTab has no section for."""
    return zip_of_parts(site, "mwtab.txt", text)


def refuse(batch: OutBatch) -> None:
    """Raises Unwritable for a batch that was measured otherwise."""
    if not batch.technology:
        raise Unwritable(
            say(
                "Batch %(batch)s was measured by %(platform)s; mwTab tells of mass spectrometry "
                "and NMR alone: export it as ISA-Tab.",
                batch=batch.key,
                platform=batch.platform,
            )
        )


def text(site: OutSite, part: OutPart) -> str:
    """One analysis. Raises Unwritable."""
    refuse(part.batch)
    refuse_letters(part, "\t\n\r", "mwTab")
    return "\n".join([*_head(site, part), *_values(part), *_metabolites(part), "#END", ""])


def _head(site: OutSite, part: OutPart) -> Iterator[str]:
    batch = part.batch
    yield "#METABOLOMICS WORKBENCH STUDY_ID:ST000000 ANALYSIS_ID:AN000000 PROJECT_ID:PR000000"
    yield "VERSION\t1"
    yield f"CREATED_ON\t{site.written_on.isoformat()}"
    yield from _section("PROJECT", "PR", PROJECT_TITLE=site.title, PROJECT_SUMMARY="-",
                        INSTITUTE=site.name, LAST_NAME="-", FIRST_NAME="-", ADDRESS="-",
                        EMAIL="-", PHONE="-")  # fmt: skip
    yield from _section("STUDY", "ST", STUDY_TITLE=f"{site.title}, {site.name}",
                        STUDY_SUMMARY=f"{site.site}, batch {batch.key} {batch.label}".strip(),
                        INSTITUTE=site.name, LAST_NAME="-", FIRST_NAME="-", ADDRESS="-",
                        EMAIL="-", PHONE="-")  # fmt: skip
    yield from _section("SUBJECT", "SU", SUBJECT_TYPE="Human", SUBJECT_SPECIES="Homo sapiens",
                        TAXONOMY_ID="9606")  # fmt: skip
    yield "#SUBJECT_SAMPLE_FACTORS:         \tSUBJECT(optional)[tab]SAMPLE[tab]FACTORS" \
          "(NAME:VALUE pairs separated by |)[tab]Additional sample data"  # fmt: skip
    for one in batch.samples:
        yield "\t".join(
            [
                *(f"{'SUBJECT_SAMPLE_FACTORS':<33}", one.participant or "-", one.sample),
                *(_factors(one, part.batch.has_controls), _additional(one)),
            ]
        )
    yield from _section("COLLECTION", "CO", COLLECTION_SUMMARY="-", SAMPLE_TYPE=batch.matrix)
    yield from _section("TREATMENT", "TR", TREATMENT_SUMMARY="-")
    yield from _section("SAMPLEPREP", "SP", SAMPLEPREP_SUMMARY="-")
    if batch.technology == "MS":
        yield from _section("CHROMATOGRAPHY", "CH", CHROMATOGRAPHY_TYPE="-", INSTRUMENT_NAME="-",
                            COLUMN_NAME="-")  # fmt: skip
    day = {"ACQUISITION_DATE": batch.run_date.isoformat()} if batch.run_date else {}
    yield from _section("ANALYSIS", "AN", ANALYSIS_TYPE=batch.technology, **day)
    yield from _instrument(part)


def _instrument(part: OutPart) -> Iterator[str]:
    platform = part.batch.platform
    if part.batch.technology == "NMR":
        yield from _section("NM", "NM", INSTRUMENT_NAME=platform, INSTRUMENT_TYPE="-",
                            NMR_EXPERIMENT_TYPE="-", SPECTROMETER_FREQUENCY="-")  # fmt: skip
    else:
        yield from _section("MS", "MS", INSTRUMENT_NAME=platform, INSTRUMENT_TYPE="-",
                            MS_TYPE="-", ION_MODE="UNSPECIFIED")  # fmt: skip


def _section(name: str, short: str, **pairs: str) -> Iterator[str]:
    yield f"#{name}"
    for key, value in pairs.items():
        yield f"{short}:{key:<30}\t{' '.join(value.split()) or '-'}"


def _factors(one: OutAssayed, with_kind: bool) -> str:
    kind = f" | Sample_type:{one.kind}" if with_kind else ""
    return f"Group:{one.group or '-'} | Sex:{one.sex or '-'}{kind}"


def _additional(one: OutAssayed) -> str:
    return "" if one.injection_order is None else f"Injection_order={one.injection_order}"


def _values(part: OutPart) -> Iterator[str]:
    section = f"{part.batch.technology}_METABOLITE_DATA"
    samples = part.batch.samples
    yield f"#{section}"
    yield f"{section}:UNITS\t{part.unit}"
    yield f"{section}_START"
    yield "\t".join(["Samples", *(one.sample for one in samples)])
    yield "\t".join(["Factors", *(_factors(one, part.batch.has_controls) for one in samples)])
    for place, feature in enumerate(part.features):
        yield "\t".join([feature.name, *(part.cell(row, place) for row in range(len(samples)))])
    yield f"{section}_END"


def _metabolites(part: OutPart) -> Iterator[str]:
    yield "#METABOLITES"
    yield "METABOLITES_START"
    yield "\t".join(["metabolite_name", *_IDENTIFIERS])
    for one in part.features:
        yield "\t".join([one.name, one.hmdb, one.chebi, one.inchikey])
    yield "METABOLITES_END"
