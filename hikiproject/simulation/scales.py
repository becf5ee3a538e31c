"""Answers to HQ-25 and PHQ-9, consistent with the scoring rules of the reference data."""

from __future__ import annotations

import json
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hikiproject.simulation.panel import FloatArray
from hikiproject.simulation.people import CASE, CONTROL, PRE
from hikiproject.simulation.planted import SEVERITY_R
from hikiproject.simulation.sites import SiteDesign

_INSTRUMENTS = Path(__file__).parent.parent.parent / "cohorts" / "reference" / "instruments.json"
_HQ_MEAN = {CASE: 60.0, PRE: 48.0, CONTROL: 25.0}
_HQ_SD = 12.0
_PHQ_MEAN = {CASE: 10.0, PRE: 8.0, CONTROL: 4.0}
_PHQ_SD = 3.5
MAX_ITEMS = 25
SHARE_SKIPPED = 0.004


@cache
def instrument(code: str) -> dict[str, Any]:
    """The instrument's rules from the reference data."""
    known = json.loads(_INSTRUMENTS.read_text(encoding="utf-8"))["instruments"]
    found: dict[str, Any] = next(one for one in known if one["code"] == code)
    return found


def draw_assessments(
    people: pd.DataFrame, acylcarnitines: FloatArray, design: SiteDesign, rng: np.random.Generator
) -> pd.DataFrame:
    """Two rows a person, as the site sends them; ``acylcarnitines`` (n_people,) standard normal."""
    own = rng.normal(size=len(people))
    severity = SEVERITY_R * acylcarnitines + np.sqrt(1 - SEVERITY_R**2) * own
    mood = 0.5 * severity + np.sqrt(0.75) * rng.normal(size=len(people))
    hq = people["group"].map(_HQ_MEAN).to_numpy() + _HQ_SD * severity
    phq = people["group"].map(_PHQ_MEAN).to_numpy() + _PHQ_SD * mood
    rows = [
        _row(person, code, target, design, rng)
        for person, *targets in zip(people.itertuples(), hq, phq, strict=True)
        for code, target in zip(("HQ-25", "PHQ-9"), targets, strict=True)
    ]
    items = [f"item_{i}" for i in range(1, MAX_ITEMS + 1)]
    heads = ["participant", "instrument", "assessed_on", "version", "language"]
    columns = [*heads, *items, "total"]
    return pd.DataFrame([[row.get(name, "") for name in columns] for row in rows], columns=columns)


def _row(
    person: Any, code: str, target: float, design: SiteDesign, rng: np.random.Generator
) -> dict[str, str]:
    scale = instrument(code)
    scored = _scored_items(target, scale, rng)
    enrolled: date = person.enrolled_on
    row = {
        "participant": person.participant,
        "instrument": code,
        "assessed_on": (enrolled + timedelta(days=int(rng.integers(0, 8)))).isoformat(),
        "version": scale["versions"][0],
        "language": design.language,
    }
    if rng.random() >= design.share_with_items:
        return {**row, "total": str(sum(scored))}
    turn = scale["item_min"] + scale["item_max"]
    for number, score in enumerate(scored, start=1):
        answer = turn - score if number in scale["reversed_items"] else score
        row[f"item_{number}"] = "" if rng.random() < SHARE_SKIPPED else str(answer)
    return row


def _scored_items(target: float, scale: dict[str, Any], rng: np.random.Generator) -> list[int]:
    """Item scores (reversed ones already turned) whose sum lies near ``target``."""
    n, low, high = scale["n_items"], scale["item_min"], scale["item_max"]
    total = int(np.clip(round(target), n * low, n * high))
    spread = rng.normal(total / n, 0.8, n).round().clip(low, high).astype(int)
    while spread.sum() != total:
        step = 1 if spread.sum() < total else -1
        movable = np.flatnonzero((spread + step >= low) & (spread + step <= high))
        spread[rng.choice(movable)] += step
    return [int(score) for score in spread]
