"""The tables of a study import: what is checked against what, and where it goes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from django.utils import timezone

from cohorts.ingest import assays, participants, samples
from cohorts.ingest.facts import ParticipantFacts, SampleFacts, SiteFacts
from cohorts.ingest.report import Fault, Report
from cohorts.ingest.study.description import StudyDescription
from cohorts.ingest.study.study_assays import AssayTable, SiteTable
from cohorts.ingest.study.study_features import Identity
from cohorts.ingest.study.study_tables import SplitStudy
from cohorts.models import Erasure, Site, Upload, User
from cohorts.services import biobank, enrolment
from cohorts.services.batches import assays as assay_store
from cohorts.services.studies import study_features
from cohorts.services.tables import books, files, sent_tables

Checked = participants.CheckedParticipants | samples.CheckedSamples | assays.CheckedAssays


@dataclass(frozen=True)
class TableOutcome:
    """One site's part of one file. ``is_new`` False: it was on the books already."""

    site: str
    kind: str
    file: str
    is_new: bool
    n_rows: int
    summary: Mapping[str, int]


@dataclass(frozen=True)
class CheckedTable:
    """A file's rows of one site after their check; ``upload`` None is on the books already."""

    site: str
    kind: str
    file: str
    upload: Upload | None
    checked: tuple[tuple[Checked, SiteTable], ...] = ()

    @property
    def columns(self) -> list[assays.AssayColumn]:
        return [
            column
            for result, _ in self.checked
            if isinstance(result, assays.CheckedAssays)
            for batch in result.batches
            for column in batch.features
        ]

    @property
    def reports(self) -> list[Report]:
        """The reports with the file's own headers in place of the standard names."""
        return [_in_own_words(result.report, table.headers) for result, table in self.checked]

    @property
    def outcome(self) -> TableOutcome:
        if self.upload is None:
            return TableOutcome(self.site, self.kind, self.file, False, 0, {})
        said = _together(self.reports)
        return TableOutcome(self.site, self.kind, self.file, True, said.n_rows, said.summary)


