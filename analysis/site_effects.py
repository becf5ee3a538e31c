"""Effects of the group at each site: linear models by stratum, platform and feature."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.plans import STRATA, AnalysisPlan
from analysis.prepare import Block, Note, Prepared
from analysis.stats.effects import fit_effects


def site_effects(prepared: Prepared, plan: AnalysisPlan) -> tuple[pd.DataFrame, list[Note]]:
    """Effects by stratum, feature and site; where a site has none, the row says why."""
    parts, notes = [], []
    for stratum in plan.strata:
        for block in prepared.blocks:
            # A block of which every feature is too rarely measured has no rows.
            if not len(block.values.columns):
                continue
            part, said = block_effects(block, prepared.people, stratum, plan)
            parts.append(part)
            notes += said
    if not parts:
        return pd.DataFrame(columns=EFFECT_COLUMNS), notes
    effects = pd.concat(parts, ignore_index=True)
    return _best_of_site(effects, notes)[EFFECT_COLUMNS], notes


EFFECT_COLUMNS = [
    "stratum",
    "feature",
    "site",
    "estimate",
    "se",
    "df",
    "p",
    "n_case",
    "n_control",
    "hedges_g",
    "hedges_g_variance",
    "adjusted_for",
    "platform",
    "matrix",
    "scale",
    "unit",
    "source_name",
    "hmdb",
    "n_below_lod",
    "reason",
]


def block_effects(
    block: Block, people: pd.DataFrame, stratum: str, plan: AnalysisPlan
) -> tuple[pd.DataFrame, list[Note]]:
    """One site's linear models on one platform in one stratum."""
    here = people.loc[block.values.index]
    if STRATA[stratum] is not None:
        here = here[here["sex"] == STRATA[stratum]]
    case = here["case"].to_numpy(dtype=float)
    covariates, notes = covariates_of(here, block, stratum, plan)
    fit = fit_effects(block.values.loc[here.index].to_numpy(), case, covariates)
    few = (fit.n_case < plan.min_per_arm) | (fit.n_control < plan.min_per_arm)
    reason = np.where(
        few,
        f"fewer than {plan.min_per_arm} people in an arm of this site",
        np.array(fit.reason, dtype=object),
    )
    usable = ~few & np.isfinite(fit.estimate)
    numbers = {
        name: np.where(usable, getattr(fit, name), np.nan)
        for name in ("estimate", "se", "df", "p", "hedges_g", "hedges_g_variance")
    }
    names = block.values.columns
    table = pd.DataFrame(
        {
            "stratum": stratum,
            "feature": names,
            "site": block.site,
            **numbers,
            "n_case": fit.n_case,
            "n_control": fit.n_control,
            "adjusted_for": ";".join(fit.adjusted_for),
            "platform": block.platform,
            "matrix": block.matrix,
            "scale": block.scale,
            "unit": block.sources["unit"].reindex(names).to_numpy(),
            "source_name": block.sources["source_name"].reindex(names).to_numpy(),
            "hmdb": block.sources["hmdb"].reindex(names).to_numpy(),
            "n_below_lod": block.n_below_lod.reindex(names).to_numpy(),
            "reason": reason.astype(str),
        }
    )
    if len(here) and not usable.any():
        n_case, n_control = int(case.sum()), int((case == 0).sum())
        arms = f"{n_case} cases, {n_control} controls"
        why = f"no effect in stratum {stratum}: {arms} on {block.platform}"
        lacking = f"a site has too few people in an arm of stratum {stratum}"
        notes.append(Note(block.site, "effects", len(names), why, lacking))
    return table, notes


def covariates_of(
    here: pd.DataFrame, block: Block, stratum: str, plan: AnalysisPlan
) -> tuple[pd.DataFrame | None, list[Note]]:
    """What this site can be adjusted for: covariates known of enough of its people, and batches."""
    columns: dict[str, pd.Series] = {}
    notes = []
    for name in plan.covariates:
        values = covariate_of(here, name)
        known = float(values.notna().mean()) if len(values) else 0.0
        if known >= plan.min_covariate_known:
            columns[name] = values
            lacking = int(values.isna().sum())
            if lacking and stratum == "all":
                notes.append(
                    Note(
                        block.site,
                        "participants",
                        lacking,
                        f"no {name}, which the model adjusts for",
                    )
                )
        elif len(values) and stratum == "all":
            why = f"{name} is known of {known:.0%} of this site's people: not adjusted for it here"
            seldom = f"{name} is known of too few people of a site: not adjusted for it there"
            notes.append(Note(block.site, "covariate", 1, why, seldom))
    batch = block.batch.reindex(here.index)
    if batch.nunique() > 1:
        columns["batch"] = batch
    return (pd.DataFrame(columns) if columns else None), notes


def covariate_of(people: pd.DataFrame, name: str) -> pd.Series:
    if name == "sex":
        return people["sex"].where(people["sex"] != "unknown")
    if name in people:
        return people[name]
    variable = f"variable:{name}"
    return people[variable] if variable in people else pd.Series(np.nan, index=people.index)


def _best_of_site(effects: pd.DataFrame, notes: list[Note]) -> pd.DataFrame:
    """Where a site measured a feature on two platforms, the one with more people counts."""
    order = effects.assign(
        n=(effects["n_case"] + effects["n_control"]).where(effects["estimate"].notna(), -1)
    )
    order = order.sort_values("n", ascending=False, kind="stable")
    keys = ["stratum", "feature", "site"]
    second = order[order.duplicated(keys)]
    for site, features in (
        second[second["stratum"] == second["stratum"].iloc[0]].groupby("site")
        if len(second)
        else ()
    ):
        why = "measured on two platforms or materials of the site; the one with more people counts"
        notes.append(Note(str(site), "features", len(features), why))
    best = order.drop_duplicates(keys)
    return effects.loc[best.index.sort_values()].reset_index(drop=True)
