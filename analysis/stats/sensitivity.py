"""Does an effect stand when drugs, meals, handling, depression and weight are taken out of it?

Hikikomori and depression share much of a blood signature, drugs move it and late handling imitates
it. A single adjusted number hides which of these an effect leans on; the grid shows all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.stats.effects import fit_effects
from analysis.stats.errors import UnusableData
from analysis.stats.roc import as_cases
from analysis.stats.tables import real_numbers

Bools = NDArray[np.bool_]

FASTING_HOURS = 8.0
MIN_PER_ARM = 5
COLUMNS = (
    "cell",
    "changes",
    "feature",
    "estimate",
    "se",
    "p",
    "hedges_g",
    "hedges_g_variance",
    "n_case",
    "n_control",
    "same_side",
    "reason",
)


@dataclass(frozen=True)
class Change:
    """One thing that the analysis may do: keep some people, or adjust for a column.

    ``keep``: people whose value in ``column`` is at least ``least``; ``adjust``: the column joins
    the covariates. People without the value are left out in both.
    """

    name: str
    kind: Literal["keep", "adjust"]
    column: str
    least: float = 1.0


CHANGES = (
    Change("drug-free", "keep", "drug_free"),
    Change("fasting", "keep", "fasting_hours", FASTING_HOURS),
    Change("handling", "keep", "handled_well"),
    Change("depression-adjusted", "adjust", "depression"),
    Change("BMI-adjusted", "adjust", "bmi"),
)
"""Two to the fifth, 32 cells, the first of which changes nothing."""


def sensitivity_grid(
    values: pd.DataFrame,
    is_case: ArrayLike,
    people: pd.DataFrame,
    *,
    covariates: Sequence[str] = (),
    changes: Sequence[Change] = CHANGES,
) -> pd.DataFrame:
    """One site's effects under every combination of the changes, as plain rows [1]_.

    Parameters
    ----------
    values : DataFrame of shape (n_samples, n_features)
        On the scale of the analysis; NaN is missing.
    is_case : array-like of shape (n_samples,)
        1 for a case, 0 for a control.
    people : DataFrame of shape (n_samples, any)
        The columns of ``covariates`` and of the changes: ``drug_free`` and ``handled_well`` (1, 0,
        NaN), ``fasting_hours``, ``depression`` (a scale's total), ``bmi`` (kg/m2).
    covariates : names of columns of ``people``
        In every cell.

    Returns
    -------
    DataFrame with the columns ``COLUMNS``, a row for each cell and feature. ``cell`` is 0 for the
    analysis as planned; ``changes`` names what is changed, joined by " + ". ``same_side`` is
    whether the estimate has the sign of cell 0. A cell that cannot be computed has NaN and the
    ``reason``, never no row.

    Raises
    ------
    UnusableData
        Rows that do not fit, no sample or feature, or covariates that ``people`` lacks.

    References
    ----------
    .. [1] Steegen, Tuerlinckx, Gelman and Vanpaemel 2016, doi:10.1177/1745691616658637
    """
    group = as_cases(is_case)
    if values.empty:
        raise UnusableData(f"Values have the shape {values.shape}: give samples and features.")
    if not len(values) == len(people) == len(group):
        raise UnusableData(
            f"{len(values)} rows of values, {len(people)} people and {len(group)} labels: "
            "give one of each a person."
        )
    missing = [name for name in covariates if name not in people]
    if missing:
        raise UnusableData(f"People have no column {', '.join(missing)}: drop it or supply it.")
    cells = [
        _cell(number, chosen, values, group, people, list(covariates))
        for number, chosen in enumerate(cells_of(changes))
    ]
    grid = pd.concat(cells, ignore_index=True)
    planned = grid.loc[grid["cell"] == 0].set_index("feature")["estimate"]
    side = np.sign(grid["estimate"]) == np.sign(grid["feature"].map(planned))
    grid["same_side"] = side.where(grid["estimate"].notna()).astype("boolean")
    return grid[list(COLUMNS)]


def cells_of(changes: Sequence[Change]) -> list[tuple[Change, ...]]:
    """Every subset, the fewest changes first."""
    subsets = [
        tuple(change for change, on in zip(changes, switches, strict=True) if on)
        for switches in product((True, False), repeat=len(changes))
    ]
    return sorted(subsets, key=len)


def _cell(
    number: int,
    chosen: tuple[Change, ...],
    values: pd.DataFrame,
    group: Bools,
    people: pd.DataFrame,
    covariates: list[str],
) -> pd.DataFrame:
    kept, reason = who_stays(chosen, group, people)
    found = pd.DataFrame({"feature": [str(name) for name in values.columns]})
    found = found.assign(
        cell=number,
        changes=" + ".join(change.name for change in chosen),
        n_case=int((kept & group).sum()),
        n_control=int((kept & ~group).sum()),
        **dict.fromkeys(("estimate", "se", "p", "hedges_g", "hedges_g_variance"), np.nan),
        reason=reason,
    )
    if reason:
        return found
    adjusted = [*covariates, *(change.column for change in chosen if change.kind == "adjust")]
    try:
        effects = fit_effects(
            values[kept],
            group[kept],
            people.loc[kept, adjusted] if adjusted else None,
        )
    except UnusableData as error:
        return found.assign(reason=str(error))
    return found.assign(
        estimate=effects.estimate,
        se=effects.se,
        p=effects.p,
        hedges_g=effects.hedges_g,
        hedges_g_variance=effects.hedges_g_variance,
        n_case=effects.n_case,
        n_control=effects.n_control,
        reason=list(effects.reason),
    )


def who_stays(chosen: tuple[Change, ...], group: Bools, people: pd.DataFrame) -> tuple[Bools, str]:
    """Who is kept, and why the cell cannot be computed (empty where it can)."""
    if len(people) != len(group):
        raise UnusableData(f"{len(people)} people and {len(group)} labels: give one of each.")
    kept = np.ones(len(group), dtype=bool)
    for change in chosen:
        if change.column not in people:
            return np.zeros(len(group), dtype=bool), f"{change.column} is not recorded at this site"
        column = real_numbers(people[change.column], f"People's {change.column}")
        if np.isinf(column).any():
            raise UnusableData(f"People's {change.column} is infinite: correct or empty it.")
        kept &= column >= change.least if change.kind == "keep" else np.isfinite(column)
    n_case, n_control = int((kept & group).sum()), int((kept & ~group).sum())
    if min(n_case, n_control) < MIN_PER_ARM:
        return kept, (
            f"{n_case} cases and {n_control} controls are left: "
            f"an effect needs at least {MIN_PER_ARM} of each"
        )
    return kept, ""
