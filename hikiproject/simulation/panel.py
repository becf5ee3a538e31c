"""The panel's features: how they vary between people, joined with the reference list."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_HERE = Path(__file__).parent
_REFERENCE = _HERE.parent.parent / "cohorts" / "reference"

LONG_CHAIN = (
    "myristoylcarnitine",
    "palmitoylcarnitine",
    "stearoylcarnitine",
    "oleoylcarnitine",
    "linoleoylcarnitine",
    "myristoleoylcarnitine",
    "palmitoleoylcarnitine",
)
CHOLESTEROL_ESTERS = ("CE 16:0", "CE 18:1", "CE 18:2", "CE 20:4")
N_COMMON_FACTORS = 8
_BLOCK_FREE_SHARE = 0.3
"""Share of what a block leaves over that the common factors explain."""


def load_panel() -> pd.DataFrame:
    """Features by canonical name: ``median`` in ``canonical_unit``, ``sd_ln`` in one group and sex.

    ``loading`` on its ``block``; ``sex_d`` men minus women and ``age_d`` per ten years in SD, NaN
    where not known; ``tail`` normal, heavy or users; ``matrices`` plasma, serum or both;
    ``canonical_unit``, ``molar_mass`` in g/mol, ``chemical_class``, ``kind`` and ``aliases``.
    """
    panel = pd.read_csv(_HERE / "panel.csv", index_col="name")
    reference = pd.read_csv(_REFERENCE / "features.csv", index_col="name")
    wanted = ["canonical_unit", "molar_mass", "chemical_class", "kind", "aliases"]
    joined = panel.join(reference[wanted], how="left", validate="1:1")
    if joined["canonical_unit"].isna().any():
        unknown = list(joined.index[joined["canonical_unit"].isna()])
        raise ValueError(f"panel.csv names features that the reference lacks: {unknown}.")
    return joined.assign(aliases=joined["aliases"].fillna(""))


def with_drawn_effects(panel: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The panel with a sex and an age effect for every feature (SD units)."""
    sex = rng.normal(0, 0.25, len(panel))
    age = rng.normal(0, 0.10, len(panel))
    return panel.assign(
        sex_d=panel["sex_d"].where(panel["sex_d"].notna(), sex),
        age_d=panel["age_d"].where(panel["age_d"].notna(), age),
    )


def common_loadings(panel: pd.DataFrame, rng: np.random.Generator) -> FloatArray:
    """Loadings (n_features, N_COMMON_FACTORS); with the block's they stay below unit variance."""
    raw = rng.normal(size=(len(panel), N_COMMON_FACTORS))
    unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    free = _BLOCK_FREE_SHARE * (1 - panel["loading"].to_numpy() ** 2)
    return np.asarray(unit * np.sqrt(free)[:, None], dtype=np.float64)
