"""One mixed model over all sites, beside the effects that are pooled in two stages.

Where both agree, the pooling did not make the effect. The values are divided by their standard
deviation within the arms of a site, so that the estimate is on the scale of Hedges g; the level of
each site stays, and a random intercept takes it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.plans import STRATA, AnalysisPlan
from analysis.stats.errors import UnusableData
from analysis.stats.mixed import fit_mixed_effects
from analysis.steps.blocks import Prepared
from analysis.steps.pieces import Piece, Steps, work
from analysis.steps.site_effects import covariate_of

Z95 = 1.959963984540054
AT_BOUND = "the variance between sites is at its bound, 0: the sites differ by no more than chance"
COLUMNS = (
    *("stratum", "feature", "estimate", "se", "ci_low", "ci_high", "p"),
    *("site_sd", "residual_sd", "at_bound", "pooled_estimate", "pooled_se", "adjusted_for"),
    *("n_sites", "n_case", "n_control", "reason"),
)


def one_stage(
    prepared: Prepared, pooled: pd.DataFrame, plan: AnalysisPlan, steps: Steps
) -> pd.DataFrame:
    """The mixed models of every stratum, with the pooled effects beside them."""
    values, people = prepared.together
    if values.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    asked = [stratum for stratum in plan.strata if not pooled[pooled["stratum"] == stratum].empty]
    found = steps.each([_piece(stratum, values, people, plan) for stratum in asked])
    if not found:
        return pd.DataFrame(columns=list(COLUMNS))
    beside = pooled[["stratum", "feature", "estimate", "se"]]
    beside = beside.rename(columns={"estimate": "pooled_estimate", "se": "pooled_se"})
    table: pd.DataFrame = pd.concat(found, ignore_index=True)
    return table.merge(beside, on=["stratum", "feature"], how="left")[list(COLUMNS)]


def _piece(stratum: str, values: pd.DataFrame, people: pd.DataFrame, plan: AnalysisPlan) -> Piece:
    sex = STRATA[stratum]
    here = people if sex is None else people[people["sex"] == sex]
    known = {name: covariate_of(here, name) for name in plan.covariates}
    enough = {
        name: column
        for name, column in known.items()
        if len(column) and column.notna().mean() >= plan.min_covariate_known
    }
    return Piece(
        "one stage",
        {
            "values": values.loc[here.index],
            "people": here[["site", "case"]],
            "covariates": pd.DataFrame(enough, index=here.index),
            "stratum": stratum,
            "min_per_arm": plan.min_per_arm,
        },
        values.index.tolist(),
    )


@work("one stage")
def mixed_stratum(
    values: pd.DataFrame,
    people: pd.DataFrame,
    covariates: pd.DataFrame,
    stratum: str,
    min_per_arm: int,
) -> pd.DataFrame:
    """One stratum: a row a feature, without numbers but with the reason where there is no fit."""
    scaled = scaled_within_sites(values, people, min_per_arm)
    table = pd.DataFrame({"stratum": stratum, "feature": [str(name) for name in values.columns]})
    try:
        fit = fit_mixed_effects(
            scaled.to_numpy(),
            people["case"].to_numpy(dtype=float),
            people["site"].to_numpy(dtype=str),
            covariates if len(covariates.columns) else None,
        )
    except UnusableData as error:
        lost = ("estimate", "se", "ci_low", "ci_high", "p", "site_sd", "residual_sd")
        nothing: dict[str, Any] = dict.fromkeys(lost, np.nan) | {
            "at_bound": False,
            "adjusted_for": "",
        }
        counts = dict.fromkeys(("n_sites", "n_case", "n_control"), 0)
        return table.assign(**nothing, **counts, at_bound=False, reason=str(error))
    said = [
        reason or (AT_BOUND if at_bound else "")
        for reason, at_bound in zip(fit.reason, fit.at_bound, strict=True)
    ]
    numbers = {name: getattr(fit, name) for name in ("estimate", "se", "p", "site_sd")}
    return table.assign(
        **numbers,
        residual_sd=fit.residual_sd,
        ci_low=fit.estimate - Z95 * fit.se,
        ci_high=fit.estimate + Z95 * fit.se,
        at_bound=fit.at_bound,
        adjusted_for=";".join(fit.adjusted_for),
        **{name: getattr(fit, name) for name in ("n_sites", "n_case", "n_control")},
        reason=said,
    )


def scaled_within_sites(
    values: pd.DataFrame, people: pd.DataFrame, min_per_arm: int
) -> pd.DataFrame:
    """Values in standard deviations within the arms of their site, about the site's own level.

    A site with fewer than ``min_per_arm`` values in an arm does not count, as in two stages.
    """
    scaled = pd.DataFrame(np.nan, index=values.index, columns=values.columns)
    for _, here in people.groupby("site"):
        part = values.loc[here.index]
        arms = [part[(here["case"] == arm).to_numpy()] for arm in (1, 0)]
        counts = [arm.notna().sum() for arm in arms]
        # One value of an arm has no variance, and adds none.
        squares = [
            arm.var(ddof=1).fillna(0.0) * (n - 1) for arm, n in zip(arms, counts, strict=True)
        ]
        spread = ((squares[0] + squares[1]) / (counts[0] + counts[1] - 2)) ** 0.5
        enough = (counts[0] >= min_per_arm) & (counts[1] >= min_per_arm) & (spread > 0)
        scaled.loc[here.index] = part / spread.where(enough)
    return scaled
