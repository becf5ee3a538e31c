"""The sensitivity grid: pooled effects under every combination of the changes that a plan names.

Each site computes its cells by itself (`analysis.stats.sensitivity`); a cell is then pooled over
the sites that have enough people left in it, as the plan pools its own effects.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis.plans import CHANGES_BY_NAME, STRATA, AnalysisPlan
from analysis.stats.meta import PooledEffects, pool_effects
from analysis.stats.sensitivity import cells_of, sensitivity_grid, who_stays
from analysis.steps.blocks import Block, Prepared
from analysis.steps.pieces import Piece, Steps, work
from analysis.steps.site_effects import COVARIATE, covariate_of, covariates_of

COLUMNS = (
    *("stratum", "feature", "cell", "changes", "estimate", "se", "ci_low", "ci_high", "p"),
    *("tau2", "i2", "n_sites", "n_case", "n_control", "direction", "side", "by_site"),
    "reason",
)
SITE_COLUMNS = (
    *("cell", "changes", "feature", "site", "hedges_g", "hedges_g_variance"),
    *("n_case", "n_control", "reason"),
)
CELL = ["cell", "feature"]


def grid(prepared: Prepared, plan: AnalysisPlan, steps: Steps) -> pd.DataFrame:
    """A row for each stratum, feature and cell; those without a test say why."""
    asked = [
        (stratum, piece)
        for stratum in plan.strata
        for block in prepared.blocks
        if (piece := _site_piece(block, prepared.people, stratum, plan)) is not None
    ]
    found = steps.each([piece for _, piece in asked])
    by_stratum: dict[str, list[pd.DataFrame]] = {}
    for (stratum, _), table in zip(asked, found, strict=True):
        by_stratum.setdefault(stratum, []).append(table)
    pooled = steps.each(
        [
            Piece(
                "pooled sensitivity",
                {"parts": parts, "stratum": stratum, "tau2": plan.tau2, "test": plan.test},
                prepared.people.index.tolist(),
            )
            for stratum, parts in by_stratum.items()
        ]
    )
    if not pooled:
        return pd.DataFrame(columns=list(COLUMNS))
    return pd.concat(pooled, ignore_index=True)


def facts_for_grid(block: Block, people: pd.DataFrame, plan: AnalysisPlan) -> pd.DataFrame:
    """What the changes look at, of these people of a block: numbers, NaN where not recorded.

    A column of which nobody here has a record is not there.
    """
    facts = pd.DataFrame(
        {
            "drug_free": people["drug_free"].astype(float),
            "depression": people["depression"].astype(float),
            "bmi": covariate_of(people, plan.bmi).astype(float),
        },
        index=people.index,
    ).join(block.samples.reindex(people.index))
    return facts.dropna(axis="columns", how="all")


def _site_piece(
    block: Block, people: pd.DataFrame, stratum: str, plan: AnalysisPlan
) -> Piece | None:
    here = people.loc[block.values.index]
    if STRATA[stratum] is not None:
        here = here[here["sex"] == STRATA[stratum]]
    if here.empty or not len(block.values.columns):
        return None
    known = {f"{COVARIATE}{name}": covariate_of(here, name) for name in plan.covariates}
    batch = block.batch.reindex(here.index)
    inputs = {
        "values": block.values.loc[here.index],
        "people": pd.DataFrame({"case": here["case"], "batch": batch} | known),
        "facts": facts_for_grid(block, here, plan),
        "place": {"stratum": stratum, "site": block.site},
        "covariates": list(plan.covariates),
        "changes": list(plan.sensitivity),
        "min_per_arm": plan.min_per_arm,
        "min_covariate_known": plan.min_covariate_known,
    }
    return Piece("sensitivity", inputs, block.values.index.tolist())


@work("sensitivity")
def site_grid(
    values: pd.DataFrame,
    people: pd.DataFrame,
    facts: pd.DataFrame,
    place: dict[str, str],
    covariates: list[str],
    changes: list[str],
    min_per_arm: int,
    min_covariate_known: float,
) -> pd.DataFrame:
    """One site's effects on one platform in one stratum, in every cell."""
    adjusted, _ = covariates_of(people, covariates, min_covariate_known, place)
    beside = facts if adjusted is None else pd.concat([adjusted, facts], axis="columns")
    found = sensitivity_grid(
        values,
        people["case"].to_numpy(dtype=float),
        beside.loc[:, ~beside.columns.duplicated()],
        covariates=[] if adjusted is None else list(adjusted.columns),
        changes=[CHANGES_BY_NAME[name] for name in changes],
    )
    few = (found["n_case"] < min_per_arm) | (found["n_control"] < min_per_arm)
    words = f"fewer than {min_per_arm} people in an arm of this site"
    found.loc[few & (found["reason"] == ""), "reason"] = words
    found.loc[few, ["hedges_g", "hedges_g_variance"]] = np.nan
    found["site"] = place["site"]
    return found[list(SITE_COLUMNS)]


