"""Effects of the group at each site: linear models by stratum, platform and feature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.plans import STRATA, AnalysisPlan
from analysis.stats.effects import fit_effects
from analysis.steps.blocks import Block, Note, Prepared
from analysis.steps.pieces import Piece, Steps, work
from cohorts.language.sentences import say


def site_effects(
    prepared: Prepared, plan: AnalysisPlan, steps: Steps
) -> tuple[dict[str, list[pd.DataFrame]], list[Note]]:
    """By stratum the effects of each site and platform; where there is none, the row says why."""
    # A block of which every feature is too rarely measured has no rows.
    blocks = [block for block in prepared.blocks if len(block.values.columns)]
    by_block = [effects_pieces(block, prepared.people, plan) for block in blocks]
    asked = [(stratum, pieces[stratum]) for stratum in plan.strata for pieces in by_block]
    found = steps.each([piece for _, piece in asked])
    parts: dict[str, list[pd.DataFrame]] = {}
    for (stratum, _), result in zip(asked, found, strict=True):
        parts.setdefault(stratum, []).append(result["table"])
    return parts, [Note(**said) for result in found for said in result["notes"]]


def features_of(block: Block) -> pd.DataFrame:
    """What a platform's features are called at the site, and how often they were not detected."""
    names = block.values.columns
    return block.sources.reindex(names).assign(n_below_lod=block.n_below_lod.reindex(names))


def effects_pieces(block: Block, people: pd.DataFrame, plan: AnalysisPlan) -> dict[str, Piece]:
    """A site's linear models on one platform by stratum, and no more than each of them reads."""
    here = people.loc[block.values.index]
    known = {f"{COVARIATE}{name}": covariate_of(here, name) for name in plan.covariates}
    columns = pd.DataFrame({"case": here["case"], "batch": block.batch} | known)
    same = {
        # Made once for all strata: what pieces share is digested once.
        "features": features_of(block),
        "covariates": list(plan.covariates),
        "min_per_arm": plan.min_per_arm,
        "min_covariate_known": plan.min_covariate_known,
    }
    place = {name: getattr(block, name) for name in ("site", "platform", "matrix", "scale")}
    everybody = block.values.index.tolist()
    pieces = {}
    for stratum in plan.strata:
        chosen = _in_stratum(here, stratum)
        inputs = {
            "values": block.values[chosen],
            "people": columns[chosen],
            "place": {"stratum": stratum} | place,
        }
        pieces[stratum] = Piece("site effects", inputs | same, everybody)
    return pieces


def _in_stratum(people: pd.DataFrame, stratum: str) -> NDArray[np.bool_]:
    sex = STRATA[stratum]
    if sex is None:
        return np.ones(len(people), dtype=bool)
    return people["sex"].eq(sex).to_numpy(dtype=bool)


COVARIATE = "covariate "
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


@work("site effects")
def block_effects(
    values: pd.DataFrame,
    people: pd.DataFrame,
    features: pd.DataFrame,
    place: dict[str, str],
    covariates: list[str],
    min_per_arm: int,
    min_covariate_known: float,
) -> dict[str, Any]:
    """One site's linear models on one platform in one stratum."""
    site, stratum = place["site"], place["stratum"]
    case = people["case"].to_numpy(dtype=float)
    adjusted, notes = covariates_of(people, covariates, min_covariate_known, place)
    fit = fit_effects(values.to_numpy(), case, adjusted)
    few = (fit.n_case < min_per_arm) | (fit.n_control < min_per_arm)
    reason = np.where(
        few,
        say("fewer than %(min_per_arm)s people in an arm of this site", min_per_arm=min_per_arm),
        np.array(fit.reason, dtype=object),
    )
    usable = ~few & np.isfinite(fit.estimate)
    numbers = {
        name: np.where(usable, getattr(fit, name), np.nan)
        for name in ("estimate", "se", "df", "p", "hedges_g", "hedges_g_variance")
    }
    told = ("unit", "source_name", "hmdb", "n_below_lod")
    table = pd.DataFrame(
        {
            "stratum": stratum,
            "feature": values.columns,
            "site": site,
            **numbers,
            "n_case": fit.n_case,
            "n_control": fit.n_control,
            "adjusted_for": ";".join(fit.adjusted_for),
            **{name: place[name] for name in ("platform", "matrix", "scale")},
            **{name: features[name].to_numpy() for name in told},
            "reason": reason.astype(str),
        }
    )
    if len(people) and not usable.any():
        n_case, n_control = int(case.sum()), int((case == 0).sum())
        arms = f"{n_case} cases, {n_control} controls"
        why = f"no effect in stratum {stratum}: {arms} on {place['platform']}"
        lacking = f"a site has too few people in an arm of stratum {stratum}"
        notes.append(Note(site, "effects", len(table), why, lacking))
    return {"table": table, "notes": [asdict(note) for note in notes]}


