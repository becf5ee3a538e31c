"""study.toml -> a checked description of how a cohort's own tables map onto the study's.

Pure: text in, description and faults out. Every key is asked for by name, so a misspelt one is a
fault and not a setting that quietly does nothing.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from cohorts.ingest.facts import SCOPES
from cohorts.ingest.report import Fault
from cohorts.ingest.study.study_sections import Section

STUDY_FILE = "study.toml"
SCALES = ("raw", "log2", "ln", "log10", "standardised")
ZERO_MEANS = ("zero", "below_lod", "missing")
FEATURE_COLUMNS = ("name", "hmdb", "site_where", "source_name", "unit")
_SITE_CODE = re.compile(r"[A-Z][A-Z0-9_-]{1,11}")
_COUNTRY = re.compile(r"[A-Z]{2}")
LONGEST_CODE = 50


@dataclass(frozen=True)
class StudyFault:
    """A fault and the file that it stands in."""

    file: str
    fault: Fault

    def __str__(self) -> str:
        return f"{self.file}: {self.fault}"

    def as_dict(self) -> dict[str, object]:
        return {"file": self.file, **self.fault.as_dict(), "text": str(self)}


@dataclass(frozen=True)
class ConsentEntry:
    """What everybody in the tables has agreed to, and why that may be said of them."""

    scopes: tuple[str, ...]
    signed_on: date
    basis: str


@dataclass(frozen=True)
class SiteEntry:
    """``where``: column -> the cells that mark a row as this site's; empty means every row."""

    code: str
    name: str
    country: str
    time_zone: str
    where: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class TableEntry:
    """``columns``: standard name -> the file's own; ``values``: standard name -> cell -> meaning.

    ``defaults`` stand where the file has no such column or its cell is empty.
    """

    file: str
    columns: Mapping[str, str]
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AssayEntry:
    """One table of values. ``site`` "" means that each row's sample says whose it is.

    ``features``: the columns to take, all but ``leave_out`` if empty. ``missing``: feature column
    -> cells that stand for "not measured".
    """

    file: str
    site: str
    sample: str
    platform: str
    matrix: str
    unit: str
    scale: str
    zero_means: str
    columns: Mapping[str, str]
    missing: Mapping[str, tuple[str, ...]]
    features: tuple[str, ...]
    leave_out: tuple[str, ...]


@dataclass(frozen=True)
class FeaturesEntry:
    file: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class StudyDescription:
    """All of study.toml. ``plan`` holds the settings of an analysis plan, None if there is none."""

    code: str
    title: str
    consent: ConsentEntry | None
    sites: tuple[SiteEntry, ...]
    participants: TableEntry
    samples: TableEntry
    assays: tuple[AssayEntry, ...]
    features: FeaturesEntry | None
    plan_name: str
    plan: Mapping[str, Any] | None

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that is named, each once."""
        named = [self.participants.file, self.samples.file, *(table.file for table in self.assays)]
        return tuple(dict.fromkeys([*named, *([self.features.file] if self.features else [])]))


class UnusableStudy(ValueError):
    """study.toml cannot be followed; ``faults`` say each reason."""

    def __init__(self, faults: tuple[StudyFault, ...]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


def parse_study(content: bytes) -> StudyDescription:
    """The description that ``content`` holds. Raises UnusableStudy with every fault at once."""
    try:
        data = tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _unusable(f"byte {error.start} is not UTF-8; save the file as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise _unusable(f"not TOML: {error}.") from error
    said: list[str] = []
    description = _study(Section("", data, said))
    if said:
        raise _unusable(*said)
    return description


def _unusable(*messages: str) -> UnusableStudy:
    return UnusableStudy(
        tuple(StudyFault(STUDY_FILE, Fault(None, None, "study_file", text)) for text in messages)
    )


def slug_of(title: str) -> str:
    """The title in small letters, digits and hyphens: the study's code."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.casefold()).strip("-")[:LONGEST_CODE].strip("-")


