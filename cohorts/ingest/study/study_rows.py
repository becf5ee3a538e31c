"""Rows of a study's own tables: under standard names, and whose site each is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from cohorts.ingest.nearest import nearest
from cohorts.ingest.people import MOST_SUGGESTIONS
from cohorts.ingest.reading import Table
from cohorts.ingest.report import Findings
from cohorts.ingest.study.description import SiteEntry, TableEntry


def renamed(
    table: Table, entry: TableEntry, known: Sequence[str], findings: Findings
) -> tuple[pd.DataFrame, dict[str, str]]:
    """The mapped columns under their standard names, defaults for those that the file lacks."""
    columns: dict[str, pd.Series] = {}
    headers: dict[str, str] = {}
    _fault_unknown(entry, known, findings)
    for name, header in entry.columns.items():
        if header in table.frame:
            columns[name], headers[name] = table.frame[header], header
        else:
            findings.fault(
                None,
                header,
                "missing_column",
                f"the table has no such column, which {name} is read from"
                f"{nearest(header, table.columns)}; correct `columns`.",
            )
    for name, value in entry.defaults.items():
        if name not in columns:
            columns[name] = pd.Series(value, index=table.frame.index, dtype="str")
    return pd.DataFrame(columns, index=table.frame.index), headers


def _fault_unknown(entry: TableEntry, known: Sequence[str], findings: Findings) -> None:
    for key, names in (("columns", entry.columns), ("defaults", entry.defaults)):
        for name in names:
            if name not in known:
                findings.fault(
                    None,
                    name,
                    "unknown_mapping",
                    f"`{key}` names a column that such tables do not have"
                    f"{nearest(name, known)}; correct it.",
                )


def by_where(table: Table, sites: Sequence[SiteEntry], *, only: str = "") -> pd.Series | None:
    """The site of each row ("" for none, "?" for two), None where the table lacks the columns."""
    whose = pd.Series("", index=table.frame.index, dtype="str")
    for site in sites:
        if not set(site.where) <= set(table.columns):
            return None
        if not site.where and only:
            return None
        mine = pd.Series(True, index=table.frame.index)
        for column, cells in site.where.items():
            mine &= table.frame[column].isin(list(cells))
        if not only or site.code == only:
            whose = whose.where(~mine, whose.where(whose == "", "?").where(whose != "", site.code))
    return whose


def by_code(
    codes: pd.Series, header: str, owner: Mapping[str, set[str]], findings: Findings
) -> pd.Series:
    """The site of each row by the code in it, with a fault where that is nobody's or two sites'."""
    whose = []
    for row, code in codes.items():
        sites = owner.get(str(code), set())
        if len(sites) != 1:
            near = nearest(str(code), owner) if findings.n_faults < MOST_SUGGESTIONS else ""
            why = (
                f"is a code of {' and '.join(sorted(sites))}; name the `site` of the table"
                if sites
                else f"belongs to no site{near}; correct the code, or take the row out"
            )
            findings.fault(int(str(row)), header, "no_site", f'"{code}" {why}.')
        whose.append(next(iter(sites)) if len(sites) == 1 else "")
    return pd.Series(whose, index=codes.index, dtype="str")


def owners(parts: Iterable[tuple[str, pd.Series]]) -> dict[str, set[str]]:
    owner: dict[str, set[str]] = {}
    for site, codes in parts:
        for code in codes:
            owner.setdefault(str(code), set()).add(site)
    return owner


def fault_no_where(table: Table, sites: Sequence[SiteEntry], file: str, findings: Findings) -> None:
    for column in dict.fromkeys(key for site in sites for key in site.where):
        if column not in table.columns:
            findings.fault(
                None,
                column,
                "missing_column",
                f"{file} has no such column, which `where` of the sites asks for"
                f"{nearest(column, table.columns)}; correct it.",
            )


def fault_unmatched(whose: pd.Series, sites: Sequence[SiteEntry], findings: Findings) -> None:
    columns = ", ".join(dict.fromkeys(key for site in sites for key in site.where))
    for row in whose.index[whose == ""]:
        findings.fault(
            int(row),
            columns or None,
            "no_site",
            "the row belongs to no [[site]]; add the site, or take the row out.",
        )
    for row in whose.index[whose == "?"]:
        findings.fault(
            int(row),
            columns or None,
            "no_site",
            "the row belongs to two [[site]]; part their `where`.",
        )


def where_words(site: SiteEntry) -> str:
    return ", ".join(f"{name} is {' or '.join(cells)}" for name, cells in site.where.items())


def with_defaults(frame: pd.DataFrame, defaults: Mapping[str, str]) -> pd.DataFrame:
    filled = frame.copy()
    for name, value in defaults.items():
        if name in filled:
            filled[name] = filled[name].where(filled[name] != "", value)
    return filled


def is_one_of(cells: pd.Series, codes: Sequence[str]) -> pd.Series:
    """Cells equal to a code, as text or as a number: 0 and 0.0 are one code."""
    numbers = pd.to_numeric(cells, errors="coerce")
    wanted = pd.to_numeric(pd.Series(list(codes), dtype="str"), errors="coerce").dropna()
    return cells.isin(list(codes)) | numbers.isin(wanted.tolist())
