"""The batches that an assay table is cut into."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cohorts.ingest.assay_tables.assay_features import AssayColumn
from cohorts.ingest.assay_tables.assay_heads import AssayRowHead
from cohorts.ingest.assay_tables.values import BELOW_LOD


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


def into_batches(
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
