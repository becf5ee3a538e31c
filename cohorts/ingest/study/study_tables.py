"""A study's own tables -> one table a site and kind, under the names that every check knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from cohorts.ingest.columns import (
    PARTICIPANTS,
    SAMPLES,
    refuse_personal,
)
from cohorts.ingest.reading import Table
from cohorts.ingest.study.description import StudyDescription, TableEntry
from cohorts.ingest.study.study_assays import AssayTable, Notebook, SiteTable, assay_tables
from cohorts.ingest.study.study_rows import (
    by_code,
    by_where,
    fault_no_where,
    fault_unmatched,
    owners,
    renamed,
    where_words,
    with_defaults,
)

_KNOWN_COVARIATES = frozenset({"sex", "age_years", "drug_free"})


@dataclass(frozen=True)
class LeftOut:
    """Rows that the description leaves out: whose, and the cell that is why."""

    site: str
    file: str
    column: str
    value: str
    codes: tuple[str, ...]

    def __str__(self) -> str:
        value = f'"{self.value}"' if self.value else "empty"
        listed = ", ".join(self.codes[:5]) + (", ..." if len(self.codes) > 5 else "")
        return (
            f"{self.site}: {len(self.codes)} rows of {self.file} are left out, "
            f"{self.column} is {value} ({listed})"
        )

    def as_dict(self) -> dict[str, object]:
        return {
            "site": self.site,
            "file": self.file,
            "column": self.column,
            "value": self.value,
            "n": len(self.codes),
            "participants": list(self.codes),
        }


@dataclass(frozen=True)
class SplitStudy:
    """Every table cut by site. ``variables``: further numeric columns of participants."""

    participants: tuple[SiteTable, ...]
    samples: tuple[SiteTable, ...]
    assays: tuple[AssayTable, ...]
    variables: tuple[str, ...]
    left_out: tuple[LeftOut, ...]


def split(study: StudyDescription, tables: Mapping[str, Table], notes: Notebook) -> SplitStudy:
    """Cut the tables by site; what does not fit the description becomes a fault in ``notes``."""
    variables = _variables(study, tables[study.participants.file])
    participants = _participants(study, tables[study.participants.file], variables, notes)
    kept, left_out = _choose(participants, study.participants, notes)
    gone = {(entry.site, code) for entry in left_out for code in entry.codes}
    everybody = _samples(study, tables[study.samples.file], participants, notes)
    samples, without = _choose(_without(everybody, gone), study.samples, notes)
    owner = owners((part.site, part.table.frame["sample"]) for part in everybody)
    gone_samples = _codes(everybody) - _codes(samples)
    assays = [
        part
        for entry in study.assays
        for part in assay_tables(study, entry, tables[entry.file], owner, gone_samples, notes)
    ]
    return SplitStudy(tuple(kept), tuple(samples), tuple(assays), variables, (*left_out, *without))


def _variables(study: StudyDescription, table: Table) -> tuple[str, ...]:
    """Further keys of `columns`, and the plan's covariates and outcome that are columns here."""
    plan = study.plan or {}
    covariates = plan.get("covariates", [])
    wanted = [*(covariates if isinstance(covariates, list) else []), plan.get("outcome", "")]
    named = [name for name in study.participants.columns if name not in PARTICIPANTS.names]
    more = [name for name in wanted if isinstance(name, str) and name in table.columns]
    return tuple(
        dict.fromkeys(
            name
            for name in [*named, *more]
            if name not in PARTICIPANTS.names and name not in _KNOWN_COVARIATES
        )
    )


def _participants(
    study: StudyDescription, table: Table, variables: Sequence[str], notes: Notebook
) -> list[SiteTable]:
    entry = study.participants
    findings = notes.of(entry.file)
    refuse_personal(table.columns, findings)
    named = _with_consent(study, variables)
    standard, headers = renamed(table, named, (*PARTICIPANTS.names, *variables), findings)
    whose = by_where(table, study.sites)
    if whose is None:
        fault_no_where(table, study.sites, entry.file, findings)
        return []
    fault_unmatched(whose, study.sites, findings)
    for site in study.sites:
        if site.code not in set(whose):
            findings.fault(
                None,
                None,
                "site_without_rows",
                f"no row belongs to site {site.code} ({where_words(site)}); correct its `where`.",
            )
    return _cut(study, entry.file, standard, headers, whose)


