"""A small study, and how a function that takes data from outside is written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.stats import combat, design, qc, transport
from analysis.stats.logistic import ElasticNet

N_OF_SITE, NAMES = 16, ("Fukuoka", "Osaka", "Turin")
N, P, K = N_OF_SITE * len(NAMES), 6, 4


def rng() -> np.random.Generator:
    return np.random.default_rng(20220313)


VALUES = np.exp(rng().normal(size=(N, P)))
FRAME = pd.DataFrame(VALUES, columns=[f"f{place}" for place in range(P)])
LABELS = np.arange(N) % 2
SITES = np.repeat(NAMES, N_OF_SITE)
AGES = rng().normal(40, 9, size=(N, 2))
SCORES = rng().uniform(size=N)
MARKS = np.arange(N) % 4 == 0
EFFECTS, VARIANCES = rng().normal(size=(K, 3)), rng().uniform(0.1, 0.4, size=(K, 3))
ORDER = np.arange(N)
LEVELS = pd.Series(np.tile(["first", "second", "third"], N // 3))
CODING = design.Coding("kit", ("first", "second", "third"))
RECORDS = pd.DataFrame(
    {
        "arginine": SCORES + 60,
        "ornithine": SCORES + 30,
        "delay_hours": SCORES,
        "haemolysis_index": 10 * SCORES,
        "light_protected": MARKS.astype(float),
        "freeze_thaws": MARKS.astype(float),
    }
)


@dataclass(frozen=True)
class Row:
    """A function, arguments that it answers, and what kind of thing each of them is."""

    call: Callable[..., Any]
    good: dict[str, Any]
    kinds: dict[str, str]


def row(
    call: Callable[..., Any], fixed: dict[str, Any] | None = None, **given: tuple[str, Any]
) -> Row:
    kinds = {name: kind for name, (kind, _) in given.items()}
    return Row(call, {name: good for name, (_, good) in given.items()} | (fixed or {}), kinds)


TABLE, GROUP, SITE = ("values", VALUES), ("labels", LABELS), ("names", SITES)
OPTIONAL_SITE = ("optional names", SITES)
COVARIATES, QC_MARKS = ("covariates", AGES), ("marks", MARKS)
COHORTS = {"estimates": ("estimates", EFFECTS), "variances": ("variances", VARIANCES)}
COMBAT_MODEL = combat.fit_combat(VALUES, SITES, AGES)
QC_MODEL = qc.fit_qc(VALUES, MARKS, SITES, ORDER, min_qc=3)
FROZEN = transport.freeze(
    FRAME, LABELS, SITES, learner=ElasticNet(), settings=ElasticNet().grid[0], rng=rng()
)
BELOW = np.zeros(VALUES.shape, dtype=bool)
BELOW[:5] = VALUES[:5] < 0.8
