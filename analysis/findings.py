"""What a rule reads of a claim, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIDE = {"higher": 1.0, "lower": -1.0}


@dataclass(frozen=True)
class ClaimFacts:
    """A claim as the rules read it; ``markers`` in the order in which they stand for it."""

    code: str
    kind: str
    marker: str
    markers: tuple[str, ...]
    matrix: str
    strata: tuple[str, ...]
    direction: str


@dataclass(frozen=True)
class Finding:
    """The verdict on one claim in one stratum; the estimate is in Hedges g, AUC or Q2.

    ``ci_*`` is the ordinary 95 % interval, ``always_*`` the one over all looks.
    """

    code: str
    stratum: str
    verdict: str
    reason: str
    feature: str = ""
    estimate: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    always_low: float | None = None
    always_high: float | None = None
    n_sites: int = 0
    n_case: int = 0
    n_control: int = 0


def side_of(low: float, high: float, direction: str) -> str:
    side = SIDE[direction]
    bounds = sorted((side * low, side * high))
    if not np.isfinite(bounds).all():
        return "undecided"
    if bounds[0] > 0:
        return "replicated"
    return "opposite" if bounds[1] < 0 else "undecided"
