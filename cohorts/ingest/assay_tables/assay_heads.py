"""Whose values an assay row holds: a participant's sample, a quality control or a blank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from cohorts.ingest.cells import parse_choice, quoted
from cohorts.ingest.facts import SiteFacts
from cohorts.ingest.nearest import nearest, without_zeros
from cohorts.ingest.people import MOST_SUGGESTIONS, refusal
from cohorts.ingest.reading import Table
from cohorts.ingest.report import Findings
from cohorts.ingest.rows import Row, rows_of
from cohorts.language.sentences import say

SampleType = Literal["study", "qc", "blank"]
TYPES: dict[str, SampleType] = {"study": "study", "qc": "qc", "blank": "blank"}
HEAD_COLUMNS = ("sample", "sample_type", "injection_order", "batch")
_LAST_INJECTION = 1_000_000


@dataclass(frozen=True)
class AssayRowHead:
    """``sample`` is the site's sample code, None for qc and blank rows; ``label`` as sent."""

    row: int
    sample: str | None
    label: str
    sample_type: SampleType
    injection_order: int | None


@dataclass(frozen=True)
class Heads:
    """``rows`` with the batch label of each; ``at``: for each row of the file its place in them."""

    rows: list[AssayRowHead]
    batches: list[str]
    at: list[int]


def read_heads(
    table: Table,
    matched: Mapping[str, str],
    facts: SiteFacts,
    findings: Findings,
    *,
    long: bool = False,
) -> Heads:
    """The heads of a table; in a long one, rows of one sample and batch share theirs."""
    headers = {name: matched[name] for name in HEAD_COLUMNS if name in matched}
    at = list(range(table.n_rows))
    if long:
        first, at = _first_of_each(table, list(headers.values()))
        table = replace(table, frame=table.frame.iloc[first])
    heads: list[AssayRowHead] = []
    batches: list[str] = []
    seen: dict[tuple[str, str], int] = {}
    refused: dict[str, tuple[str, str] | None] = {}
    for row in rows_of(table, headers, findings):
        heads.append(_head(row, facts, refused))
        batches.append(row.text("batch"))
        _refuse_twice(row, heads[-1], batches[-1], seen)
    return Heads(heads, batches, at)


def _first_of_each(table: Table, headers: list[str]) -> tuple[list[int], list[int]]:
    """Where each head stands first, and for each row the place of its own among them."""
    at = np.zeros(table.n_rows, np.intp)
    for header in headers:
        texts, _ = pd.factorize(table.frame[header])
        at, _ = pd.factorize(at * (texts.max(initial=0) + 1) + texts)
    first = np.empty(at.max(initial=-1) + 1, np.intp)
    first[at[::-1]] = np.arange(len(at))[::-1]  # the last that is written is the first there
    return first.tolist(), at.tolist()


def _head(row: Row, facts: SiteFacts, refused: dict[str, tuple[str, str] | None]) -> AssayRowHead:
    label = row.required("sample", str) or ""
    kind = row.read("sample_type", lambda text: parse_choice(text, tuple(TYPES), "sample_type"))
    sample_type = TYPES[kind or "study"]
    injection_order = row.whole_in("injection_order", 0, _LAST_INJECTION)
    # A misspelt type is told once, not again as an unknown sample.
    wanted = (
        sample_type == "study" and bool(label) and not (kind is None and row.has("sample_type"))
    )
    if wanted:
        if label not in refused:
            suggest = row.findings.n_faults < MOST_SUGGESTIONS
            refused[label] = _refusal(label, facts, suggest=suggest)
        problem = refused[label]
        if problem:
            row.fault("sample", *problem)
    row.text("sample", longest=80)
    return AssayRowHead(
        row.number, label if sample_type == "study" else None, label, sample_type, injection_order
    )


def _refusal(label: str, facts: SiteFacts, *, suggest: bool) -> tuple[str, str] | None:
    sample = facts.samples.get(label)
    if sample is None:
        near = nearest(label, facts.samples) if suggest else ""
        near = without_zeros(label, facts.samples) or near
        return (
            "unknown_sample",
            say(
                "%(label)s is not a sample of %(site)s%(near)s; send the samples table "
                "first, or give its sample_type (qc, blank).",
                label=quoted(label),
                site=facts.site,
                near=near,
            ),
        )
    problem = refusal(sample.participant, facts, scope="metabolomics")
    if problem and problem[0] == "unknown_participant":
        return (
            "unknown_sample",
            say(
                "%(label)s is not a sample of %(site)s; send the samples table first, or "
                "give its sample_type (qc, blank).",
                label=quoted(label),
                site=facts.site,
            ),
        )
    return problem


def _refuse_twice(
    row: Row, head: AssayRowHead, batch: str, seen: dict[tuple[str, str], int]
) -> None:
    if head.sample is None or not head.sample:
        return
    key = (batch, head.sample)
    if key in seen:
        row.fault(
            "sample",
            "duplicate_sample",
            say(
                "%(sample)s is also in row %(seen)s; keep one row a sample and batch.",
                sample=quoted(head.sample),
                seen=seen[key],
            ),
        )
    seen.setdefault(key, row.number)
