"""p values of the pooled features by permuting the group's residuals within the sites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.plans import STRATA, AnalysisPlan
from analysis.stats.orders import AT_ONCE
from analysis.stats.permutation import (
    Permutations,
    count_permutations,
    p_of_counts,
    prepare_permutations,
)
from analysis.stats.site_folds import standardise_by_site
from analysis.steps.blocks import Block, Prepared, stacked
from analysis.steps.pieces import Piece, Steps, work
from analysis.steps.site_effects import best_of_site, covariate_of

COLUMNS = ["p_permutation", "p_max_t"]


def with_permutation_p(
    pooled: pd.DataFrame,
    prepared: Prepared,
    parts: Mapping[str, list[pd.DataFrame]],
    plan: AnalysisPlan,
    steps: Steps,
) -> pd.DataFrame:
    """The pooled table with each feature's own p and its max-T p within the stratum.

    NaN where the plan asks for no permutations and for features of one site, which have no q.
    """
    studies = {
        stratum: study
        for stratum in plan.strata
        if plan.permutations and (study := _study(stratum, prepared, parts, plan))
    }
    asked = [piece for study in studies.values() for piece in _pieces(study, plan)]
    found = steps.each(asked)
    forget_last()
    n_each = -(-plan.permutations // AT_ONCE)
    tables = [
        _table(stratum, values.columns, found[at * n_each : (at + 1) * n_each])
        for at, (stratum, (values, _)) in enumerate(studies.items())
    ]
    told = pd.concat(tables) if tables else pd.DataFrame(columns=["stratum", "feature", *COLUMNS])
    both = pooled.merge(told, on=["stratum", "feature"], how="left").astype(
        dict.fromkeys(COLUMNS, float)
    )
    names = [name for name in pooled.columns if name not in COLUMNS]
    after = names.index("q") + 1
    return both[[*names[:after], *COLUMNS, *names[after:]]]


Stack = tuple[pd.DataFrame, pd.DataFrame]  # values, and of the same people what they are


def _study(
    stratum: str, prepared: Prepared, parts: Mapping[str, list[pd.DataFrame]], plan: AnalysisPlan
) -> Stack | None:
    """What the stratum's pooled effects rest on: each site in its own standard deviations."""
    tables = [part for part in parts.get(stratum, ()) if len(part)]
    if not tables:
        return None
    used = best_of_site(pd.concat(tables, ignore_index=True))
    used = used[used["hedges_g"].notna()]
    n_sites = used.groupby("feature")["site"].transform("size")
    place = ["site", "platform", "matrix", "scale"]
    chosen = used[n_sites >= 2].groupby(place)["feature"].agg(list).to_dict()
    if not chosen:
        return None
    blocks = [block for block in prepared.blocks if _place(block) in chosen]
    people = _in_stratum(prepared.people, stratum)
    values = stacked(
        [
            block.values.loc[block.values.index.isin(people.index), chosen[_place(block)]]
            for block in blocks
        ]
    )
    people = people.loc[values.index]
    values.loc[:] = standardise_by_site(values.to_numpy(), people["site"].to_numpy(dtype=str))
    return values, _known_of(people, blocks, plan)


def _place(block: Block) -> tuple[str, str, str, str]:
    return block.site, block.platform, block.matrix, block.scale


def _in_stratum(people: pd.DataFrame, stratum: str) -> pd.DataFrame:
    return people if STRATA[stratum] is None else people[people["sex"] == STRATA[stratum]]


def _known_of(people: pd.DataFrame, blocks: Sequence[Block], plan: AnalysisPlan) -> pd.DataFrame:
    """Group, place and covariates; only people of one place (site and batches) are exchanged."""
    place = people["site"].astype(str)
    for block in blocks:
        batch = block.batch.reindex(people.index)
        place = place.where(batch.isna(), place + "; " + batch.astype(str))
    known = pd.DataFrame({"case": people["case"], "place": place})
    for name in plan.covariates:
        column = covariate_of(people, name)
        at_site = column.notna().groupby(people["site"].to_numpy()).transform("mean")
        if (at_site >= plan.min_covariate_known).any():
            # One value for a whole site adjusts for nothing there, as in the site's own model.
            seldom = at_site < plan.min_covariate_known
            known[f"covariate {name}"] = column.mask(seldom, column.dropna().iloc[0])
    return known


def _pieces(study: Stack, plan: AnalysisPlan) -> list[Piece]:
    values, people = study
    shared = {
        "values": values,
        "people": people,
        "n_permutations": plan.permutations,
        "seed": plan.seed,
    }
    return [
        Piece("permutations", shared | {"piece": piece}, values.index.tolist())
        for piece in range(-(-plan.permutations // AT_ONCE))
    ]


@work("permutations")
def count_piece(
    values: pd.DataFrame, people: pd.DataFrame, n_permutations: int, seed: int, piece: int
) -> dict[str, Any]:
    """How often one piece of the permutations reaches what was observed."""
    ready = _ready(values, people, n_permutations, seed)
    # Where fewer arrangements exist than were asked for, the last pieces are empty.
    counted = count_permutations(ready, range(piece, min(piece + 1, ready.n_pieces)))
    return {
        "own": counted.own,
        "largest": counted.largest,
        "tested": np.array([not why for why in ready.reason], dtype=np.uint8),
        "n_permutations": ready.n_permutations,
        "exact": ready.exact,
    }


# The next piece mostly reads the very same arrays, and making them ready takes as long as counting.
_last: list[tuple[tuple[object, ...], Permutations]] = []


def forget_last() -> None:
    """Let go of the arrays of the last piece; no other step needs them."""
    _last.clear()


def _ready(
    values: pd.DataFrame, people: pd.DataFrame, n_permutations: int, seed: int
) -> Permutations:
    if _last:
        (its_values, its_people, *rest), ready = _last[0]
        if its_values is values and its_people is people and rest == [n_permutations, seed]:
            return ready
    ready = prepare_permutations(
        values.to_numpy(),
        people["case"].to_numpy(),
        people.drop(columns=["case", "place"]),
        n_permutations=n_permutations,
        seed=seed,
        blocks=people["place"].to_numpy(dtype=str),
        levels=True,
    )
    _last[:] = [((values, people, n_permutations, seed), ready)]
    return ready


def _table(stratum: str, features: pd.Index, pieces: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    first = pieces[0]
    p = {
        name: p_of_counts(
            np.sum([piece[counts] for piece in pieces], axis=0),
            first["n_permutations"],
            exact=first["exact"],
        )
        for name, counts in zip(COLUMNS, ("own", "largest"), strict=True)
    }
    table = pd.DataFrame({"stratum": stratum, "feature": features, **p})
    told: pd.DataFrame = table.loc[first["tested"].astype(bool)]
    return told
