"""The assays table: measured values, wide (a column a feature) or long (a row a value)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cohorts.ingest.assay_features import AssayColumn, resolve_columns, split_unit
from cohorts.ingest.assay_heads import AssayRowHead, read_heads
from cohorts.ingest.columns import (
    ASSAYS_LONG,
    ASSAYS_WIDE,
    heading,
    match_columns,
    refuse_personal,
)
from cohorts.ingest.facts import SiteFacts
from cohorts.ingest.reading import Table
from cohorts.ingest.remarks import COLUMN as REMARKS
from cohorts.ingest.report import Fault, Findings, Report
from cohorts.ingest.values import (
    BELOW_LOD,
    MEASURED,
    MISSING,
    Scale,
    ValueRules,
    ZeroMeans,
    flagged,
    parse_series,
    warn_of_words,
)
from cohorts.language.sentences import say

__all__ = [
    "AssayColumn",
    "AssayOptions",
    "AssayRowHead",
    "CheckedAssays",
    "CheckedBatch",
    "check",
]

Layout = Literal["wide", "long"]


@dataclass(frozen=True)
class AssayOptions:
    """What the file does not say of itself.

    ``unit`` is that of features without one of their own; ``scale`` that of the values as sent
    (only ``raw`` has no negative values); ``zero_means`` what a 0 stands for; ``layout`` None
    is told from the header; ``columns``: standard name -> the site's own header, of which
    ``sample_column`` is the one for the sample code.
    """

    platform: str
    matrix: str
    unit: str | None = None
    scale: Scale = "raw"
    zero_means: ZeroMeans = "zero"
    layout: Layout | None = None
    sample_column: str = "sample"
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CheckedBatch:
    """One batch: ``values`` and ``flags`` of shape (n rows, m features).

    Values are in the reported unit and on the scale as sent. Flags: 0 measured, 1 below
    detection (the value is the limit, NaN where none is known), 2 missing (NaN), 3 excluded.
    """

    label: str
    features: tuple[AssayColumn, ...]
    rows: tuple[AssayRowHead, ...]
    values: NDArray[np.float64]
    flags: NDArray[np.uint8]


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
    read = _read_long if layout == "long" else _read_wide
    batches = read(table, facts, options, rules)
    warn_of_words(rules)
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
    known |= {heading(header): name for name, header in _mapping(options).items()}
    return lambda header: known.get(heading(header), "")


def tells_no_fault(table: Table, options: AssayOptions) -> bool:
    """Whether the numbers of a table need not be told as they were sent."""
    negative = table.numbers is not None and bool((table.numbers.values < 0).any())
    return not (negative and ValueRules(Findings(), options.scale).refuses_negative)


def _mapping(options: AssayOptions) -> dict[str, str]:
    named = dict(options.columns)
    if options.sample_column != "sample":
        named["sample"] = options.sample_column
    return named


def _read_wide(
    table: Table, facts: SiteFacts, options: AssayOptions, rules: ValueRules
) -> tuple[CheckedBatch, ...]:
    findings = rules.findings
    # A mapping saved for long tables names columns that a wide one does not have.
    mapping = {k: v for k, v in _mapping(options).items() if k in ASSAYS_WIDE.names}
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
    return _split(heads.batches, heads.rows, features, values, flags)


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


def _read_long(
    table: Table, facts: SiteFacts, options: AssayOptions, rules: ValueRules
) -> tuple[CheckedBatch, ...]:
    findings = rules.findings
    spec = ASSAYS_LONG
    matched = match_columns(table.columns, spec, findings, mapping=_mapping(options))
    if not set(spec.required) <= set(matched):
        return ()
    rows = table.frame.index.tolist()
    header = matched["value"]
    is_listed = table.frame.index.is_unique  # one row a value, and not one line a substance
    values, flags = (
        parse_series(table.frame[header], rows, header, rules)
        if is_listed
        else _parse_lines(table, matched, rules)
    )
    heads = read_heads(table, matched, facts, findings, long=True)
    names = table.frame[matched["feature"]].tolist()
    for row, name in zip(rows, names, strict=True):
        if not name:
            findings.fault(row, matched["feature"], "empty", say("empty; name what was measured."))
    feature_of = {name: i for i, name in enumerate(dict.fromkeys(names))}
    units = _long_units(table, matched, names, findings)
    features = resolve_columns(
        [(name, units[name]) for name in feature_of],
        [matched["feature"]] * len(feature_of),
        facts.features,
        options,
        findings,
    )
    columns = np.array([feature_of[name] for name in names])
    at = np.array(heads.at)
    _fault_twice(rows, at, columns, names, matched["feature"], findings)
    wide_values = np.full((len(heads.rows), len(feature_of)), np.nan)
    wide_flags = np.full(wide_values.shape, MISSING, dtype=np.uint8)
    wide_values[at, columns] = values
    wide_flags[at, columns] = flags
    return _split(heads.batches, heads.rows, features, wide_values, wide_flags)


def _parse_lines(
    table: Table, matched: dict[str, str], rules: ValueRules
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Values of a repository's format, whose lines hold many samples: a cell is told by both."""
    rows = table.frame.index.tolist()
    names = table.frame[matched["feature"]].tolist()
    samples = table.frame[matched["sample"]].tolist()
    own = replace(rules, findings=Findings(), words=[])
    header = matched["value"]
    parsed = parse_series(table.frame[header], range(len(rows)), header, own)

    def placed(fault: Fault) -> Fault:
        if fault.row is None:
            return fault
        at = fault.row
        return replace(fault, row=rows[at], column=f"{names[at]}, {samples[at]}")

    rules.findings.take(own.findings, placed)
    rules.words += [(rows[at], text) for at, text in own.words]
    return parsed


