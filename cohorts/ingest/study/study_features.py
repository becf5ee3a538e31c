"""Which columns of a study's assay tables are one feature: by HMDB identifier, never by guess."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cohorts.ingest.facts import normalise
from cohorts.ingest.reading import Table
from cohorts.ingest.report import Findings
from cohorts.ingest.study.description import FeaturesEntry, SiteEntry

_HMDB = re.compile(r"HMDB(\d{7}|\d{5})", re.IGNORECASE)
LONGEST_NAME = 200


@dataclass(frozen=True)
class KnownFeatures:
    """What the dictionary has: names by HMDB, every name and alias, and the sites' own aliases."""

    by_hmdb: Mapping[str, str] = field(default_factory=dict)
    names: frozenset[str] = frozenset()  # normalised
    aliases: Mapping[tuple[str, str], str] = field(default_factory=dict)  # (site, normalised)


@dataclass(frozen=True)
class Identity:
    """A column of a site's tables: the feature that it is. ``name`` "" is found by its column."""

    name: str
    hmdb: str
    source_name: str
    unit: str


@dataclass(frozen=True)
class _Row:
    number: int
    sites: tuple[str, ...]
    column: str
    hmdb: str
    source_name: str
    unit: str


def identify(
    table: Table,
    entry: FeaturesEntry,
    sites: Sequence[SiteEntry],
    known: KnownFeatures,
    findings: Findings,
) -> dict[tuple[str, str], Identity]:
    """(site, column) -> identity.

    Columns of different sites with the same HMDB identifier are one feature: the dictionary's
    where it has that identifier, else named as the first row names it. Without a column of
    identifiers equal names are one feature. An identifier that stands for two columns of one site
    joins neither of them.
    """
    rows = _read(table, entry, sites, findings)
    if "hmdb" in entry.columns:
        doubled = _ambiguous(rows, entry, findings)
        # An identifier that joins nothing here must not join something in a later study.
        rows = [
            replace(row, hmdb="") if any((site, row.hmdb) in doubled for site in row.sites) else row
            for row in rows
        ]
        names = _named_by_hmdb(rows, known)
    else:
        names = {row: row.source_name if "source_name" in entry.columns else "" for row in rows}
    found: dict[tuple[str, str], Identity] = {}
    for row in rows:
        for site in row.sites:
            name = known.aliases.get((site, normalise(row.column)), names[row])
            found[site, row.column] = Identity(name, row.hmdb, row.source_name, row.unit)
    return found


def _read(
    table: Table, entry: FeaturesEntry, sites: Sequence[SiteEntry], findings: Findings
) -> list[_Row]:
    frame = table.frame
    for name, header in entry.columns.items():
        if header not in frame.columns:
            findings.fault(
                None,
                header,
                "missing_column",
                f"the table has no such column, which `{name}` is read from; correct [features].",
            )
    if not set(entry.columns.values()) <= set(frame.columns):
        return []
    cells = {name: frame[header].tolist() for name, header in entry.columns.items()}
    empty = [""] * len(frame)
    rows = []
    for number, column, hmdb, where, source, unit in zip(
        frame.index.tolist(),
        *(cells.get(name, empty) for name in ("name", "hmdb", "site_where", "source_name", "unit")),
        strict=True,
    ):
        meant = _sites_of(where, entry, sites)
        if column and meant:
            rows.append(
                _Row(number, meant, column, _hmdb(hmdb), (source or column)[:LONGEST_NAME], unit)
            )
    _warn_invalid(table, entry, findings)
    _fault_twice(rows, entry, findings)
    return rows


def _sites_of(cell: str, entry: FeaturesEntry, sites: Sequence[SiteEntry]) -> tuple[str, ...]:
    """The sites that a row of the features table speaks of; all where it does not say."""
    key = entry.columns.get("site_where")
    if key is None:
        return tuple(site.code for site in sites)
    return tuple(
        site.code
        for site in sites
        if cell == site.code
        or cell in (site.where[key] if key in site.where else sum(site.where.values(), ()))
    )


def _hmdb(cell: str) -> str:
    """The identifier with seven digits (older sources write five), "" if it is none."""
    match = _HMDB.fullmatch(cell)
    return f"HMDB{int(match[1]):07d}" if match else ""


def _warn_invalid(table: Table, entry: FeaturesEntry, findings: Findings) -> None:
    if "hmdb" not in entry.columns:
        return
    header = entry.columns["hmdb"]
    bad = [cell for cell in table.frame[header].tolist() if cell and not _HMDB.fullmatch(cell)]
    if bad:
        findings.warn(
            None,
            header,
            "not_hmdb",
            f"{len(bad)} cells are not HMDB identifiers and join nothing: {', '.join(bad)}.",
        )


def _fault_twice(rows: Iterable[_Row], entry: FeaturesEntry, findings: Findings) -> None:
    first: dict[tuple[str, str], int] = {}
    for row in rows:
        for site in row.sites:
            if (site, row.column) in first:
                findings.fault(
                    row.number,
                    entry.columns["name"],
                    "duplicate_feature",
                    f'"{row.column}" of {site} is also in row {first[site, row.column]}; keep one.',
                )
            first.setdefault((site, row.column), row.number)


def _ambiguous(
    rows: Sequence[_Row], entry: FeaturesEntry, findings: Findings
) -> set[tuple[str, str]]:
    """(site, HMDB) where the identifier stands for more than one column of the site."""
    columns: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for site in row.sites:
            if row.hmdb:
                columns.setdefault((site, row.hmdb), []).append(row.source_name)
    doubled = {key: names for key, names in columns.items() if len(names) > 1}
    for (site, hmdb), names in doubled.items():
        findings.warn(
            None,
            entry.columns["hmdb"],
            "ambiguous_hmdb",
            f"{hmdb} stands for {len(names)} features of {site} ({', '.join(names)}): "
            "none of them is joined with other sites.",
        )
    return set(doubled)


def _named_by_hmdb(rows: Sequence[_Row], known: KnownFeatures) -> dict[_Row, str]:
    taken = set(known.names)
    by_hmdb: dict[str, str] = dict(known.by_hmdb)
    alone: list[_Row] = []
    names: dict[_Row, str] = {}
    for row in rows:
        if not row.hmdb:
            alone.append(row)
            continue
        if row.hmdb not in by_hmdb:
            by_hmdb[row.hmdb] = _free(row.source_name, [row.hmdb, row.column], taken)
        names[row] = by_hmdb[row.hmdb]
    # Two sites may write one name for two things: then each name says whose it is.
    wanted = Counter(normalise(row.source_name) for row in alone)
    taken |= {name for name, n in wanted.items() if n > 1}
    for row in alone:
        names[row] = _free(row.source_name, ["+".join(row.sites), row.column], taken)
    return names


def _free(name: str, marks: Sequence[str], taken: set[str]) -> str:
    """The name, or the name with the first mark that makes it nobody else's."""
    short = name[: LONGEST_NAME - 80]
    for candidate in (name, *(f"{short} ({mark})" for mark in marks)):
        if normalise(candidate) not in taken:
            taken.add(normalise(candidate))
            return candidate
    numbered = next(
        text for n in range(2, 10_000) if normalise(text := f"{short} ({n})") not in taken
    )
    taken.add(normalise(numbered))
    return numbered