def _study(top: Section) -> StudyDescription:
    title = top.text("title", required=True)
    platform = top.text("platform", required=True)
    material = top.text("material", required=True)
    code = slug_of(top.text("code", default=title))
    if title and not code:
        top.say("the title gives no code; add `code` in Latin letters.")
    consent = top.section("consent")
    sites = tuple(_site(section) for section in top.sections("site"))
    plan = top.table("plan")
    description = StudyDescription(
        code=code,
        title=title,
        consent=_consent(consent) if consent else None,
        sites=sites,
        participants=_table(top.section("participants", required=True)),
        samples=_table(top.section("samples", required=True), {"material": material}),
        assays=tuple(_assay(section, platform, material) for section in top.sections("assays")),
        features=_features(top.section("features")),
        plan_name=slug_of(str(plan.pop("name", code))) if plan is not None else "",
        plan=plan,
    )
    top.close()
    _check_sites(description, top)
    return description


def _check_sites(description: StudyDescription, top: Section) -> None:
    codes = [site.code for site in description.sites]
    if not codes:
        top.say("no [[site]] is described; add one with its code, name, country and where.")
    for code in sorted({code for code in codes if codes.count(code) > 1}):
        top.say(f"two [[site]] have the code {code}; give each its own.")
    for site in description.sites:
        if not site.where and len(codes) > 1:
            top.say(
                f"[[site]] {site.code} has no `where`; say which rows are its, "
                'such as where = { cohort = "yachida" }.'
            )
    for number, assay in enumerate(description.assays, start=1):
        if assay.site and assay.site not in codes:
            top.say(f"[[assays]] {number} is of site {assay.site}, which no [[site]] describes.")


def _consent(section: Section) -> ConsentEntry | None:
    scopes = section.texts("scopes", required=True)
    signed_on = section.day("signed_on", required=True)
    basis = section.text("basis", required=True)
    section.close()
    for scope in scopes:
        section.one_of("scopes", scope, SCOPES)
    return ConsentEntry(scopes, signed_on, basis) if signed_on else None


def _site(section: Section) -> SiteEntry:
    code = section.text("code", required=True)
    if code and not _SITE_CODE.fullmatch(code):
        section.say(f'code "{code}" is not 2 to 12 capitals or digits, such as FUK.')
    country = section.text("country")
    if country and not _COUNTRY.fullmatch(country):
        section.say(f'country "{country}" is not two capitals, such as JP.')
    entry = SiteEntry(
        code=code,
        name=section.text("name", default=code),
        country=country,
        time_zone=section.text("time_zone", default="UTC"),
        where=section.lists("where"),
    )
    section.close()
    return entry


def _table(section: Section | None, defaults: Mapping[str, str] | None = None) -> TableEntry:
    if section is None:
        return TableEntry("", {})
    entry = TableEntry(
        file=section.file("file"),
        columns=section.mapping("columns"),
        values=section.mappings("values"),
        defaults={**(defaults or {}), **section.mapping("defaults")},
    )
    if not entry.columns:
        section.say('`columns` is missing; map them, such as columns = { participant = "id" }.')
    for name in entry.values:
        if name not in entry.columns:
            section.say(f"`values` reads {name}, which `columns` does not name; add it there.")
    section.close()
    return entry


def _assay(section: Section, platform: str, material: str) -> AssayEntry:
    entry = AssayEntry(
        file=section.file("file"),
        site=section.text("site"),
        sample=section.text("sample", default="sample"),
        platform=section.text("platform", default=platform),
        matrix=section.text("matrix", default=material),
        unit=section.text("unit"),
        scale=section.one_of("scale", section.text("scale", default="raw"), SCALES),
        zero_means=section.one_of(
            "zero_means", section.text("zero_means", default="zero"), ZERO_MEANS
        ),
        columns=section.mapping("columns"),
        missing=section.lists("missing"),
        features=section.texts("features"),
        leave_out=section.texts("leave_out"),
    )
    section.close()
    if entry.features and entry.leave_out:
        section.say("`features` and `leave_out` are both given; keep one.")
    return entry


def _features(section: Section | None) -> FeaturesEntry | None:
    if section is None:
        return None
    entry = FeaturesEntry(section.file("file"), section.mapping("columns"))
    for name in entry.columns:
        section.one_of("columns", name, FEATURE_COLUMNS)
    if "name" not in entry.columns:
        section.say("`columns` lacks `name`: the column that holds the headers of the tables.")
    section.close()
    return entry
