"""Tubes between the vein and the freezer: when, how, and what that does to the blood."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import numpy as np
import pandas as pd

from hikiproject.simulation.panel import FloatArray
from hikiproject.simulation.people import CONTROL
from hikiproject.simulation.sites import SiteDesign

ARGININE_LOSS_PER_HOUR = 0.10
LIGHT_LOSS_OF_BILIRUBIN = 0.25
ARGINASE_PER_HAEMOLYSIS_UNIT = 0.5
ACYLCARNITINE_PER_FASTING_HOUR = 0.01
USUAL_FASTING_HOURS = 11.0


def draw_tubes(people: pd.DataFrame, design: SiteDesign, rng: np.random.Generator) -> pd.DataFrame:
    """One plasma and one serum tube a person, plasma first.

    Columns: sample, participant, material, tube, collected_at, spun_at, frozen_at (local
    times), delay_hours, fasting_hours, haemolysis_index (0 is none), light_protected, freeze_thaws,
    and of the site's protocol temperature, centrifugation, second_centrifugation and storage.
    """
    n = len(people)
    collected = [_morning(day, rng) for day in people["enrolled_on"]]
    shared = pd.DataFrame(
        {
            "participant": people["participant"].to_numpy(),
            "collected_at": collected,
            "fasting_hours": rng.normal(USUAL_FASTING_HOURS, 1.3, n).clip(2, 16).round(1),
            "light_protected": rng.random(n) < design.share_light_protected,
        }
    )
    case = (people["group"] != CONTROL).to_numpy()
    low = np.where(case, design.spin_delay_case_hours[0], design.spin_delay_control_hours[0])
    high = np.where(case, design.spin_delay_case_hours[1], design.spin_delay_control_hours[1])
    plasma = _tubes(shared, "plasma", design.plasma_tube, rng.uniform(low, high), rng)
    serum = _tubes(shared, "serum", "SST", rng.uniform(0.6, 1.3, n), rng)
    protocol = design.protocol
    spun = (_spun(plasma, protocol.plasma_spins), _spun(serum, protocol.serum_spins))
    return pd.concat(spun, ignore_index=True).assign(
        temperature=protocol.temperature, storage=protocol.storage
    )


def _spun(tubes: pd.DataFrame, spins: tuple[str, str]) -> pd.DataFrame:
    return tubes.assign(centrifugation=spins[0], second_centrifugation=spins[1])


def _morning(day: date, rng: np.random.Generator) -> datetime:
    # Local time of the site, without an offset, as a clock on the wall shows it.
    start = datetime.combine(day, time(8, 0)) + timedelta(days=int(rng.integers(0, 15)))
    return start + timedelta(minutes=int(rng.integers(0, 170)))


def _tubes(
    shared: pd.DataFrame, material: str, tube: str, delay: FloatArray, rng: np.random.Generator
) -> pd.DataFrame:
    n = len(shared)
    minutes = np.round(delay * 60).astype(int)
    spun = shared["collected_at"] + pd.to_timedelta(minutes, unit="min")
    haemolysis = np.where(rng.random(n) < 0.04, rng.uniform(0.8, 1.6, n), rng.gamma(2, 0.05, n))
    return shared.assign(
        sample=shared["participant"] + f"-{material[0].upper()}",
        material=material,
        tube=tube,
        spun_at=spun,
        frozen_at=spun + pd.to_timedelta(rng.integers(15, 60, n), unit="min"),
        delay_hours=minutes / 60,
        haemolysis_index=haemolysis.round(2),
        freeze_thaws=rng.choice([0, 1, 2], n, p=[0.7, 0.25, 0.05]),
    )


def after_handling(ln_levels: pd.DataFrame, tubes: pd.DataFrame) -> pd.DataFrame:
    """ln levels that are left in these tubes (n_tubes, n_features), indexed by sample."""
    left = ln_levels.loc[tubes["participant"]].set_axis(tubes["sample"].to_numpy(), axis=0)
    if (tubes["material"] == "plasma").all():
        arginine, ornithine = np.exp(left["arginine"]), np.exp(left["ornithine"])
        lost = arginine * (1 - np.exp(-ARGININE_LOSS_PER_HOUR * tubes["delay_hours"].to_numpy()))
        left["arginine"], left["ornithine"] = np.log(arginine - lost), np.log(ornithine + lost)
    exposed = ~tubes["light_protected"].to_numpy()
    left.loc[exposed, ["bilirubin", "conjugated bilirubin"]] -= LIGHT_LOSS_OF_BILIRUBIN
    red_cells = ARGINASE_PER_HAEMOLYSIS_UNIT * tubes["haemolysis_index"].to_numpy()
    fasting = tubes["fasting_hours"].to_numpy() - USUAL_FASTING_HOURS
    for feature in left.columns:
        if feature.startswith("arginase"):
            left[feature] += red_cells
        elif feature.endswith("carnitine") and feature != "carnitine":
            left[feature] += ACYLCARNITINE_PER_FASTING_HOUR * fasting
    return left
