"""Values that fit their reference range only under another unit: asked about, never changed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cohorts.ingest.units import UnitMismatch, factor_to, spelled

# The units in which laboratories report what this study measures.
OTHERS = ("umol/L", "mmol/L", "nmol/L", "mg/dL", "mg/L", "g/L", "ng/mL")
# Illness moves a value out of its range, a wrong unit moves it by far more: 10 at the least.
FAR_OFF = 3.0


@dataclass(frozen=True)
class UnitSuspicion:
    """``n`` of ``n_values`` fit the range only if they are in ``unit``."""

    unit: str
    n: int
    n_values: int


def other_unit(
    values: NDArray[np.float64],
    *,
    unit: str,
    canonical_unit: str,
    molar_mass: float | None,
    low: float,
    high: float,
) -> UnitSuspicion | None:
    """The unit that explains most of the values that the stated unit does not; None without one.

    Parameters
    ----------
    values : array of shape (n_values,)
        As reported, in ``unit``; NaN is left out.
    low, high : float, in the canonical unit
        The reference range; over sexes and ages, so that the question tells nobody's sex.
    """
    known = values[np.isfinite(values)]
    try:
        stated = known * factor_to(unit, canonical_unit, molar_mass)
    except UnitMismatch:
        return None
    far = (stated < low / FAR_OFF) | (stated > high * FAR_OFF)
    found: list[UnitSuspicion] = []
    for other in OTHERS:
        if other == spelled(unit):
            continue
        try:
            meant = known * factor_to(other, canonical_unit, molar_mass)
        except UnitMismatch:
            continue
        n = int((far & (meant >= low) & (meant <= high)).sum())
        if n:
            found.append(UnitSuspicion(other, n, len(known)))
    return max(found, key=lambda each: each.n, default=None)
