"""What distinguishes cases from controls in the simulated blood, and how it differs by site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from hikiproject.simulation.panel import CHOLESTEROL_ESTERS, LONG_CHAIN

TAU_SHARE = 0.3
SUBGROUP_D = 0.7
"""Distance of each subgroup of cases from the cases' mean, in SD."""
SEVERITY_R = 0.45
"""Correlation of the HQ-25 total with the long-chain acylcarnitine factor, inside a group."""


@dataclass(frozen=True)
class PlantedEffect:
    """Cases minus controls in SD of ln within a site: mean ``d``, by site within ``tau``."""

    claim: str
    features: tuple[str, ...]
    sex: Literal["all", "men"]
    d: float
    tau: float
    by_site: dict[str, float]

    def as_dict(self) -> dict[str, object]:
        return {**asdict(self), "features": list(self.features)}


_CHOSEN: tuple[tuple[str, tuple[str, ...], Literal["all", "men"], float], ...] = (
    ("K22-1", LONG_CHAIN, "all", 0.60),
    ("K22-2", ("ornithine",), "men", 0.55),
    ("K22-3", ("arginine",), "men", -0.55),
    ("K22-4", ("arginase activity", "arginase mass"), "men", 0.60),
    ("K22-5", ("bilirubin", "conjugated bilirubin"), "men", -0.60),
)


def draw_planted(sites: Sequence[str], rng: np.random.Generator) -> tuple[PlantedEffect, ...]:
    """The effects with their site deviations; species of one class deviate together."""
    effects = []
    heterogeneous = rng.permutation(np.arange(len(_CHOSEN)) % 2 == 0)
    for (claim, features, sex, d), varies in zip(_CHOSEN, heterogeneous, strict=True):
        # Halved normal draws above 2 SD would turn a planted effect round at a site by chance.
        tau = TAU_SHARE * abs(d) * min(abs(rng.normal()), 1.5) if varies else 0.0
        deviation = rng.normal(0, 1, len(sites)).clip(-2, 2) * tau
        by_site = {s: round(d + float(e), 4) for s, e in zip(sites, deviation, strict=True)}
        effects.append(PlantedEffect(claim, features, sex, d, round(tau, 4), by_site))
    return tuple(effects)


def subgroup_direction(feature: str) -> int:
    """+1 where the first subgroup of cases lies high, -1 where it lies low, 0 elsewhere."""
    if feature == "uric acid":
        return 1
    return -1 if feature in CHOLESTEROL_ESTERS else 0