def _with_consent(study: StudyDescription, variables: Sequence[str]) -> TableEntry:
    """The participants' entry with the variables and the study's consent in it."""
    entry = study.participants
    defaults = dict(entry.defaults)
    if study.consent:
        defaults.setdefault("consent_signed_on", study.consent.signed_on.isoformat())
        defaults.setdefault("consent_scopes", ";".join(study.consent.scopes))
    columns = {**{name: name for name in variables}, **entry.columns}
    return replace(entry, columns=columns, defaults=defaults)


def _cut(
    study: StudyDescription,
    file: str,
    frame: pd.DataFrame,
    headers: Mapping[str, str],
    whose: pd.Series,
) -> list[SiteTable]:
    return [
        SiteTable(site.code, file, Table(frame[whose == site.code]), headers)
        for site in study.sites
        if (whose == site.code).any()
    ]


def _choose(
    parts: Iterable[SiteTable], entry: TableEntry, notes: Notebook
) -> tuple[list[SiteTable], list[LeftOut]]:
    """Translate cells as `values` says; rows with another value are left out and named."""
    kept: list[SiteTable] = []
    left_out: list[LeftOut] = []
    for part in parts:
        frame = part.table.frame.copy()
        codes = frame["participant"] if "participant" in frame else frame.index.astype(str)
        chosen = pd.Series(True, index=frame.index)
        for name, meanings in entry.values.items():
            if name not in frame:
                continue
            said = frame[name]
            default = entry.defaults.get(name)
            other = ~said.isin(list(meanings)) & ~((said == "") & (default is not None))
            for value in dict.fromkeys(said[other & chosen]):
                whose = tuple(codes[other & chosen & (said == value)])
                left_out.append(
                    LeftOut(part.site, part.file, part.headers.get(name, name), value, whose)
                )
            frame[name] = [meanings.get(cell, cell) for cell in said]
            chosen &= ~other
        frame = with_defaults(frame[chosen], entry.defaults)
        if frame.empty:
            notes.of(part.file).fault(
                None,
                None,
                "site_without_rows",
                f"`values` leaves out every row of site {part.site}; correct it.",
            )
        else:
            kept.append(replace(part, table=Table(frame)))
    return kept, left_out


def _samples(
    study: StudyDescription,
    table: Table,
    participants: Sequence[SiteTable],
    notes: Notebook,
) -> list[SiteTable]:
    """The samples of everybody, by site."""
    entry = study.samples
    findings = notes.of(entry.file)
    if entry.file != study.participants.file:
        refuse_personal(table.columns, findings)
    standard, headers = renamed(table, entry, SAMPLES.names, findings)
    for name in {"sample", "participant"} - entry.columns.keys():
        findings.fault(
            None, name, "missing_column", f"[samples] does not say which column is the {name}."
        )
    if not {"sample", "participant"} <= headers.keys():
        return []
    whose = by_where(table, study.sites)
    if whose is None:
        people = owners(
            (part.site, part.table.frame["participant"])
            for part in participants
            if "participant" in part.table.frame
        )
        whose = by_code(standard["participant"], headers["participant"], people, findings)
    return _cut(study, entry.file, standard, headers, whose)


def _without(parts: Iterable[SiteTable], gone: set[tuple[str, str]]) -> Iterator[SiteTable]:
    """The samples but for those of people who are left out."""
    for part in parts:
        frame = part.table.frame
        out = [(part.site, person) in gone for person in frame["participant"]]
        rest = frame[~pd.Series(out, index=frame.index)]
        if len(rest):
            yield replace(part, table=Table(rest))


def _codes(parts: Iterable[SiteTable]) -> set[tuple[str, str]]:
    return {(part.site, code) for part in parts for code in part.table.frame["sample"]}
