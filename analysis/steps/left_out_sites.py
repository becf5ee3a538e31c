"""Classifiers with each site left out in turn, or groups of sites, as pieces that workers share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.plans import AnalysisPlan
from analysis.stats.classify import SiteFold, grow_forest, not_tested, score_sites, site_folds
from analysis.stats.forest import ForestModel
from analysis.stats.learners import Fitted
from analysis.stats.site_folds import Preparation, SiteStudy, read_study
from analysis.stats.site_groups import Group, LeftOut
from analysis.steps.blocks import Prepared
from analysis.steps.pieces import Piece, Steps, work

# A forest takes some MB. With more of them a new batch leaves so small a share as they were that
# keeping all costs more than it saves.
MOST_KEPT = 12


def classifier_values(
    prepared: Prepared, plan: AnalysisPlan
) -> tuple[pd.DataFrame, NDArray[np.float64], NDArray[np.str_]]:
    """What classifiers read: values without class scores, labels (1, 0) and sites."""
    values, people = prepared.together
    values = values.drop(columns=[name for name in plan.class_scores if name in values])
    return values, people["case"].to_numpy(dtype=float), people["site"].to_numpy(dtype=str)


def left_out_together(groups: Sequence[Group]) -> dict[str, Any]:
    """For a document: the groups of sites that were left out, nothing where each was by itself."""
    if not groups:
        return {}
    return {"n_groups": len(groups), "left_out_together": [list(group) for group in groups]}


def inputs_of(study: SiteStudy) -> dict[str, Any]:
    """A study as inputs of pieces."""
    return {
        "names": np.array(study.names),
        "values": study.values,
        "is_case": study.is_case,
        "sites": study.sites,
    }


def study_of(
    names: NDArray[np.str_],
    values: NDArray[np.float64],
    is_case: NDArray[np.bool_],
    sites: NDArray[np.str_],
) -> SiteStudy:
    """The study that `inputs_of` took apart."""
    codes = tuple(sorted(set(sites.tolist())))
    return SiteStudy(tuple(names.tolist()), values, is_case, sites, codes, None, "within_site")


def read(prepared: Prepared, plan: AnalysisPlan) -> tuple[pd.Index, SiteStudy]:
    """The people and the study of classifiers. Raises UnusableData as `read_study` does."""
    values, labels, sites = classifier_values(prepared, plan)
    return values.index, read_study(values, labels, sites)


def forests(
    study: SiteStudy,
    left_out: LeftOut,
    seeds: dict[str, int],
    n_trees: int,
    people: pd.Index,
    steps: Steps,
) -> list[SiteFold]:
    """A forest for each group of sites that is left out, and what it says of those sites.

    A forest reads the values of its training sites, each standardised by itself, and of the sites
    that are left out only which features they have: it is kept while a new batch comes there.
    """
    asked = _asked(study, left_out.groups, seeds, n_trees)
    found = _scored(asked, study, people, steps)
    folds = [
        fold
        for group, told in zip(left_out.groups, found, strict=True)
        for fold in site_folds(study, group, **told)
    ]
    return [*folds, *not_tested(left_out)]


def _asked(
    study: SiteStudy, groups: Sequence[Group], seeds: dict[str, int], n_trees: int
) -> dict[Group, tuple[dict[str, Any], list[NDArray[np.float64]]]]:
    """Of each group what its forest reads, and its own values. Arrays of sites are shared."""
    sites = {code: _site(study, code) for code in study.codes}
    return {
        group: (
            {
                "sites": {code: site for code, site in sites.items() if code not in group},
                "there": np.any([study.there(code) for code in group], axis=0),
                "n_trees": n_trees,
                "seed": seeds[group[0]],
            },
            [sites[code]["values"] for code in group],
        )
        for group in groups
    }


def _scored(
    asked: dict[Group, tuple[dict[str, Any], list[NDArray[np.float64]]]],
    study: SiteStudy,
    people: pd.Index,
    steps: Steps,
) -> list[dict[str, Any]]:
    """What each forest says of its sites; forests are kept where that can save a fair share."""
    everybody = people.tolist()
    if len(asked) > MOST_KEPT:
        at_once = [read | {"values": here} for read, here in asked.values()]
        return steps.each([Piece("forest at its site", one, everybody) for one in at_once])
    forests_of = steps.each(
        [
            Piece("forest", read, people[~study.rows(frozenset(group))].tolist())
            for group, (read, _) in asked.items()
        ]
    )
    return steps.each(
        [
            Piece("left-out site", {"forest": forest, "values": here}, everybody)
            for forest, (_, here) in zip(forests_of, asked.values(), strict=True)
        ]
    )


def _site(study: SiteStudy, code: str) -> dict[str, Any]:
    """One site's part of a study, that all forests which train on it share."""
    here = study.sites == code
    return {"values": study.values[here], "is_case": study.is_case[here]}


@work("forest")
def grow(
    sites: dict[str, dict[str, Any]], there: NDArray[np.bool_], n_trees: int, seed: int
) -> dict[str, Any]:
    """The forest of these sites, on features that a left-out one has too."""
    codes = sorted(sites)
    values = np.concatenate([sites[code]["values"] for code in codes])
    is_case = np.concatenate([sites[code]["is_case"] for code in codes])
    names = np.repeat(codes, [len(sites[code]["is_case"]) for code in codes])
    study = study_of(np.arange(values.shape[1]).astype(str), values, is_case, names)
    fitted = grow_forest(study, there, n_trees=n_trees, seed=seed)
    return {"preparation": dict(vars(fitted.preparation)), "model": fitted.model.arrays()}


@work("left-out site")
def score(forest: dict[str, Any], values: Sequence[NDArray[np.float64]]) -> dict[str, Any]:
    """What a forest says of the people of the sites that it has not seen."""
    fitted = Fitted(Preparation(**forest["preparation"]), ForestModel.from_arrays(forest["model"]))
    said = [score_sites(fitted, here) for here in values]
    _, importance, left_out = said[0]
    return {
        "scores": [scores for scores, _, _ in said],
        "importance": importance,
        "left_out": left_out,
    }


@work("forest at its site")
def grow_and_score(values: Sequence[NDArray[np.float64]], **forest: Any) -> dict[str, Any]:
    """Both at once, to the same numbers, where the forest is not worth its place."""
    told: dict[str, Any] = score(grow(**forest), values)
    return told
