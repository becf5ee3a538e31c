"""From what a site sent to numbers that can be compared: units, detection limits, logarithms.

Pure: frames in, frames and words out. Nothing is left out without a note that says what and why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.frames import BatchFrame, StudyFrames
from analysis.plans import AnalysisPlan
from analysis.stats.impute import BELOW_LOD, MEASURED, Imputed, impute
from analysis.steps.blocks import Block, Note, Prepared
from analysis.steps.clean_samples import facts_of_samples, without_faulty
from analysis.steps.pieces import Steps
from analysis.steps.pool_corrected import by_pools
from analysis.steps.repeats import declared_once, without_repeats
from cohorts.language.sentences import say

Table = TypeVar("Table", pd.DataFrame, pd.Series)

LOG2_OF = {"raw": 1.0, "log2": 1.0, "ln": 1 / np.log(2), "log10": np.log2(10)}


def prepare(frames: StudyFrames, plan: AnalysisPlan, steps: Steps) -> Prepared:
    """Choose the plan's people, make values comparable, count nobody twice, add class scores."""
    people, notes = choose_people(frames.people, plan)
    blocks = []
    for batches in _by_block(frames.batches).values():
        block, said = make_block(batches, people, plan)
        notes += said
        if block is not None:
            blocks.append(block)
    people, blocks, said = declared_once(people, blocks)
    notes += said
    people, blocks, said = without_repeats(people, blocks, steps)
    scored = [with_class_scores(block, plan.class_scores) for block in blocks]
    return Prepared(people=people, blocks=tuple(scored), notes=tuple(notes + said))


def choose_people(people: pd.DataFrame, plan: AnalysisPlan) -> tuple[pd.DataFrame, list[Note]]:
    """The plan's cases (1) and controls (0); others are counted by site and reason."""
    chosen = people.copy()
    chosen["case"] = np.nan
    chosen.loc[chosen["group"].isin(plan.case), "case"] = 1.0
    chosen.loc[chosen["group"].isin(plan.control), "case"] = 0.0
    reasons = pd.Series("", index=chosen.index, dtype=str)
    for group in sorted(set(chosen.loc[chosen["case"].isna(), "group"].astype(str))):
        of_it = chosen["case"].isna() & (chosen["group"].astype(str) == group)
        reasons[of_it] = say("group %(group)s is in neither arm of the plan", group=group)
    if plan.drug_free_only:
        taking = chosen["drug_free"].ne(True) & (reasons == "")
        reasons[taking] = say("not recorded as drug-free, which the plan asks for")
    if plan.only_sex:
        other = chosen["sex"].ne(plan.only_sex) & (reasons == "")
        reasons[other] = f"not recorded as {plan.only_sex}, which the plan asks for"
    counts = Counter(zip(chosen["site"], reasons, strict=True))
    notes = [Note(site, "participants", n, why) for (site, why), n in sorted(counts.items()) if why]
    return chosen[reasons == ""], notes


def _by_block(batches: Iterable[BatchFrame]) -> dict[tuple[str, str, str, str], list[BatchFrame]]:
    found: dict[tuple[str, str, str, str], list[BatchFrame]] = {}
    for batch in batches:
        key = (batch.site, batch.platform, batch.matrix, _scale_name(batch.scale))
        found.setdefault(key, []).append(batch)
    return found


def _scale_name(scale: str) -> str:
    return "standardised" if scale == "standardised" else "log2"


def make_block(
    batches: list[BatchFrame], people: pd.DataFrame, plan: AnalysisPlan
) -> tuple[Block | None, list[Note]]:
    """Stack a platform's batches at one site; a person measured again counts the first time."""
    first, site = batches[0], batches[0].site
    notes: list[Note] = []
    if plan.handling_clean:
        batches, notes = without_faulty(batches, set(people.index))
        if not batches:
            return None, notes
    if plan.qc_correction:
        batches, said = by_pools(batches, plan.qc_correction)
        notes += said
    parts = [_comparable(batch, plan) for batch in batches]
    values = _stacked([part.values for part in parts])
    chosen = values.index.isin(people.index)
    again = values.index.duplicated() & chosen
    keep = chosen & ~values.index.duplicated()
    if again.any():
        again_words = say("measured again on this platform; the earliest sample counts")
        notes.append(Note(site, "samples", int(again.sum()), again_words))
    if not keep.any():
        return None, notes
    values, raw = _rows(values, keep), _rows(_stacked([part.raw for part in parts]), keep)
    is_below = _rows(_stacked([part.below for part in parts]), keep).eq(1.0).to_numpy()
    detected = 1 - (is_below | values.isna().to_numpy()).mean(axis=0)
    rare = detected < plan.min_detected
    if rare.any():
        why = f"detected in under {plan.min_detected:.0%} of the site's people on {first.platform}"
        notes.append(Note(site, "features", int(rare.sum()), why))
        values, raw, is_below = values.loc[:, ~rare], raw.loc[:, ~rare], is_below[:, ~rare]
    fell_back = {name for part in parts for name in part.fell_back if name in values.columns}
    if fell_back:
        why = f"{plan.below_lod} fits too few values on {first.platform}: half of the smallest"
        notes.append(Note(site, "features", len(fell_back), why))
    kept = values.columns
    sources = _stacked([batch.columns for batch in batches])
    sources = sources[~sources["feature"].duplicated().to_numpy()].set_index("feature")
    block = Block(
        site=site,
        platform=first.platform,
        matrix=first.matrix,
        scale=_scale_name(first.scale),
        values=values,
        raw=raw,
        batch=_rows(_stacked([part.batch for part in parts]), keep),
        sources=sources.loc[kept],
        n_below_lod=pd.Series(is_below.sum(axis=0), index=kept),
        spin_delay_hours=_rows(_stacked([part.delay for part in parts]), keep),
        samples=_rows(_stacked([part.samples for part in parts]), keep),
    )
    return block, notes + _scale_notes(batches)


