"""The long assay table: a row a value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cohorts.ingest.assay_tables.assay_batches import CheckedBatch, into_batches
from cohorts.ingest.assay_tables.assay_features import resolve_columns
from cohorts.ingest.assay_tables.assay_heads import read_heads
from cohorts.ingest.assay_tables.assay_options import AssayOptions, mapping_of
from cohorts.ingest.assay_tables.values import MISSING, ValueRules, parse_series
from cohorts.ingest.columns import ASSAYS_LONG, match_columns
from cohorts.ingest.facts import SiteFacts
from cohorts.ingest.reading import MAX_COLUMNS, Table
from cohorts.ingest.report import Fault, Findings
from cohorts.language.sentences import say


def read_long(
    table: Table, facts: SiteFacts, options: AssayOptions, rules: ValueRules
) -> tuple[CheckedBatch, ...]:
    findings = rules.findings
    spec = ASSAYS_LONG
    matched = match_columns(table.columns, spec, findings, mapping=mapping_of(options))
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
    if len(feature_of) > MAX_COLUMNS:
        findings.fault(None, matched["feature"], "too_many_features", _too_many(len(feature_of)))
        return ()
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
    return into_batches(heads.batches, heads.rows, features, wide_values, wide_flags)


def _too_many(n_features: int) -> str:
    return say(
        "%(n_features)s features, over %(most)s; send them in several tables.",
        n_features=format(n_features, ","),
        most=format(MAX_COLUMNS, ","),
    )


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
    texts = table.frame[matched["unit"]].tolist()
    pairs = set(zip(names, texts, strict=True))
    units = dict(pairs)
    if len(units) == len(pairs):
        return units
    units, first = {}, dict[str, int]()
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
    places = np.zeros((at.max(initial=0) + 1, columns.max(initial=0) + 1), np.bool_)
    places[at, columns] = True
    if np.count_nonzero(places) == len(at):
        return
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
