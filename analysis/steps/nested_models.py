"""Two classifiers with settings chosen inside the training sites, and the test between them.

A forest and, as its plain rival, penalised logistic regression. Every fit is a piece: inner folds
and judged sites are computed by whatever worker takes them, with the same bits everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from django.utils.translation import gettext_noop as _

from analysis.plans import AnalysisPlan
from analysis.stats.calibration import Calibration
from analysis.stats.errors import UnusableData
from analysis.stats.forest import RandomForest
from analysis.stats.learners import Learner, settings_in_words
from analysis.stats.logistic import ElasticNet
from analysis.stats.nested import Nested, gather_nested
from analysis.stats.nested_folds import (
    InnerAuc,
    InnerFold,
    JudgedSite,
    NestedPlan,
    fit_inner,
    judge_sites,
    plan_nested,
)
from analysis.stats.roc import Auc
from analysis.stats.roc_compare import compare_auc, partial_auc
from analysis.stats.site_folds import SiteStudy
from analysis.steps.blocks import Prepared
from analysis.steps.left_out_sites import inputs_of, left_out_together, read, study_of
from analysis.steps.pieces import Piece, Steps, work
from cohorts.language.sentences import say

METHOD = say(
    "settings chosen at the training sites (nested), each site left out and standardised alone"
)
IN_GROUPS = _(
    "settings chosen at the training sites (nested), sites left out in %(n)s groups and each "
    "standardised alone"
)
TOP = 20


def nested_models(prepared: Prepared, plan: AnalysisPlan, steps: Steps) -> dict[str, Any]:
    """Both learners and their comparison, or the reason why there is none."""
    try:
        people, study = read(prepared, plan)
        forest, linear = (_fitted(kind, study, people, plan, steps) for kind in LEARNERS)
    except UnusableData as error:
        return {"method": METHOD, "refused": str(error)}
    known = np.isfinite(forest.scores)
    n_groups = len(forest.groups)
    return {
        "method": say(IN_GROUPS, n=n_groups) if n_groups else METHOD,
        "refused": "",
        "learners": [_told(fit, study, plan.partial_auc_from) for fit in (forest, linear)],
        "comparison": asdict(
            compare_auc(
                study.is_case[known], forest.scores[known], linear.scores[known], study.sites[known]
            )
        ),
    }


LEARNERS = ("forest", "elastic net")


def learner_of(kind: str, n_trees: int) -> Learner:
    """The learner that a piece names."""
    return RandomForest(n_trees=n_trees) if kind == "forest" else ElasticNet()


def _fitted(
    kind: str, study: SiteStudy, people: pd.Index, plan: AnalysisPlan, steps: Steps
) -> Nested:
    """All inner folds, then all judged sites, each fit a piece."""
    asked: dict[str, Any] = {
        "learner": kind,
        "n_trees": plan.n_trees,
        "seed": _seed(plan),
        "most_folds": plan.most_folds,
    }
    nested, shared = _plan_of(study, **asked), inputs_of(study) | asked
    who = people.tolist()
    inner = steps.each(
        [Piece("inner fold", shared | {"fold": asdict(fold)}, who) for fold in nested.inner]
    )
    shared, groups = shared | {"inner": inner}, nested.left_out.groups
    judged = steps.each(
        [Piece("judged site", shared | {"sites_left_out": list(group)}, who) for group in groups]
    )
    sites = [
        JudgedSite(**one | {"inner_auc": tuple(one["inner_auc"])})
        for each in judged
        for one in each
    ]
    return gather_nested(study, nested, sites)


def _seed(plan: AnalysisPlan) -> int:
    return int(np.random.default_rng(plan.seed).integers(2**31 - 1))


def _plan_of(
    study: SiteStudy, learner: str, n_trees: int, seed: int, most_folds: int
) -> NestedPlan:
    return plan_nested(study, learner_of(learner, n_trees), seed=seed, most_folds=most_folds)


@work("inner fold")
def inner_fold(
    fold: dict[str, Any], learner: str, n_trees: int, seed: int, most_folds: int, **arrays: Any
) -> dict[str, Any]:
    """One fit without two groups of sites; its area at each of them."""
    study = study_of(**arrays)
    nested = _plan_of(study, learner, n_trees, seed, most_folds)
    found = fit_inner(study, nested, InnerFold(**fold))
    return {"fold": fold, "at_first": found.at_first, "at_second": found.at_second}


@work("judged site")
def judged_site(
    sites_left_out: Sequence[str],
    inner: Sequence[dict[str, Any]],
    learner: str,
    n_trees: int,
    seed: int,
    most_folds: int,
    **arrays: Any,
) -> list[dict[str, Any]]:
    """Sites, each judged with the settings that did best at the sites outside their group."""
    study = study_of(**arrays)
    fits = [InnerAuc(InnerFold(**one["fold"]), one["at_first"], one["at_second"]) for one in inner]
    nested = _plan_of(study, learner, n_trees, seed, most_folds)
    judged = judge_sites(study, nested, tuple(sites_left_out), fits)
    return [vars(one) | {"inner_auc": list(one.inner_auc)} for one in judged]


# --- as a document


def _told(fit: Nested, study: SiteStudy, partial_from: float) -> dict[str, Any]:
    return {
        "learner": fit.learner,
        **areas(fit.auc),
        "other_sites": None if fit.site_bootstrap is None else asdict(fit.site_bootstrap),
        "auc_all_pairs": fit.auc_all_pairs.auc,
        "partial": {"from": partial_from, "auc": _partial(fit, study, partial_from)},
        "by_site": [
            {
                "site": one.site,
                "n_case": one.n_case,
                "n_control": one.n_control,
                "reason": one.reason,
                **areas(one.auc),
            }
            for one in fit.by_site
        ],
        "choices": [
            {
                "site": one.site,
                "settings": settings_in_words(one.settings),
                "inner_auc": list(one.inner_auc),
            }
            for one in fit.choices
        ],
        "calibration": calibration_of(fit.calibration),
        "calibration_by_site": [
            {"site": site, **calibration_of(found)} for site, found in fit.calibration_by_site
        ],
        "importance": _importance(fit, study.names),
        "n_fits": fit.n_fits,
        "warnings": list(fit.warnings),
        "notes": list(fit.notes),
        "features_left_out": list(fit.features_left_out),
        **left_out_together(fit.groups),
    }


def areas(area: Auc | None) -> dict[str, float | None]:
    """An AUC and its interval, None where there is none."""
    names = ("auc", "ci_low", "ci_high")
    return {name: None if area is None else float(getattr(area, name)) for name in names}


def calibration_of(found: Calibration) -> dict[str, Any]:
    """A calibration as a document holds it."""
    return asdict(found) | {"bins": [asdict(each) for each in found.bins]}


def _partial(fit: Nested, study: SiteStudy, low: float) -> float:
    """The sites' areas at a specificity of ``low`` or more, weighted by their pairs."""
    areas_by_pairs = []
    for one in fit.by_site:
        if one.auc is not None:
            here = study.sites == one.site
            area = partial_auc(study.is_case[here], fit.scores[here], between=(low, 1.0))
            areas_by_pairs.append((area, one.n_case * one.n_control))
    found, pairs = np.array(areas_by_pairs).T
    return float(found @ pairs / pairs.sum())


def _importance(fit: Nested, names: Sequence[str]) -> list[dict[str, Any]]:
    """What shuffling a feature takes off the AUC at left-out sites, the most first."""
    drop, spread = fit.importance.drop, fit.importance.spread
    order = [at for at in np.argsort(-drop) if np.isfinite(drop[at])][:TOP]
    return [
        {"feature": names[at], "drop": float(drop[at]), "spread": float(spread[at])} for at in order
    ]
