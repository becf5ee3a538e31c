"""Effects of the sites once more, with residual variances that borrow strength (moderated t)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.plans import AnalysisPlan
from analysis.stats.errors import UnusableData
from analysis.stats.moderated import fit_moderated_effects
from analysis.stats.multiplicity import adjust_p
from analysis.steps.blocks import Prepared
from analysis.steps.pieces import Piece, Steps, work
from analysis.steps.site_effects import covariates_of, effects_pieces

COLUMNS = (
    *("stratum", "feature", "site", "estimate", "se", "t", "df", "p", "q", "df_prior", "plain_se"),
    *("plain_p", "n_case", "n_control", "adjusted_for", "platform", "reason"),
)
NUMBERS = ("estimate", "se", "t", "df", "p", "df_prior")
KEYS = ["stratum", "feature", "site"]


def moderated_effects(
    prepared: Prepared, effects: pd.DataFrame, plan: AnalysisPlan, steps: Steps
) -> pd.DataFrame:
    """A row for each row of ``effects``, with that row's own se and p as ``plain_se``, ``plain_p``.

    q is within stratum, site and platform: the panel that the variances borrow from.
    """
    blocks = [block for block in prepared.blocks if len(block.values.columns)]
    by_block = [effects_pieces(block, prepared.people, plan) for block in blocks]
    found = steps.each(
        [_piece(pieces[stratum], plan) for stratum in plan.strata for pieces in by_block]
    )
    if not found:
        return pd.DataFrame(columns=list(COLUMNS))
    plain = effects[[*KEYS, "platform", "se", "p"]]
    plain = plain.rename(columns={"se": "plain_se", "p": "plain_p"})
    # The effects name the platform that counts where a site measured a feature on two.
    table = plain.merge(pd.concat(found, ignore_index=True), on=[*KEYS, "platform"], how="left")
    return table[list(COLUMNS)]


def _piece(same: Piece, plan: AnalysisPlan) -> Piece:
    """Of the very same people and covariates as the effects."""
    names = ("values", "people", "place", "covariates", "min_per_arm", "min_covariate_known")
    inputs = {name: same.inputs[name] for name in names}
    inputs |= {"moderated": plan.moderated, "multiplicity": plan.multiplicity}
    return Piece("moderated effects", inputs, same.people)


@work("moderated effects")
def block_moderated(
    values: pd.DataFrame,
    people: pd.DataFrame,
    place: dict[str, str],
    covariates: list[str],
    min_per_arm: int,
    min_covariate_known: float,
    moderated: str,
    multiplicity: str,
) -> pd.DataFrame:
    """One site's panel on one platform in one stratum."""
    case = people["case"].to_numpy(dtype=float)
    adjusted, _ = covariates_of(people, covariates, min_covariate_known, place)
    told = {"feature": values.columns, "stratum": place["stratum"], "site": place["site"]}
    table = pd.DataFrame(told | {"platform": place["platform"]})
    known = values.notna().to_numpy()
    n_case, n_control = (known[case == arm].sum(axis=0) for arm in (1, 0))
    enough = (n_case >= min_per_arm) & (n_control >= min_per_arm)
    few = f"fewer than {min_per_arm} people in an arm of this site"
    table = table.assign(n_case=n_case, n_control=n_control, adjusted_for="", reason=few)
    table[[*NUMBERS, "q"]] = np.nan
    if enough.any():
        # Features that are no test of this site teach nobody what a variance is.
        fitted = _fit(values.loc[:, enough], case, adjusted, moderated, multiplicity)
        for name, column in fitted.items():
            whole = table[name].to_numpy(copy=True)
            whole[enough] = column
            table[name] = whole
    return table


def _fit(
    values: pd.DataFrame,
    case: Any,
    adjusted: pd.DataFrame | None,
    moderated: str,
    multiplicity: str,
) -> dict[str, Any]:
    """The columns of the features that have enough people, in their order."""
    try:
        fit = fit_moderated_effects(
            values.to_numpy(),
            case,
            adjusted,
            trend="trend" in moderated,
            robust="robust" in moderated,
        )
    except UnusableData as error:
        return {"reason": str(error)}
    tested = np.isfinite(fit.p)
    numbers = {"estimate": fit.estimate, "se": fit.se, "t": fit.t, "df": fit.df_total, "p": fit.p}
    # An infinite prior has no number that a table may hold.
    numbers |= {"df_prior": np.where(np.isinf(fit.df_prior), np.nan, fit.df_prior)}
    numbers |= {"q": adjust_p(fit.p, multiplicity)}
    return {
        **{name: np.where(tested, column, np.nan) for name, column in numbers.items()},
        "n_case": fit.n_case,
        "n_control": fit.n_control,
        "adjusted_for": ";".join(fit.adjusted_for),
        "reason": list(fit.reason),
    }
