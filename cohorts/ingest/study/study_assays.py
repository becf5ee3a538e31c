"""A study's assay tables -> one table a site, with the columns that the description takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from cohorts.ingest.columns import ASSAYS_LONG, ASSAYS_WIDE, heading
from cohorts.ingest.nearest import nearest
from cohorts.ingest.reading import Table
from cohorts.ingest.report import Findings
from cohorts.ingest.study.description import AssayEntry, StudyDescription
from cohorts.ingest.study.study_rows import by_code, by_where, fault_unmatched, is_one_of


@dataclass(frozen=True)
class SiteTable:
    """The rows of one site in one file; ``headers``: column of ``table`` -> the file's own."""

    site: str
    file: str
    table: Table
    headers: Mapping[str, str]


@dataclass(frozen=True)
class AssayTable(SiteTable):
    entry: AssayEntry


@dataclass
class Notebook:
    """What was found, by file."""

    by_file: dict[str, Findings] = field(default_factory=dict)

    def of(self, file: str) -> Findings:
        return self.by_file.setdefault(file, Findings())


def assay_tables(
    study: StudyDescription,
    entry: AssayEntry,
    table: Table,
    owner: Mapping[str, set[str]],
    gone: set[tuple[str, str]],
    notes: Notebook,
) -> list[AssayTable]:
    findings = notes.of(entry.file)
    frame = _chosen_columns(study, entry, table, findings)
    if entry.sample not in frame:
        findings.fault(
            None,
            entry.sample,
            "missing_column",
            "the table has no such column; name the one that holds the sample in `sample`.",
        )
        return []
    whose = _whose(study, entry, table, owner, findings)
    parts = []
    for site in study.sites:
        mine = frame[whose == site.code]
        out = pd.Series(
            [(site.code, sample) in gone for sample in mine[entry.sample]],
            index=mine.index,
            dtype=bool,
        )
        if len(mine[~out]):
            parts.append(
                AssayTable(site.code, entry.file, Table(mine[~out]), {}, entry),
            )
    if entry.site and not parts:
        findings.fault(
            None,
            None,
            "site_without_rows",
            f"no row is of a participant of site {entry.site}; correct `site` or `sample`.",
        )
    return parts


def _whose(
    study: StudyDescription,
    entry: AssayEntry,
    table: Table,
    owner: Mapping[str, set[str]],
    findings: Findings,
) -> pd.Series:
    """The site of each row: by the sites' own `where`, else by the row's sample."""
    samples = table.frame[entry.sample]
    whose = by_where(table, study.sites, only=entry.site)
    if whose is None and entry.site:
        return _of_one_site(samples, entry.site, owner)
    if whose is None:
        return by_code(samples, entry.sample, owner, findings)
    if not entry.site:
        fault_unmatched(whose, study.sites, findings)
    return whose


def _of_one_site(samples: pd.Series, site: str, owner: Mapping[str, set[str]]) -> pd.Series:
    """The site at its own rows and at unknown samples, "" at those of the study's other sites.

    Unknown ones stay for the check to name: they may be quality controls or slips.
    """
    return pd.Series(
        [site if site in owner.get(str(sample), {site}) else "" for sample in samples],
        index=samples.index,
        dtype="str",
    )


def _chosen_columns(
    study: StudyDescription, entry: AssayEntry, table: Table, findings: Findings
) -> pd.DataFrame:
    """The columns that the entry takes, its missing cells empty."""
    for key in ("features", "leave_out", "missing", "columns"):
        named = getattr(entry, key)
        for header in named.values() if key == "columns" else named:
            if header not in table.columns:
                findings.fault(
                    None,
                    header,
                    "missing_column",
                    f"`{key}` names a column that the table does not have"
                    f"{nearest(header, table.columns)}; correct it.",
                )
    places = {key for site in study.sites for key in site.where}
    fixed = {heading(name) for spec in (ASSAYS_WIDE, ASSAYS_LONG) for name in spec.names}
    own = {entry.sample, *entry.columns.values()}
    keep = [
        header
        for header in table.columns
        if header in own
        or (
            header not in places
            and header not in entry.leave_out
            and (not entry.features or header in entry.features or heading(header) in fixed)
        )
    ]
    return _emptied(table.frame[keep].copy(), entry, findings)


def _emptied(frame: pd.DataFrame, entry: AssayEntry, findings: Findings) -> pd.DataFrame:
    """The cells that stand for missing emptied, and counted by column."""
    for header, codes in entry.missing.items():
        if header not in frame:
            continue
        stands_for = is_one_of(frame[header], codes)
        frame[header] = frame[header].where(~stands_for, "")
        if stands_for.any():
            findings.warn(
                None,
                header,
                "missing_code",
                f"{int(stands_for.sum())} cells are {' or '.join(codes)}, taken as missing.",
            )
    return frame