@dataclass(frozen=True)
class StudyWork:
    """One import: what is checked against what, and where it goes."""

    description: StudyDescription
    contents: Mapping[str, bytes]
    parts: SplitStudy
    sites: Mapping[str, Site]
    identities: Mapping[tuple[str, str], Identity]
    by: User | None

    def check_all(self) -> list[CheckedTable]:
        found = []
        for code, site in self.sites.items():
            facts = study_features.knowing(books.facts_of(site), self.identities)
            people = [part for part in self.parts.participants if part.site == code]
            drawn = [part for part in self.parts.samples if part.site == code]
            found += [self._check("participants", [part], facts) for part in people]
            # Later tables are checked against what this import brings, whatever else is wrong.
            facts = _expecting_people(facts, people)
            found += [self._check("samples", [part], facts) for part in drawn]
            facts = _expecting_samples(facts, drawn)
            by_file: dict[str, list[SiteTable]] = {}
            for table in self.parts.assays:
                if table.site == code:
                    by_file.setdefault(table.file, []).append(table)
            found += [self._check("assays", tables, facts) for tables in by_file.values()]
        return found

    def _check(self, kind: str, tables: Sequence[SiteTable], facts: SiteFacts) -> CheckedTable:
        site, file = tables[0].site, tables[0].file
        upload, refusal = self._upload(kind, site, file)
        if refusal:
            report = Report(kind, 0, (Fault(None, None, "other_description", refusal),))
            result = samples.CheckedSamples((), report)
            return CheckedTable(site, kind, file, upload, ((result, tables[0]),))
        if upload is None:
            return CheckedTable(site, kind, file, None)
        checked = tuple(self._checked(kind, table, facts) for table in tables)
        return CheckedTable(site, kind, file, upload, checked)

    def _checked(self, kind: str, part: SiteTable, facts: SiteFacts) -> tuple[Checked, SiteTable]:
        if isinstance(part, AssayTable):
            named = study_features.with_units(part, self.identities)
            return assays.check(named.table, facts, _options(part)), named
        if kind == "participants":
            options = participants.ParticipantOptions(variables=self.parts.variables)
            return participants.check(part.table, facts, options), part
        return samples.check(part.table, facts), part

    def _upload(self, kind: str, site: str, file: str) -> tuple[Upload | None, str]:
        """The upload to fill, None where it is filled already; or why it cannot be."""
        sha256 = hashlib.sha256(self.contents[file]).hexdigest()
        upload = Upload.objects.filter(site=self.sites[site], kind=kind, sha256=sha256).first()
        described = {"described_by": self._digest(kind, site, file)}
        if upload is None:
            upload = Upload(site=self.sites[site], kind=kind, sha256=sha256)
            if Erasure.objects.filter(site=self.sites[site]).that_rewrote(sha256).exists():
                return upload, sent_tables.REWRITTEN
        elif upload.status == Upload.Status.ACCEPTED:
            if upload.options.get("described_by") == described["described_by"]:
                return None, ""
            return upload, (
                f"{kind} of {site} were taken from this very file under another description; "
                "restore that study.toml, or send the file as a new one."
            )
        upload.filename = Path(file).name[:255]
        upload.n_bytes = len(self.contents[file])
        upload.options = described | self._said_of(kind, site, file)
        upload.options["read"] = self._read_by(kind, site, file)
        upload.sent_by = self.by
        return upload, ""

    def _said_of(self, kind: str, site: str, file: str) -> dict[str, Any]:
        if kind != "assays":
            return {}
        entries = [t.entry for t in self.parts.assays if t.site == site and t.file == file]
        keys = ("platform", "matrix", "unit", "scale", "zero_means")
        said = [{key: getattr(entry, key) for key in keys} for entry in entries]
        return said[0] if len(said) == 1 else {**said[0], "tables": said}

    def _read_by(self, kind: str, site: str, file: str) -> dict[str, Any]:
        """Where a person's rows are found in the file again: by which columns, which rows."""
        study = self.description
        place = next(entry.where for entry in study.sites if entry.code == site)
        columns: dict[str, set[str]] = {"participant": set(), "sample": set()}
        if kind == "assays":
            columns["sample"] = {
                t.entry.sample for t in self.parts.assays if (t.site, t.file) == (site, file)
            }
        else:
            named = (study.participants if kind == "participants" else study.samples).columns
            columns = {name: {named[name]} if name in named else set() for name in columns}
        return {
            "where": {header: list(cells) for header, cells in place.items()},
            "columns": {name: sorted(headers) for name, headers in columns.items()},
        }

    def _digest(self, kind: str, site: str, file: str) -> str:
        """Of all that study.toml says about this file's rows of this site."""
        study = self.description
        about: list[Any] = [next(asdict(entry) for entry in study.sites if entry.code == site)]
        about.append(asdict(study.participants))
        if kind == "participants":
            about += [asdict(study.consent) if study.consent else None, self.parts.variables]
        else:
            about.append(asdict(study.samples))
        if kind == "assays":
            about += [
                asdict(t.entry) for t in self.parts.assays if (t.site, t.file) == (site, file)
            ]
            if study.features:
                named = hashlib.sha256(self.contents[study.features.file]).hexdigest()
                about += [asdict(study.features), named]
        text = json.dumps(about, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def store(self, entry: CheckedTable) -> None:
        """Write one file's rows of a site: the file first, since a row without it cannot exist."""
        upload = entry.upload
        if upload is None:
            return
        files.hold_for_naming()
        files.store(self.contents[entry.file])
        upload.status = Upload.Status.ACCEPTED
        upload.accepted_at = timezone.now()
        upload.report = _together(entry.reports).as_dict()
        upload.save()
        for result, table in entry.checked:
            self._store_rows(self.sites[entry.site], upload, result, table)

    def _store_rows(self, site: Site, upload: Upload, result: Checked, table: SiteTable) -> None:
        if isinstance(result, participants.CheckedParticipants):
            basis = self.description.consent.basis if self.description.consent else ""
            enrolment.enrol(site, result.rows, by=self.by, basis=basis)
        elif isinstance(result, samples.CheckedSamples):
            biobank.register_samples(site, result.rows)
        elif isinstance(table, AssayTable):
            for batch in result.batches:
                named = [
                    study_features.as_source(column, site, self.identities)
                    for column in batch.features
                ]
                batch = replace(batch, features=tuple(named))
                assay_store.store_batch(site, upload, batch, _options(table))


def _in_own_words(report: Report, headers: Mapping[str, str]) -> Report:
    def own(faults: Sequence[Fault]) -> tuple[Fault, ...]:
        return tuple(
            replace(fault, column=headers.get(fault.column or "", fault.column)) for fault in faults
        )

    return replace(report, faults=own(report.faults), warnings=own(report.warnings))


def _together(reports: Sequence[Report]) -> Report:
    """One report on the several readings of a file."""
    summary: dict[str, int] = {}
    for report in reports:
        for name, n in report.summary.items():
            summary[name] = summary.get(name, 0) + n
    return Report(
        kind=reports[0].kind,
        n_rows=sum(report.n_rows for report in reports),
        faults=tuple(fault for report in reports for fault in report.faults),
        warnings=tuple(said for report in reports for said in report.warnings),
        summary=summary,
    )


def _expecting_people(facts: SiteFacts, tables: Sequence[SiteTable]) -> SiteFacts:
    """The books as they will be with the people of these tables."""
    coming = {
        code: ParticipantFacts(code, frozenset(scopes.split(";")) - {""})
        for table in tables
        for code, scopes in _columns(table, "participant", "consent_scopes")
        if code not in facts.participants
    }
    return replace(facts, participants={**facts.participants, **coming})


def _expecting_samples(facts: SiteFacts, tables: Sequence[SiteTable]) -> SiteFacts:
    coming = {
        code: SampleFacts(code, person, "")
        for table in tables
        for code, person in _columns(table, "sample", "participant")
        if code not in facts.samples
    }
    return replace(facts, samples={**facts.samples, **coming})


def _columns(table: SiteTable, one: str, other: str) -> list[tuple[str, str]]:
    frame = table.table.frame
    if one not in frame:
        return []
    others = frame[other] if other in frame else [""] * len(frame)
    return list(zip(frame[one], others, strict=True))


def _options(part: AssayTable) -> assays.AssayOptions:
    entry = part.entry
    said = {key: getattr(entry, key) for key in sent_tables.ASSAY_OPTIONS if getattr(entry, key)}
    columns = {"sample": entry.sample, **entry.columns}
    return sent_tables.assay_options(said, columns)
