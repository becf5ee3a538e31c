"""The investigation of an ISA-Tab: every section that the specification names, in its order."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Final

from cohorts.outgoing.assay_records import OutBatch
from cohorts.outgoing.records import OutSite

# Technology -> its word in the investigation, its protocol, and the column that names a run.
TECHNOLOGY: Final = {
    "MS": ("mass spectrometry", "Mass spectrometry", "MS Assay Name"),
    "NMR": ("NMR spectroscopy", "NMR spectroscopy", "Assay Name"),
    "": ("", "Measurement", "Assay Name"),
}
_TERM: Final = ("", " Term Accession Number", " Term Source REF")
_PERSON: Final = ("Last Name", "First Name", "Mid Initials", "Email", "Phone", "Fax", "Address")
_PERSON_END: Final = ("Affiliation", *(f"Roles{end}" for end in _TERM))
_PUBLICATION: Final = ("PubMed ID", "DOI", "Author List", "Title", *(f"Status{e}" for e in _TERM))

Line = tuple[str, ...]


def investigation(site: OutSite, batch: OutBatch, parts: Sequence[str]) -> str:
    """The text of ``i_*.txt``; ``parts`` are the stems of its assay files."""
    lines: list[Line] = [*_ontologies(), *_frame(site), *_study(site, batch),
                         *_factors(), *_assays(batch, parts), *_protocols(batch)]  # fmt: skip
    lines.append(("STUDY CONTACTS",))
    lines += [(f"Study Person {field}", "") for field in (*_PERSON, *_PERSON_END)]
    out = io.StringIO(newline="")
    csv.writer(out, delimiter="\t", lineterminator="\n").writerows(lines)
    return out.getvalue()


def _ontologies() -> Iterator[Line]:
    yield ("ONTOLOGY SOURCE REFERENCE",)
    yield ("Term Source Name", "NCBITAXON")
    yield ("Term Source File", "http://purl.obolibrary.org/obo/ncbitaxon.owl")
    yield ("Term Source Version", "")
    yield ("Term Source Description", "NCBI organismal classification")


def _frame(site: OutSite) -> Iterator[Line]:
    yield ("INVESTIGATION",)
    yield ("Investigation Identifier", f"hikiproject-{site.study}")
    yield ("Investigation Title", site.title)
    yield ("Investigation Description", "")
    yield ("Investigation Submission Date", "")
    yield ("Investigation Public Release Date", "")
    yield ("INVESTIGATION PUBLICATIONS",)
    for field in _PUBLICATION:
        between = "" if field == "PubMed ID" else "Publication "
        yield (f"Investigation {between}{field}", "")
    yield ("INVESTIGATION CONTACTS",)
    for field in (*_PERSON, *_PERSON_END):
        yield (f"Investigation Person {field}", "")


def _study(site: OutSite, batch: OutBatch) -> Iterator[Line]:
    yield ("STUDY",)
    yield ("Study Identifier", f"hikiproject-{site.study}-{site.site}-{batch.key}")
    yield ("Study Title", f"{site.title}, {site.name}")
    yield ("Study Description", f"Batch {batch.key} {batch.label}".strip())
    yield ("Study Submission Date", "")
    yield ("Study Public Release Date", "")
    yield ("Study File Name", f"s_batch-{batch.key}.txt")
    yield ("STUDY DESIGN DESCRIPTORS",)
    for end in _TERM:
        yield (f"Study Design Type{end}", "case-control design" if not end else "")
    yield ("STUDY PUBLICATIONS",)
    for field in _PUBLICATION:
        between = "" if field == "PubMed ID" else "Publication "
        yield (f"Study {between}{field}", "")


def _factors() -> Iterator[Line]:
    yield ("STUDY FACTORS",)
    yield ("Study Factor Name", "Group", "Sex", "Sample type")
    yield ("Study Factor Type", "study group", "biological sex", "sample type")
    yield ("Study Factor Type Term Accession Number", "", "", "")
    yield ("Study Factor Type Term Source REF", "", "", "")


def _assays(batch: OutBatch, parts: Sequence[str]) -> Iterator[Line]:
    technology = TECHNOLOGY[batch.technology][0] or batch.platform
    empty = ("",) * len(parts)
    yield ("STUDY ASSAYS",)
    yield ("Study Assay File Name", *(f"a_{part}.txt" for part in parts))
    for field, value in (
        ("Measurement Type", "metabolite profiling"),
        ("Technology Type", technology),
    ):
        yield (f"Study Assay {field}", *(value for _ in parts))
        yield (f"Study Assay {field} Term Accession Number", *empty)
        yield (f"Study Assay {field} Term Source REF", *empty)
    yield ("Study Assay Technology Platform", *(batch.platform for _ in parts))


def _protocols(batch: OutBatch) -> Iterator[Line]:
    names = ("Sample collection", "Extraction", TECHNOLOGY[batch.technology][1],
             "Data transformation")  # fmt: skip
    empty = ("",) * len(names)
    measured = "Instrument;Injection order" if batch.has_order else "Instrument"
    yield ("STUDY PROTOCOLS",)
    yield ("Study Protocol Name", *names)
    yield ("Study Protocol Type", *(name.casefold() for name in names))
    for field in ("Type Term Accession Number", "Type Term Source REF", "Description", "URI",
                  "Version"):  # fmt: skip
        yield (f"Study Protocol {field}", *empty)
    yield ("Study Protocol Parameters Name", "", "", measured, "")
    ends = ("", "", ";" if batch.has_order else "", "")
    for field in ("Term Accession Number", "Term Source REF"):
        yield (f"Study Protocol Parameters Name {field}", *ends)
    for field in ("Components Name", "Components Type", "Components Type Term Accession Number",
                  "Components Type Term Source REF"):  # fmt: skip
        yield (f"Study Protocol {field}", *empty)
