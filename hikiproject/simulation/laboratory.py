"""A site's laboratory: its calibration, its noise, its limits and what it does not measure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from hikiproject.simulation.panel import CHOLESTEROL_ESTERS, LONG_CHAIN, FloatArray
from hikiproject.simulation.sites import SiteDesign

URATE_AND_UREA_CYCLE = ("uric acid", "arginine", "ornithine", "citrulline")
ALWAYS_MEASURED = (*LONG_CHAIN, *CHOLESTEROL_ESTERS, *URATE_AND_UREA_CYCLE, "bilirubin")
ROUTINE = ("uric acid", "creatinine", "bilirubin", "citrulline", "glucose")
OWN_LABORATORY = 1.5
ROUTINE_WIDTH = 0.6
"""Routine chemistry is calibrated against common standards: sites differ less."""
N_NOT_MEASURED = 6
SHARE_EMPTY = 0.008
QC_EVERY = 12


@dataclass(frozen=True)
class Laboratory:
    """One site and matrix. All arrays are (n_features,), on the ln scale of the canonical unit.

    A level is reported as ``centre + shift + ratio * (level - centre)`` plus noise of ``noise_sd``;
    below ``limit`` (-inf: none) it is not quantified.
    """

    features: pd.Index[str]
    centre: FloatArray
    shift: FloatArray
    ratio: FloatArray
    noise_sd: FloatArray
    limit: FloatArray


@dataclass(frozen=True)
class Measured:
    """Rows in injection order; ``values`` in canonical units, NaN is empty, ``below`` under limit.

    ``sample`` is the sample's or the QC's code, ``is_qc`` tells which.
    """

    sample: list[str]
    is_qc: list[bool]
    features: pd.Index[str]
    values: FloatArray
    below: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    limit: FloatArray


def found_laboratory(
    panel: pd.DataFrame, design: SiteDesign, matrix: str, rng: np.random.Generator
) -> Laboratory:
    """The laboratory of a site for one matrix; it stays the same for later batches."""
    kept = panel[panel["matrices"].isin([matrix, "both"])]
    if matrix == "serum":
        other = {"arginase activity", "arginase mass"} - {design.arginase}
        kept = kept.drop(index=list(other))
    else:
        optional = kept.index.difference(list(ALWAYS_MEASURED))
        kept = kept.drop(index=list(rng.choice(optional, N_NOT_MEASURED, replace=False)))
    sd, m = kept["sd_ln"].to_numpy(), len(kept)
    urea_cycle = kept.index.isin(["arginine", "ornithine"])
    width = np.where(kept.index.isin(ROUTINE) | (matrix == "serum"), ROUTINE_WIDTH, OWN_LABORATORY)
    width = np.where(urea_cycle, 0.3, width)
    shift = rng.standard_t(4, m).clip(-5, 5) * 0.35 * width * sd
    ratio = np.exp(rng.normal(0, np.where(urea_cycle, 0.1, 0.3 if matrix == "plasma" else 0.1)))
    centre = np.log(kept["median"].to_numpy())
    share_below = _share_below(kept, rng) if matrix == "plasma" else np.zeros(m)
    limit = centre + shift + ratio * sd * ndtri(share_below)
    return Laboratory(kept.index, centre, shift, ratio, _noise(matrix, sd, rng), limit)


def _noise(matrix: str, sd: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Analytical SD of ln: about 9 % in the panel and 3 % in routine chemistry."""
    typical, spread = (0.09, 0.5) if matrix == "plasma" else (0.03, 0.2)
    return np.minimum(rng.lognormal(np.log(typical), spread, len(sd)), 0.5 * sd)


def _share_below(kept: pd.DataFrame, rng: np.random.Generator) -> FloatArray:
    """Share under the limit: none for seven features in ten, over half for a few."""
    kind = rng.random(len(kept))
    share = np.select(
        [kind < 0.70, kind < 0.88, kind < 0.96],
        [0.0, rng.uniform(0.01, 0.15, len(kept)), rng.uniform(0.15, 0.5, len(kept))],
        rng.uniform(0.5, 0.8, len(kept)),
    )
    # A level far above any limit, or one that carries a planted effect, is always quantified.
    sure = kept.index.isin(ALWAYS_MEASURED) | (kept["median"] > 20).to_numpy()
    return np.where(sure, 0.0, share)


def measure(laboratory: Laboratory, tubes: pd.DataFrame, rng: np.random.Generator) -> Measured:
    """Run these tubes (ln levels, indexed by sample) in random order, a pooled QC every twelfth."""
    order = rng.permutation(len(tubes))
    levels = tubes[laboratory.features].to_numpy()[order]
    codes = [str(code) for code in tubes.index[order]]
    positions = list(range(0, len(codes) + 1, QC_EVERY))
    pool = levels.mean(axis=0)
    for n_before, at in enumerate(positions):
        codes.insert(at + n_before, f"QC-{n_before + 1:02d}")
        levels = np.insert(levels, at + n_before, pool, axis=0)
    is_qc = [code.startswith("QC-") for code in codes]
    ln = laboratory.centre + laboratory.shift + laboratory.ratio * (levels - laboratory.centre)
    ln = ln + rng.normal(size=ln.shape) * laboratory.noise_sd
    below = ln < laboratory.limit
    values = np.exp(ln)
    values[(rng.random(ln.shape) < SHARE_EMPTY) & ~below] = np.nan
    return Measured(codes, is_qc, laboratory.features, values, below, np.exp(laboratory.limit))
