"""Blood as it was in the vein: ln levels of every feature, with everything planted in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hikiproject.simulation.panel import N_COMMON_FACTORS, FloatArray
from hikiproject.simulation.people import CONTROL, PRE
from hikiproject.simulation.planted import SUBGROUP_D, PlantedEffect, subgroup_direction

REFERENCE_AGE_YEARS = 28.0


@dataclass(frozen=True)
class Blood:
    """``ln_levels`` (n_people, n_features) of the canonical unit, indexed by participant.

    ``acylcarnitine_factor`` (n_people,) is the standard normal factor of the long-chain species.
    """

    ln_levels: pd.DataFrame
    acylcarnitine_factor: FloatArray


def draw_blood(
    people: pd.DataFrame,
    panel: pd.DataFrame,
    loadings: FloatArray,
    effects: Sequence[PlantedEffect],
    site: str,
    rng: np.random.Generator,
) -> Blood:
    """Levels of these people; ``loadings`` (n_features, n_common_factors) are one for all sites."""
    blocks, index = np.unique(panel["block"], return_inverse=True)
    block_factors = rng.normal(size=(len(people), len(blocks)))
    long, medium = _at(blocks, "long-chain"), _at(blocks, "medium-chain")
    # Half of the medium-chain factor is the long-chain one: both follow beta-oxidation.
    block_factors[:, medium] = 0.5 * block_factors[:, long] + 0.75**0.5 * block_factors[:, medium]
    own_share = panel["loading"].to_numpy()
    z = block_factors[:, index] * own_share
    z += rng.normal(size=(len(people), N_COMMON_FACTORS)) @ loadings.T
    rest = np.sqrt(1 - own_share**2 - (loadings**2).sum(axis=1))
    z += _own_part(people, panel, rng) * rest
    z += _sex_and_age(people, panel) + _case_part(people, panel, effects, site)
    ln = np.log(panel["median"].to_numpy()) + z * panel["sd_ln"].to_numpy()
    frame = pd.DataFrame(ln, index=people["participant"].to_numpy(), columns=panel.index)
    return Blood(frame, block_factors[:, long])


def _at(blocks: FloatArray, prefix: str) -> int:
    return next(i for i, block in enumerate(blocks) if str(block).startswith(prefix))


def _own_part(people: pd.DataFrame, panel: pd.DataFrame, rng: np.random.Generator) -> FloatArray:
    """What a feature shares with no other: unit variance but for users of caffeine and tobacco."""
    shape = (len(people), len(panel))
    own = rng.normal(size=shape)
    heavy = (panel["tail"] == "heavy").to_numpy()
    own[:, heavy] = rng.standard_t(4, size=(len(people), heavy.sum())) / np.sqrt(2)
    users = (panel["tail"] == "users").to_numpy()
    abstains = rng.random((len(people), users.sum())) < 0.35
    own[:, users] -= np.where(abstains, 3.0, 0.0)
    return own


def _sex_and_age(people: pd.DataFrame, panel: pd.DataFrame) -> FloatArray:
    man = people["man"].to_numpy(dtype=float)[:, None] - 0.5
    decades = (people["age_years"].to_numpy(dtype=float)[:, None] - REFERENCE_AGE_YEARS) / 10
    part = man * panel["sex_d"].to_numpy() + decades * panel["age_d"].to_numpy()
    return np.asarray(part, dtype=np.float64)


def _case_part(
    people: pd.DataFrame, panel: pd.DataFrame, effects: Sequence[PlantedEffect], site: str
) -> FloatArray:
    """Planted effects in SD; pre-hikikomori has half of them, controls none."""
    dose = people["group"].map({CONTROL: 0.0, PRE: 0.5}).fillna(1.0).to_numpy()
    man = people["man"].to_numpy()
    part = np.zeros((len(people), len(panel)))
    for effect in effects:
        concerned = dose * (man if effect.sex == "men" else 1.0)
        for feature in effect.features:
            part[:, panel.index.get_loc(feature)] += concerned * effect.by_site[site]
    direction = np.array([subgroup_direction(name) for name in panel.index])
    part += SUBGROUP_D * people["subgroup"].to_numpy()[:, None] * direction
    return part
