"""The assays table: measured values, wide (a column a feature) or long (a row a value)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cohorts.ingest.assay_tables.assay_batches import CheckedBatch, into_batches
from cohorts.ingest.assay_tables.assay_features import AssayColumn, resolve_columns, split_unit
from cohorts.ingest.assay_tables.assay_heads import AssayRowHead, read_heads
from cohorts.ingest.assay_tables.assay_long import read_long
from cohorts.ingest.assay_tables.assay_options import AssayOptions, Layout, mapping_of
from cohorts.ingest.assay_tables.values import (
    BELOW_LOD,
    MEASURED,
    MISSING,
    ValueRules,
    flagged,
    parse_series,
    warn_of_words,
)
from cohorts.ingest.cells import quoted
from cohorts.ingest.columns import ASSAYS_LONG, ASSAYS_WIDE, heading, match_columns, refuse_personal
from cohorts.ingest.facts import SiteFacts
from cohorts.ingest.nearest import nearest
from cohorts.ingest.reading import Table
from cohorts.ingest.remarks import COLUMN as REMARKS
from cohorts.ingest.report import Findings, Report
from cohorts.language.sentences import say

__all__ = [
    "AssayColumn",
    "AssayOptions",
    "AssayRowHead",
    "CheckedAssays",
    "CheckedBatch",
    "check",
]


@dataclass(frozen=True)
class CheckedAssays:
    """``batches`` is empty unless ``report.ok``; one batch ``""`` where the table names none."""

    batches: tuple[CheckedBatch, ...]
    report: Report


def check(table: Table, facts: SiteFacts, options: AssayOptions) -> CheckedAssays:
    """Check an assay table; each faulty cell is reported."""
    findings = Findings()
    rules = ValueRules(findings, options.scale, options.zero_means)
    layout = options.layout or detect_layout(table.columns, options.columns)
    read = read_long if layout == "long" else _read_wide
    batches = read(table, facts, options, rules)
    warn_of_words(rules)
    _warn_new_platform(options.platform, facts, findings)
    for odd in table.warnings:
        findings.warn(None, None, "format", odd)
    report = findings.report("assays", table.n_rows, _summary(batches))
    return CheckedAssays(batches if report.ok else (), report)


def detect_layout(headers: list[str], columns: Mapping[str, str] | None = None) -> Layout:
    """Long when the header has both ``feature`` and ``value``, by the site's own names or these."""
    own = {name: heading(header) for name, header in (columns or {}).items()}
    sent = {heading(header) for header in headers}
    is_there = [bool({name, own.get(name, name)} & sent) for name in ("feature", "value")]
    return "long" if all(is_there) else "wide"


def text_names(options: AssayOptions) -> Callable[[str], str]:
    """The standard name of a header whose column is read as text, "" of one of values."""
    names = (*ASSAYS_WIDE.names, *ASSAYS_LONG.names, REMARKS)
    known = {heading(name): name for name in names}
    known |= {heading(header): name for name, header in mapping_of(options).items()}
    return lambda header: known.get(heading(header), "")


def tells_no_fault(table: Table, options: AssayOptions) -> bool:
    """Whether the numbers of a table need not be told as they were sent."""
    negative = table.numbers is not None and bool((table.numbers.values < 0).any())
    return not (negative and ValueRules(Findings(), options.scale).refuses_negative)


def _read_wide(
    table: Table, facts: SiteFacts, options: AssayOptions, rules: ValueRules
) -> tuple[CheckedBatch, ...]:
    findings = rules.findings
    # A mapping saved for long tables names columns that a wide one does not have.
    mapping = {k: v for k, v in mapping_of(options).items() if k in ASSAYS_WIDE.names}
    own = {heading(name) for name in (*ASSAYS_WIDE.names, *mapping.values())}
    fixed = [header for header in table.columns if heading(header) in own]
    matched = match_columns(fixed, ASSAYS_WIDE, findings, mapping=mapping)
    sources = [header for header in table.columns if header not in fixed]
    refuse_personal(sources, findings, features=facts.features)
    if not sources:
        findings.fault(
            None, None, "no_features", say("no column holds measurements; add a column a feature.")
        )
    if "sample" not in matched:
        return ()
    heads = read_heads(table, matched, facts, findings)
    if not sources:
        return ()
    values, flags = _cells(table, sources, rules)
    named = [split_unit(header, facts.features) for header in sources]
    features = resolve_columns(named, sources, facts.features, options, findings)
    return into_batches(heads.batches, heads.rows, features, values, flags)


def _cells(
    table: Table, sources: list[str], rules: ValueRules
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    if table.numbers is not None and table.numbers.names == tuple(sources):
        return flagged(table.numbers.values, rules)
    rows = table.frame.index.tolist()
    parsed = [parse_series(table.frame[header], rows, header, rules) for header in sources]
    return (
        np.column_stack([values for values, _ in parsed]),
        np.column_stack([flags for _, flags in parsed]),
    )


def _warn_new_platform(platform: str, facts: SiteFacts, findings: Findings) -> None:
    """A slip in the name would start a batch of its own, beside the one that was meant."""
    if not facts.platforms or platform in facts.platforms:
        return
    findings.warn(
        None,
        None,
        "new_platform",
        say(
            "%(site)s has not measured with %(platform)s before%(near)s, only with %(known)s; "
            "accept it if that is new, else correct the platform.",
            site=facts.site,
            platform=quoted(platform),
            near=nearest(platform, facts.platforms),
            known=", ".join(sorted(facts.platforms)[:20]),
        ),
    )


def _summary(batches: tuple[CheckedBatch, ...]) -> dict[str, int]:
    heads = [head for batch in batches for head in batch.rows]
    counts = {"batches": len(batches), "rows": len(heads)}
    for kind in ("study", "qc", "blank"):
        counts[f"{kind}_rows"] = sum(head.sample_type == kind for head in heads)
    columns = batches[0].features if batches else ()
    counts["features"] = len(columns)
    counts["new_features"] = sum(column.feature is None for column in columns)
    for name, flag in (("measured", MEASURED), ("below_lod", BELOW_LOD), ("missing", MISSING)):
        counts[name] = sum(int(np.count_nonzero(batch.flags == flag)) for batch in batches)
    return counts
