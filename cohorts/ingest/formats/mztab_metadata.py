"""The metadata section of mzTab-M: what must be there, and what must point at what."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from cohorts.ingest.cells import quoted
from cohorts.ingest.formats.assay_file import LONGEST_LISTED
from cohorts.ingest.reading import UnreadableFile

_REQUIRED = {
    "mzTab-version": "the version, 2.x.y-M",
    "mzTab-ID": "the identifier of the file",
    "software[1]": "the program that gave the values",
    "quantification_method": "how the values were measured",
    "ms_run[1]-location": "where the raw data are",
    "assay[1]": "the assays",
    "study_variable[1]": "the groups of assays",
    "cv[1]-label": "the vocabularies",
    "database[1]": "the databases of the identifiers",
    "small_molecule-quantification_unit": "the unit of the values",
}
_KEYS = frozenset(
    {"mzTab-version", "mzTab-ID", "title", "description", "sample_processing", "instrument"}
    | {"software", "publication", "contact", "uri", "external_study_uri", "sample", "ms_run"}
    | {"quantification_method", "assay", "study_variable", "custom", "cv", "database"}
    | {"derivatization_agent", "small_molecule", "small_molecule_feature", "colunit"}
    | {"id_confidence_measure"}
)
_STEM = re.compile(r"(mzTab-(?:version|ID)|[A-Za-z_]+)(\[[1-9][0-9]*\])?(?:-.+)?")
_INDEXED = re.compile(r"(assay|study_variable)\[[1-9][0-9]*\]")
_VERSION = re.compile(r"2\.[0-9]+\.[0-9]+-M")
_REFERENCE = re.compile(r"(?:assay|sample|ms_run|instrument)\[[1-9][0-9]*\]")

Entries = Mapping[str, tuple[int, str]]


@dataclass(frozen=True)
class Metadata:
    """Checked metadata: ``entries`` key -> (line, value); ``assays`` those declared."""

    entries: Entries
    assays: frozenset[str]
    study_variables: Mapping[str, tuple[str, ...]]

    def text(self, key: str) -> str:
        return self.entries.get(key, (0, ""))[1]

    def parameter(self, key: str) -> str:
        """The name in a ``[vocabulary, accession, name, value]``, or the plain text."""
        text = self.text(key)
        return _cells_of(text)[2] if _is_parameter(text) else text

    def customs(self, owner: str) -> Iterator[tuple[str, str]]:
        """Name and value of its custom parameters."""
        for text in self._customs.get(owner, ()):
            yield _cells_of(text)[2], _cells_of(text)[3]

    @cached_property
    def _customs(self) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {}
        for key, (_, text) in self.entries.items():
            owner, custom, _ = key.partition("-custom[")
            if custom and _is_parameter(text):
                found.setdefault(owner, []).append(text)
        return found

    def sample_of(self, assay: str) -> str:
        return self.text(f"{assay}-sample_ref")

    def location_of(self, assay: str) -> str:
        run = re.split(r"[|,]", self.text(f"{assay}-ms_run_ref"))[0].strip()
        return self.text(f"{run}-location")

    @property
    def quantification_unit(self) -> str:
        return self.parameter("small_molecule-quantification_unit")


def _is_parameter(text: str) -> bool:
    return text.startswith("[") and text.endswith("]")


def _cells_of(parameter: str) -> list[str]:
    """Vocabulary, accession, name and value; empty where the parameter has none of them."""
    try:
        cells = next(csv.reader([parameter[1:-1]], skipinitialspace=True), [])
    except csv.Error:
        cells = []
    return [cell.strip() for cell in (*cells, "", "", "", "")][:4]


def check_metadata(entries: Entries, name: str) -> Metadata:
    """Metadata that are complete and consistent.

    Raises UnreadableFile naming every key that is missing, misspelt or points nowhere.
    """
    version = entries.get("mzTab-version")
    if version and not _VERSION.fullmatch(version[1]):
        raise UnreadableFile(
            f"{name}: line {version[0]}: mzTab-version is {quoted(version[1])}; "
            "only mzTab-M 2 is read, so export as that or as CSV."
        )
    problems = [*_missing(entries), *_misspelt(entries), *_dangling(entries)]
    if problems:
        more = len(problems) - LONGEST_LISTED
        told = "; ".join(problems[:LONGEST_LISTED]) + (f"; and {more} more" if more > 0 else "")
        raise UnreadableFile(f"{name}: {told}. Complete the metadata section (MTD).")
    assays = frozenset(_indices(entries, "assay"))
    variables = {
        variable: tuple(_references(entries.get(f"{variable}-assay_refs", (0, ""))[1]))
        for variable in _indices(entries, "study_variable")
    }
    return Metadata(entries, assays, variables)


def _indices(entries: Entries, kind: str) -> list[str]:
    found = (match[0] for key in entries if (match := _INDEXED.match(key)) and match[1] == kind)
    return list(dict.fromkeys(found))


def _misspelt(entries: Entries) -> Iterator[str]:
    for key, (line, _) in entries.items():
        match = _STEM.fullmatch(key)
        stem = match[1] if match else key
        if stem not in _KEYS:
            near = [known for known in _KEYS if known.casefold() == stem.casefold()]
            meant = f"; write {near[0]}" if near else ""
            yield f"line {line}: {quoted(key)} is no key of mzTab-M{meant}"


def _missing(entries: Entries) -> Iterator[str]:
    for key, what in _REQUIRED.items():
        there = key in entries or any(other.startswith(f"{key}-") for other in entries)
        if not there:
            yield f"the required {key} ({what}) is missing"


def _dangling(entries: Entries) -> Iterator[str]:
    declared = {key.partition("-")[0] for key in entries}
    for key, (line, value) in entries.items():
        if not key.endswith(("_ref", "_refs")):
            continue
        for reference in _references(value):
            if reference not in declared or not _REFERENCE.fullmatch(reference):
                yield f"line {line}: {key} names {quoted(reference)}, which is not declared"


def _references(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"[|,]", text) if part.strip()]