def _long_units(
    table: Table, matched: dict[str, str], names: list[str], findings: Findings
) -> dict[str, str]:
    """The one unit of each feature; a second one is a fault."""
    units: dict[str, str] = {}
    first: dict[str, int] = {}
    texts = table.frame[matched["unit"]].tolist()
    for row, name, unit in zip(table.frame.index.tolist(), names, texts, strict=True):
        if units.setdefault(name, unit) != unit:
            findings.fault(
                row,
                matched["unit"],
                "mixed_units",
                say(
                    '"%(unit)s" beside "%(units)s" in row %(first)s for %(name)s; send '
                    "one unit a feature.",
                    unit=unit,
                    units=units[name],
                    first=first[name],
                    name=name,
                ),
            )
        first.setdefault(name, row)
    return units


def _fault_twice(
    rows: list[int],
    at: NDArray[np.intp],
    columns: NDArray[np.intp],
    names: list[str],
    header: str,
    findings: Findings,
) -> None:
    seen: dict[tuple[int, int], int] = {}
    for row, key, name in zip(
        rows, zip(at.tolist(), columns.tolist(), strict=True), names, strict=True
    ):
        if key in seen:
            findings.fault(
                row,
                header,
                "duplicate_value",
                say(
                    '"%(name)s" of this sample is also in row %(seen)s; keep one value.',
                    name=name,
                    seen=seen[key],
                ),
            )
        seen.setdefault(key, row)


def _split(
    labels: list[str],
    heads: list[AssayRowHead],
    features: tuple[AssayColumn, ...],
    values: NDArray[np.float64],
    flags: NDArray[np.uint8],
) -> tuple[CheckedBatch, ...]:
    """Cut the table into its batches, in the order in which they first appear."""
    if len(set(labels)) == 1:
        return (_batch(labels[0], features, heads, values, flags),)
    each = np.array(labels, dtype=object)
    batches = []
    for label in dict.fromkeys(labels):
        mine = np.flatnonzero(each == label)
        own = [heads[i] for i in mine]
        # Rows that follow each other are not copied, and stay where they may have been told.
        at = slice(mine[0], mine[-1] + 1) if mine[-1] - mine[0] < len(mine) else mine
        batches.append(_batch(label, features, own, values[at], flags[at]))
    return tuple(batches)


def _batch(
    label: str,
    features: tuple[AssayColumn, ...],
    heads: list[AssayRowHead],
    values: NDArray[np.float64],
    flags: NDArray[np.uint8],
) -> CheckedBatch:
    limited = np.flatnonzero((flags == BELOW_LOD).any(axis=0)).tolist()
    columns = list(features)
    for j in limited:
        columns[j] = _with_limit(columns[j], values[:, j], flags[:, j])
    return CheckedBatch(label, tuple(columns), tuple(heads), values, flags)


def _with_limit(
    column: AssayColumn, values: NDArray[np.float64], flags: NDArray[np.uint8]
) -> AssayColumn:
    limits = values[(flags == BELOW_LOD) & np.isfinite(values)]
    # Several limits in one column (diluted samples): the highest is safe for all of them.
    if not limits.size:
        return column
    return AssayColumn(
        column.source_name, column.feature, column.unit, column.factor, float(limits.max())
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