def _stacked(parts: list[Table]) -> Table:
    """One below the other; most sites have one batch, which needs no copy."""
    return parts[0] if len(parts) == 1 else pd.concat(parts)


def _rows(table: Table, keep: NDArray[np.bool_]) -> Table:
    return table if keep.all() else table[keep]


def _scale_notes(batches: list[BatchFrame]) -> list[Note]:
    scales = sorted({batch.scale for batch in batches} - {"raw"})
    return [
        Note(
            batches[0].site,
            "samples",
            sum(len(batch.rows) for batch in batches if batch.scale == scale),
            f"sent on the {scale} scale: no second logarithm, no unit conversion"
            + ("; effects in SD as sent" if scale == "standardised" else ""),
        )
        for scale in scales
    ]


@dataclass(frozen=True)
class _Part:
    """One batch, rows indexed by participant."""

    values: pd.DataFrame
    raw: pd.DataFrame
    below: pd.DataFrame
    batch: pd.Series
    delay: pd.Series
    samples: pd.DataFrame
    fell_back: frozenset[str]


def _comparable(batch: BatchFrame, plan: AnalysisPlan) -> _Part:
    """Convert units, fill below detection, take the logarithm; what is missing stays NaN."""
    raw, flags, limits = _in_canonical_unit(batch)
    names, fell_back = batch.columns["feature"].to_numpy(), frozenset[str]()
    if batch.scale == "raw":
        # A measured zero has no logarithm and means what "below detection" means.
        flags = np.where((flags == MEASURED) & (raw == 0), BELOW_LOD, flags).astype(np.uint8)
        raw = np.where((flags == BELOW_LOD) & (raw == 0), np.nan, raw)
        filled = _filled(raw, flags, limits, plan)
        values, fell_back = np.log2(filled.values), frozenset(names[list(filled.fell_back)])
    else:
        values = _filled_on_log_scale(raw, flags, batch.scale)
    people = pd.Index(batch.rows["participant_id"], name="participant_id")
    below = pd.DataFrame((flags == BELOW_LOD).astype(float), index=people, columns=names)
    return _Part(
        values=pd.DataFrame(values, index=people, columns=names),
        raw=pd.DataFrame(np.where(flags == MEASURED, raw, np.nan), index=people, columns=names),
        below=below,
        batch=pd.Series(f"batch {batch.batch_id}", index=people),
        delay=pd.Series(batch.rows["spin_delay_hours"].to_numpy(), index=people),
        samples=facts_of_samples(batch, people) if plan.sensitivity else pd.DataFrame(index=people),
        fell_back=fell_back,
    )


def _filled(
    raw: NDArray[np.float64],
    flags: NDArray[np.uint8],
    limits: NDArray[np.float64],
    plan: AnalysisPlan,
) -> Imputed:
    """Each batch draws from the plan's seed anew, so that no batch changes another's values."""
    rng = np.random.default_rng(plan.seed)
    return impute(raw, flags, limits, method=plan.below_lod, rng=rng)


def _in_canonical_unit(
    batch: BatchFrame,
) -> tuple[NDArray[np.float64], NDArray[np.uint8], NDArray[np.float64]]:
    factor = batch.columns["factor"].to_numpy(dtype=float)
    factor = np.where(np.isnan(factor) | (batch.scale != "raw"), 1.0, factor)
    return batch.values * factor, batch.flags, batch.columns["lod"].to_numpy(dtype=float) * factor


def _filled_on_log_scale(
    sent: NDArray[np.float64], flags: NDArray[np.uint8], scale: str
) -> NDArray[np.float64]:
    """Log2, or standardised as sent; below detection is half the smallest value (one log2 unit)."""
    values: NDArray[np.float64] = np.where(flags == MEASURED, sent, np.nan) * LOG2_OF.get(
        scale, 1.0
    )
    if (flags == BELOW_LOD).any():
        smallest = np.where(np.isnan(values), np.inf, values).min(axis=0)
        smallest[np.isinf(smallest)] = np.nan
        drop = 0.0 if scale == "standardised" else 1.0
        return np.where(flags == BELOW_LOD, smallest - drop, values)
    return values


def with_class_scores(block: Block, classes: Mapping[str, tuple[str, ...]]) -> Block:
    """Add each class as a feature: the mean of its members' z scores within the site.

    A person needs half of the members that the site measures; a site needs two of them.
    """
    values, sources = block.values, block.sources
    for name, members in classes.items():
        there = [member for member in members if member in values.columns]
        if len(there) < 2:
            continue
        z = (values[there] - values[there].mean()) / values[there].std(ddof=1)
        score = z.mean(axis=1).where(z.notna().sum(axis=1) >= len(there) / 2)
        values = values.assign(**{name: score})
        sources = pd.concat(
            [
                sources,
                pd.DataFrame(
                    {"source_name": " + ".join(there), "hmdb": "", "unit": "SD"}, index=[name]
                ),
            ]
        )
    if values is block.values:
        return block
    added = [name for name in classes if name in values and name not in block.n_below_lod.index]
    below = pd.concat([block.n_below_lod, pd.Series(0, index=added, dtype=int)])
    return replace(block, values=values, sources=sources, n_below_lod=below)
