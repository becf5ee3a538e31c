"""Samples whose records show no handling fault: for plans that ask whether handling made an effect.

Only what is recorded can speak: a sample without records stays, and a note counts them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.frames import HANDLING, BatchFrame
from analysis.stats.handling_records import FAULTY, flag_samples
from analysis.stats.impute import MEASURED
from analysis.steps.blocks import Note
from analysis.steps.guarded_pair import PAIR, names_of_pair
from cohorts.language.sentences import say

UNRECORDED = say("nothing of its handling is recorded; it stays")


def without_faulty(
    batches: list[BatchFrame], chosen: Collection[int]
) -> tuple[list[BatchFrame], list[Note]]:
    """The batches with their clean samples alone, those that have any.

    Notes count the faulty ones of the ``chosen`` people by fault.
    """
    counts: Counter[tuple[str, str]] = Counter()
    kept = []
    for batch in batches:
        flags = flag_samples(records_of(batch))
        ours = batch.rows["participant_id"].isin(chosen).to_numpy()
        for fault in flags:
            why = say(
                "%(faulty)s, and the plan takes clean samples only", faulty=FAULTY[str(fault)]
            )
            counts[batch.site, why] += int((flags[fault].eq(1).to_numpy() & ours).sum())
        unknown = flags.isna().all(axis=1).to_numpy()
        counts[batch.site, UNRECORDED] += int((unknown & ours).sum())
        clean = ~flags.eq(1).any(axis=1).to_numpy()
        if clean.any():
            kept.append(_only(batch, clean))
    return kept, [Note(site, "samples", n, why) for (site, why), n in sorted(counts.items()) if n]


def facts_of_samples(batch: BatchFrame, people: pd.Index) -> pd.DataFrame:
    """Of each sample the hours of fasting, and whether its records show no fault (1, 0, NaN).

    Here a sample of which nothing is recorded is not known to be clean.
    """
    flags = flag_samples(records_of(batch))
    clean = 1.0 - flags.eq(1).any(axis=1).to_numpy(dtype=float)
    known = flags.notna().any(axis=1).to_numpy()
    return pd.DataFrame(
        {
            "fasting_hours": batch.rows["fasting_hours"].to_numpy(dtype=float),
            "handled_well": np.where(known, clean, np.nan),
        },
        index=people,
    )


def records_of(batch: BatchFrame) -> pd.DataFrame:
    """What is known of each sample's handling, in the words of `flag_samples`."""
    records = pd.DataFrame({"delay_hours": batch.rows["spin_delay_hours"].to_numpy()})
    for name in HANDLING:
        if name in batch.rows:
            records[name] = batch.rows[name].to_numpy(dtype=float)
    called = names_of_pair(zip(batch.columns["feature"], batch.columns["hmdb"], strict=True))
    pair = {marker: _concentration(batch, called.get(marker, "")) for marker in PAIR}
    if batch.matrix == "plasma" and all(values is not None for values in pair.values()):
        records = records.assign(**pair)
    return records


def _concentration(batch: BatchFrame, name: str) -> NDArray[np.float64] | None:
    """Measured concentrations of a feature, NaN for others; None where there are none."""
    at = np.flatnonzero((batch.columns["feature"] == name).to_numpy())
    if not len(at) or batch.scale != "raw" or batch.columns["unit"].iloc[at[0]] == "relative":
        return None
    column = batch.values[:, at[0]] * float(batch.columns["factor"].fillna(1.0).iloc[at[0]])
    return np.where((batch.flags[:, at[0]] == MEASURED) & (column > 0), column, np.nan)


def _only(batch: BatchFrame, keep: NDArray[np.bool_]) -> BatchFrame:
    return replace(
        batch,
        rows=batch.rows[keep].reset_index(drop=True),
        values=batch.values[keep],
        flags=batch.flags[keep],
    )
