"""Values brought to one level by a site's pooled QC samples, where a plan asks for it.

Every pool is the same blood: what differs between pools is the machine's. Only measured values of
tables in raw units are corrected; limits of detection stay as they were sent.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.frames import BatchFrame
from analysis.stats.errors import UnusableData
from analysis.stats.impute import MEASURED, MISSING
from analysis.stats.qc import QcModel, fit_qc
from analysis.steps.blocks import Note
from cohorts.language.sentences import say

Floats = NDArray[np.float64]

NOT_RAW = say("not sent in raw units: not corrected by pooled QC samples")
NO_POOL = say("no pooled QC sample: not corrected by pools, as the plan would have it")
UNSEEN = say("measured in no pooled QC sample of the batch: left out")


def by_pools(batches: list[BatchFrame], method: str) -> tuple[list[BatchFrame], list[Note]]:
    """One platform's batches at one site, those with pools corrected together; notes on others."""
    able = [batch for batch in batches if _unable(batch) == ""]
    counts = Counter(_unable(batch) for batch in batches if _unable(batch))
    site = batches[0].site
    notes = [Note(site, "assay batches", n, why) for why, n in sorted(counts.items())]
    if not able:
        return batches, notes
    names = list(dict.fromkeys(name for batch in able for name in batch.columns["feature"]))
    try:
        model = _fitted(able, names, method)
        corrected = {batch.batch_id: _corrected(batch, names, model) for batch in able}
    except UnusableData as refused:
        why = say("not corrected by pooled QC samples: %(refused)s", refused=str(refused))
        return batches, [*notes, Note(site, "assay batches", len(able), why)]
    lost = sum(_n_lost(batch, corrected[batch.batch_id]) for batch in able)
    if lost:
        notes.append(Note(site, "features", lost, UNSEEN))
    return [corrected.get(batch.batch_id, batch) for batch in batches], notes


def _unable(batch: BatchFrame) -> str:
    """Why a batch cannot be corrected; empty where it can."""
    return NOT_RAW if batch.scale != "raw" else NO_POOL if batch.pools is None else ""


def _fitted(batches: list[BatchFrame], names: list[str], method: str) -> QcModel:
    """The level of the pools in every batch and, for LOESS, how it drifts along the injections."""
    tables, labels, orders = [], [], []
    for batch in batches:
        if batch.pools is not None:
            tables.append(_amounts(batch, batch.pools.values, batch.pools.flags, names))
            labels += [_label(batch)] * len(tables[-1])
            orders.append(batch.pools.injection_order)
    table = np.concatenate(tables)
    return fit_qc(
        table, np.full(len(table), True), labels, _orders(np.concatenate(orders)), method=method
    )


def _corrected(batch: BatchFrame, names: list[str], model: QcModel) -> BatchFrame:
    """Its study samples at the common level; what no pool measured is missing."""
    amounts = _amounts(batch, batch.values, batch.flags, names)
    order = _orders(batch.rows["injection_order"].to_numpy(dtype=np.float64))
    after = model.apply(amounts, [_label(batch)] * len(amounts), order)
    at = [names.index(name) for name in batch.columns["feature"]]
    measured = ~np.isnan(amounts[:, at])
    lost = measured & np.isnan(after[:, at])
    return replace(
        batch,
        values=np.where(measured, after[:, at] / _factors(batch), batch.values),
        flags=np.where(lost, MISSING, batch.flags).astype(np.uint8),
    )


def _amounts(
    batch: BatchFrame, values: Floats, flags: NDArray[np.uint8], names: list[str]
) -> Floats:
    """Measured amounts in canonical units by the block's features; 0 was not detected."""
    amounts = np.where((flags == MEASURED) & (values > 0), values * _factors(batch), np.nan)
    found = np.full((len(amounts), len(names)), np.nan)
    found[:, [names.index(name) for name in batch.columns["feature"]]] = amounts
    return found


def _factors(batch: BatchFrame) -> Floats:
    return batch.columns["factor"].fillna(1.0).to_numpy(dtype=np.float64)


def _label(batch: BatchFrame) -> str:
    return f"batch {batch.batch_id}"


def _orders(order: Floats) -> Floats | None:
    return None if np.isnan(order).all() else order


def _n_lost(before: BatchFrame, after: BatchFrame) -> int:
    return int(((before.flags == MEASURED) & (after.flags == MISSING)).any(axis=0).sum())
