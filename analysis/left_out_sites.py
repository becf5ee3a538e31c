"""Classifiers with each site left out in turn, as pieces that workers share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.blocks import Prepared, stacked
from analysis.plans import AnalysisPlan
from analysis.stats.classify import SiteFold, judge_forest
from analysis.stats.site_folds import SiteStudy, read_study
from analysis.steps import Piece, Steps, work


def together(prepared: Prepared) -> tuple[pd.DataFrame, pd.DataFrame]:
    """People x features that at least two sites measure, and those people."""
    values = stacked([block.values for block in prepared.blocks])
    if values.empty:
        return values, prepared.people.loc[[]]
    people = prepared.people.loc[values.index]
    n_sites = values.notna().groupby(people["site"].to_numpy()).any().sum()
    return values.loc[:, (n_sites >= 2).to_numpy()], people


def classifier_values(
    prepared: Prepared, plan: AnalysisPlan
) -> tuple[pd.DataFrame, NDArray[np.float64], NDArray[np.str_]]:
    """What classifiers read: values without class scores, labels (1, 0) and sites."""
    values, people = together(prepared)
    values = values.drop(columns=[name for name in plan.class_scores if name in values])
    return values, people["case"].to_numpy(dtype=float), people["site"].to_numpy(dtype=str)


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


def read(prepared: Prepared, plan: AnalysisPlan) -> tuple[pd.DataFrame, SiteStudy]:
    """The values and the study of classifiers. Raises UnusableData as `read_study` does."""
    values, labels, sites = classifier_values(prepared, plan)
    return values, read_study(values, labels, sites)


def forests(
    study: SiteStudy, seeds: dict[str, int], n_trees: int, values: pd.DataFrame, steps: Steps
) -> list[SiteFold]:
    """A forest for each site that is left out, each of them a piece of work."""
    shared, who = inputs_of(study), values.index.tolist()
    found = steps.each(
        [
            Piece("forest", shared | {"site": code, "n_trees": n_trees, "seed": seeds[code]}, who)
            for code in study.codes
        ]
    )
    return [SiteFold(**fold) for fold in found]


@work("forest")
def forest_without(site: str, n_trees: int, seed: int, **study: Any) -> dict[str, Any]:
    """The forest of all sites but one, and what it says of that one."""
    fold: dict[str, Any] = vars(judge_forest(study_of(**study), site, n_trees=n_trees, seed=seed))
    return fold
