"""Whoever is there twice is counted once: identical values in two records are one person."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.stats.duplicates import find_repeats
from analysis.steps.blocks import Block, Note, stacked
from analysis.steps.pieces import Piece, Steps, work
from cohorts.language.sentences import say


@work("repeats")
def _repeats(values: NDArray[np.float64]) -> list[dict[str, Any]]:
    return [
        {
            "first": repeat.first,
            "second": repeat.second,
            "n_shared": repeat.n_shared,
            "certain": bool(repeat.certain),
        }
        for repeat in find_repeats(values)
    ]


def declared_once(
    people: pd.DataFrame, blocks: list[Block]
) -> tuple[pd.DataFrame, list[Block], list[Note]]:
    """Of records that the sites have declared one person, keep one: measured, then enrolled first.

    Unlike `without_repeats` this needs no equal values: one person may have been measured twice.
    """
    if "person" not in people:
        return people, blocks, []
    measured = {who for block in blocks for who in block.raw.index}
    dropped, notes = [], []
    for _, same in people[people["person"] != ""].groupby("person", sort=True):
        first, *others = sorted(same.index, key=lambda who: (who not in measured, who))
        for who in others:
            dropped.append(who)
            kept = people.loc[first]
            why = f"{people.at[who, 'code']!s} and {kept['code']!s} of {kept['site']} are one"
            once = say("somebody has two records and is counted once")
            notes.append(Note(str(people.at[who, "site"]), "participants", 1, why, once))
    return people.drop(index=dropped), [_without(block, dropped) for block in blocks], notes


def without_repeats(
    people: pd.DataFrame, blocks: list[Block], steps: Steps
) -> tuple[pd.DataFrame, list[Block], list[Note]]:
    """Leave out whoever is there twice: identical values in two records are one person.

    The record stays where its arm is smaller, since that site would lose more.
    """
    index, values = _with_facts(stacked([block.raw for block in blocks]), people)
    if not values.size:
        return people, blocks, []
    (repeats,) = steps.each([Piece("repeats", {"values": values}, index.tolist())])
    arm = people.groupby(["site", "case"])["case"].transform("size")
    dropped: dict[int, str] = {}
    notes = []
    for repeat in repeats:
        one, other = (int(index[row]) for row in (repeat["first"], repeat["second"]))
        leave, stay = (one, other) if arm[one] > arm[other] else (other, one)
        if not repeat["certain"]:
            notes.append(_question(people, leave, stay))
            continue
        if stay not in dropped:
            dropped.setdefault(leave, _who(people, leave, stay, repeat["n_shared"]))
    once = say("somebody has two records and is counted once")
    notes += [
        Note(str(people.at[who, "site"]), "participants", 1, why, once)
        for who, why in dropped.items()
    ]
    return (
        people.drop(index=list(dropped)),
        [_without(block, list(dropped)) for block in blocks],
        notes,
    )


def _with_facts(raw: pd.DataFrame, people: pd.DataFrame) -> tuple[pd.Index, NDArray[np.float64]]:
    """Whose they are, and measured values with age and sex beside them."""
    # Never 0 for a sex: agreeing on a zero, which may mean "not detected", counts for nothing.
    extra = people.loc[raw.index, ["age_years"]].assign(
        sex=people.loc[raw.index, "sex"].map({"male": 1.0, "female": 2.0})
    )
    if raw.empty:
        return raw.index, np.empty((0, 0))
    return raw.index, np.hstack([raw.to_numpy(), extra.to_numpy(dtype=float)])


def _question(people: pd.DataFrame, one: int, other: int) -> Note:
    left, kept = people.loc[one], people.loc[other]
    why = (
        f"{left['code']} and {kept['code']} of {kept['site']} agree in every value; "
        "ask whether they are one person"
    )
    return Note(str(left["site"]), "question", 1, why, say("two records agree in every value"))


def _who(people: pd.DataFrame, leave: int, stay: int, n_shared: int) -> str:
    left, kept = people.loc[leave], people.loc[stay]
    return (
        f"{left['code']} has the same {n_shared} values as {kept['code']} of {kept['site']}: "
        "one person, counted there"
    )


def _without(block: Block, gone: list[int]) -> Block:
    keep = ~block.values.index.isin(gone)
    return replace(
        block,
        values=block.values[keep],
        raw=block.raw[keep],
        batch=block.batch[keep],
        spin_delay_hours=block.spin_delay_hours[keep],
        samples=block.samples[keep] if len(block.samples) else block.samples,
    )