def covariates_of(
    people: pd.DataFrame, names: list[str], min_known: float, place: dict[str, str]
) -> tuple[pd.DataFrame | None, list[Note]]:
    """What this site can be adjusted for: covariates known of enough of its people, and batches."""
    columns: dict[str, pd.Series] = {}
    notes = []
    for name in names:
        values = people[f"{COVARIATE}{name}"]
        known = float(values.notna().mean()) if len(values) else 0.0
        if known >= min_known:
            columns[name] = values
            lacking = int(values.isna().sum())
            if lacking and place["stratum"] == "all":
                why = f"no {name}, which the model adjusts for"
                notes.append(Note(place["site"], "participants", lacking, why))
        elif len(values) and place["stratum"] == "all":
            why = f"{name} is known of {known:.0%} of this site's people: not adjusted for it here"
            seldom = f"{name} is known of too few people of a site: not adjusted for it there"
            notes.append(Note(place["site"], "covariate", 1, why, seldom))
    if people["batch"].nunique() > 1:
        columns["batch"] = people["batch"]
    return (pd.DataFrame(columns) if columns else None), notes


def covariate_of(people: pd.DataFrame, name: str) -> pd.Series:
    if name == "sex":
        return people["sex"].where(people["sex"] != "unknown")
    if name in people:
        return people[name]
    variable = f"variable:{name}"
    return people[variable] if variable in people else pd.Series(np.nan, index=people.index)


def all_effects(parts: Mapping[str, list[pd.DataFrame]]) -> tuple[pd.DataFrame, list[Note]]:
    """The table of effects of all strata, and which sites measured features twice."""
    strata = [pd.concat(tables, ignore_index=True) for tables in parts.values()]
    if not strata:
        return pd.DataFrame(columns=EFFECT_COLUMNS), []
    twice = next((found for stratum in strata if (found := measured_twice(stratum))), [])
    return pd.concat([best_of_site(stratum) for stratum in strata], ignore_index=True), twice


def best_of_site(effects: pd.DataFrame) -> pd.DataFrame:
    """Of one stratum: where a site measured a feature twice, the one with more people counts."""
    if not effects.duplicated(["feature", "site"]).any():
        return effects[EFFECT_COLUMNS].reset_index(drop=True)
    order = effects.assign(
        n=(effects["n_case"] + effects["n_control"]).where(effects["estimate"].notna(), -1)
    )
    order = order.sort_values("n", ascending=False, kind="stable")
    best = order.drop_duplicates(["feature", "site"])
    return effects.loc[best.index.sort_values(), EFFECT_COLUMNS].reset_index(drop=True)


def measured_twice(effects: pd.DataFrame) -> list[Note]:
    """A note for each site that measured features of this stratum on two platforms."""
    second = effects[effects.duplicated(["feature", "site"])]
    why = say("measured on two platforms or materials of the site; the one with more people counts")
    return [
        Note(str(site), "features", len(features), why) for site, features in second.groupby("site")
    ]
