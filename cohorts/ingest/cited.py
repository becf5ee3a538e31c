"""What a report says of a row, with whose row it is and the cell as it was sent.

A row's number alone makes a person search; with its code and value they know at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cohorts.ingest.columns import PERSONAL_DATA, heading, is_personal
from cohorts.ingest.reading import Table
from cohorts.ingest.report import Fault, Report

LONGEST = 80
_RECORD = {"assays": "sample", "samples": "sample"}
"""The column that says whose row it is; of the other kinds it is the participant."""


@dataclass(frozen=True)
class _Rows:
    """Cells by row and header; ``record`` and ``feature`` are the headers that name a row."""

    table: Table
    record: str
    feature: str

    def cell(self, row: int, header: str | None) -> str | None:
        """None where there is no such cell, or where it may hold what names a person."""
        if not header or header not in self.table.frame.columns or is_personal(header):
            return None
        text = str(self.table.frame.at[row, header])
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def cited(report: Report, table: Table, mapping: Mapping[str, str]) -> Report:
    """The report with the cells that it speaks of; none where a column is of personal data.

    ``mapping`` is standard column -> the site's own.
    """
    told = (*report.faults, *report.warnings)
    is_personal_table = any(fault.code == PERSONAL_DATA for fault in told)
    if is_personal_table or not table.frame.index.is_unique:
        return report
    record = _header(table, _RECORD.get(report.kind, "participant"), mapping)
    rows = _Rows(table, record, _header(table, "feature", mapping))
    return replace(
        report,
        faults=tuple(_with_cell(fault, rows) for fault in report.faults),
        warnings=tuple(_with_cell(fault, rows) for fault in report.warnings),
    )


def _with_cell(fault: Fault, rows: _Rows) -> Fault:
    if fault.row is None or fault.row not in rows.table.frame.index:
        return fault
    return replace(
        fault,
        record=rows.cell(fault.row, rows.record),
        feature=rows.cell(fault.row, rows.feature),
        value=rows.cell(fault.row, fault.column),
    )


def _header(table: Table, name: str, mapping: Mapping[str, str]) -> str:
    """The header under which a table has a standard column, "" where it has none."""
    own = mapping.get(name)
    if own in table.frame.columns:
        return str(own)
    return next((each for each in table.columns if heading(each) == heading(name)), "")