@work("pooled sensitivity")
def pool_grid(parts: list[pd.DataFrame], stratum: str, tau2: str, test: str) -> pd.DataFrame:
    """All cells of a stratum; where a site measured a feature twice, more people count."""
    every = pd.concat(parts, ignore_index=True)
    n = (every["n_case"] + every["n_control"]).where(every["hedges_g"].notna(), -1)
    best = every.assign(n=n).sort_values("n", ascending=False, kind="stable")
    best = best.drop_duplicates([*CELL, "site"]).sort_values([*CELL, "site"], kind="stable")
    wide = {
        name: best.pivot(index="site", columns=CELL, values=name)
        for name in ("hedges_g", "hedges_g_variance")
    }
    keys = pd.MultiIndex.from_frame(wide["hedges_g"].columns.to_frame(index=False))
    pooled = pool_effects(
        wide["hedges_g"].to_numpy(dtype=float),
        wide["hedges_g_variance"].to_numpy(dtype=float),
        tau2=tau2,
        test=test,
    )
    used = best[best["hedges_g"].notna()]
    counts = used.groupby(CELL)[["n_case", "n_control"]].sum().reindex(keys, fill_value=0)
    table = keys.to_frame(index=False).assign(
        stratum=stratum,
        changes=best.groupby("cell")["changes"].first().reindex(keys.get_level_values(0)).tolist(),
        **_numbers(pooled),
        n_case=counts["n_case"].to_numpy(dtype=int),
        n_control=counts["n_control"].to_numpy(dtype=int),
        by_site=_by_site(used, keys),
        reason=_reasons(best, keys, pooled),
    )
    return _with_directions(table)[list(COLUMNS)]


def _numbers(pooled: PooledEffects) -> dict[str, np.ndarray]:
    """Numbers of cells of two sites or more: one site is no replication of anything."""
    names = ("estimate", "se", "ci_low", "ci_high", "p", "tau2", "i2")
    tested = pooled.n_cohorts >= 2
    numbers = {name: np.where(tested, getattr(pooled, name), np.nan) for name in names}
    return numbers | {"n_sites": pooled.n_cohorts}


def _with_directions(table: pd.DataFrame) -> pd.DataFrame:
    """What a verdict would go by: the side of zero of the interval, and of the plan's own cell."""
    tested = table["reason"] == ""
    sides = [table["ci_low"] > 0, table["ci_high"] < 0, tested]
    direction = np.select(sides, ["higher", "lower", "undecided"], "not_testable")
    planned = table[table["cell"] == 0].set_index("feature")["estimate"]
    same = np.sign(table["estimate"]) == np.sign(table["feature"].map(planned))
    side = np.select([~tested, same], ["", "same"], "other")
    told = table.assign(direction=direction, side=side)
    return told.sort_values(["feature", "cell"], kind="stable", ignore_index=True)


def _by_site(used: pd.DataFrame, keys: pd.MultiIndex) -> list[str]:
    """The sites of each cell with their cases and controls: ``FUK 20+21;TYO 18+18``."""
    words = (
        used["site"].astype(str)
        + " "
        + used["n_case"].astype(str)
        + "+"
        + used["n_control"].astype(str)
    )
    joined = words.groupby([used[name] for name in CELL]).agg(";".join)
    return [str(word) for word in joined.reindex(keys, fill_value="")]


def people_of(by_site: str) -> dict[str, tuple[int, int]]:
    """Cases and controls by site, as ``by_site`` says them."""
    found = {}
    for words in filter(None, by_site.split(";")):
        site, _, arms = words.rpartition(" ")
        case, _, control = arms.partition("+")
        found[site] = (int(case), int(control))
    return found


def _reasons(best: pd.DataFrame, keys: pd.MultiIndex, pooled: PooledEffects) -> list[str]:
    """Why a cell is not testable: its sites by their reasons; "" where it is."""
    lost = best[best["hedges_g"].isna()]
    by_reason = lost.groupby([*CELL, "reason"])["site"].agg(", ".join).reset_index("reason")
    words = by_reason["site"] + ": " + by_reason["reason"]
    joined = words.groupby(level=CELL).agg("; ".join).reindex(keys, fill_value="")
    return [
        "" if n >= 2 else f"{'one site' if n else 'no site'} has enough people. {why}".strip()
        for n, why in zip(pooled.n_cohorts, joined, strict=True)
    ]


def cells_left(prepared: Prepared, plan: AnalysisPlan) -> list[dict[str, object]]:
    """Of each cell, the sites and people that would be left: for a preview, without any effect."""
    cells = cells_of([CHANGES_BY_NAME[name] for name in plan.sensitivity])
    left: list[dict[str, tuple[int, int]]] = [{} for _ in cells]
    for block in prepared.blocks:
        people = prepared.people.loc[block.values.index]
        facts = facts_for_grid(block, people, plan)
        is_case = people["case"].to_numpy() == 1
        for sites, chosen in zip(left, cells, strict=True):
            kept, _ = who_stays(chosen, is_case, facts)
            arms = (int((kept & is_case).sum()), int((kept & ~is_case).sum()))
            # As in the grid itself, the platform with more people counts.
            sites[block.site] = max(sites.get(block.site, (0, 0)), arms, key=sum)
    return [
        {"changes": " + ".join(change.name for change in chosen), **_enough(sites, plan)}
        for chosen, sites in zip(cells, left, strict=True)
    ]


def _enough(sites: Mapping[str, tuple[int, int]], plan: AnalysisPlan) -> dict[str, int]:
    counted = [arms for arms in sites.values() if min(arms) >= plan.min_per_arm]
    return {
        "n_sites": len(counted),
        "n_case": sum(case for case, _ in counted),
        "n_control": sum(control for _, control in counted),
    }
