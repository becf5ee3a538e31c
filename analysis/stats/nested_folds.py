"""The fits of a nested cross-validation as pieces that any worker may compute, in any order.

`plan_nested` names them; `fit_inner` is one inner fit and `judge_site` one outer site, which needs
the inner ones; `analysis.stats.nested.gather_nested` makes the report of them. Every piece draws
from a seed of its own, so that the result is the same bit for bit wherever each was computed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, groupby

import numpy as np

from analysis.stats.errors import UnusableData
from analysis.stats.importance import N_FEATURES, N_REPEATS, permutation_drops
from analysis.stats.learners import (
    Learner,
    Training,
    both_groups,
    fit_without,
    training_without,
)
from analysis.stats.pieces import complete
from analysis.stats.roc import auc
from analysis.stats.site_folds import MIN_OF_GROUP, Bools, Floats, SiteStudy, untestable


@dataclass(frozen=True, order=True)
class InnerFold:
    """A fit without two sites and with one setting of the grid, by its position there."""

    first: str
    second: str
    setting: int

    @property
    def left_out(self) -> frozenset[str]:
        """Both sites."""
        return frozenset([self.first, self.second])


@dataclass(frozen=True)
class InnerAuc:
    """AUC of that fit at each of its two left-out sites."""

    fold: InnerFold
    at_first: float
    at_second: float


@dataclass(frozen=True)
class JudgedSite:
    """What the model chosen and trained without a site says of it.

    ``setting`` is the position in the grid, ``inner_auc`` one mean for each of the grid (empty
    where nothing could be chosen). ``scores`` (n_samples of the site,) are chances of being a
    case; ``drops`` (n_features,) losses of AUC, NaN where not tried; ``used`` (n_features,).
    """

    site: str
    setting: int
    inner_auc: tuple[float, ...]
    scores: Floats
    drops: Floats
    used: Bools


@dataclass(frozen=True)
class NestedPlan:
    """All fits of a nested cross-validation, and the seed that they share.

    ``tested`` sites are judged; ``reasons`` has a sentence for each other site, by its code.
    """

    learner: Learner
    seed: int
    tested: tuple[str, ...]
    reasons: dict[str, str]
    inner: tuple[InnerFold, ...]
    n_important: int = N_FEATURES
    n_repeats: int = N_REPEATS

    def rng(self, study: SiteStudy, site: str | None = None) -> np.random.Generator:
        """The numbers of one site's piece alone, or without a site those of the gathering."""
        place = len(study.codes) if site is None else study.codes.index(site)
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(place,)))


def plan_nested(
    study: SiteStudy,
    learner: Learner,
    *,
    seed: int,
    n_important: int = N_FEATURES,
    n_repeats: int = N_REPEATS,
) -> NestedPlan:
    """Name the fits that judge a learner at each site of a study.

    Raises
    ------
    UnusableData
        A learner without settings, or no site that can be tested.
    """
    if not learner.grid:
        raise UnusableData(f"{learner.name}: its grid is empty; give at least one setting.")
    why = {code: untestable(study, code) for code in study.codes}
    tested = tuple(code for code in study.codes if not why[code])
    if not tested:
        said = "; ".join(f"{code}: {reason}" for code, reason in why.items())
        raise UnusableData(f"No site can be tested ({said}). Wait for sites with both groups.")
    reasons = {code: reason for code, reason in why.items() if reason}
    inner = _inner_folds(study, len(learner.grid), tested)
    return NestedPlan(learner, seed, tested, reasons, inner, n_important, n_repeats)


def _inner_folds(
    study: SiteStudy, n_settings: int, tested: tuple[str, ...]
) -> tuple[InnerFold, ...]:
    """Each pair of tested sites that leaves enough to train on, with each setting of several."""
    if n_settings == 1:
        return ()
    return tuple(
        InnerFold(*pair, setting)
        for pair in combinations(tested, 2)
        if both_groups(study.is_case[~study.rows(frozenset(pair))], MIN_OF_GROUP)
        and study.usable(frozenset(pair)).any()
        for setting in range(n_settings)
    )


def fit_all_inner(study: SiteStudy, plan: NestedPlan) -> list[InnerAuc]:
    """All inner fits of a plan in this process; all settings share a pair's prepared samples."""
    found = []
    for left_out, folds in groupby(plan.inner, key=lambda fold: fold.left_out):
        training = training_without(study, left_out, plan.learner.precision)
        found += [_fit_on(training, study, plan, fold) for fold in folds]
    return found


def fit_inner(study: SiteStudy, plan: NestedPlan, fold: InnerFold) -> InnerAuc:
    """Fit once without both sites: an inner fold of the one and, the other way, of the other."""
    training = training_without(study, fold.left_out, plan.learner.precision)
    return _fit_on(training, study, plan, fold)


def _fit_on(training: Training, study: SiteStudy, plan: NestedPlan, fold: InnerFold) -> InnerAuc:
    fitted = training.fit(plan.learner, plan.learner.grid[fold.setting], plan.seed)
    areas = []
    for site in (fold.first, fold.second):
        rows = study.sites == site
        areas.append(auc(study.is_case[rows], fitted.probability(study, rows)).auc)
    return InnerAuc(fold, *areas)


def judge_site(
    study: SiteStudy, plan: NestedPlan, site: str, inner: Iterable[InnerAuc]
) -> JudgedSite:
    """Choose the setting by the inner fits without this site, refit, and look at the site.

    Raises
    ------
    UnusableData
        ``inner`` lacks a fit of the plan, or has one twice or that is not of the plan.
    """
    means = _inner_means(plan, site, inner)
    # The first of equally good settings, which is the plainer one.
    chosen = int(np.argmax(means)) if len(means) else 0
    fitted = fit_without(
        study, frozenset([site]), plan.learner, plan.learner.grid[chosen], plan.seed
    )
    here = study.sites == site
    drops = permutation_drops(
        fitted,
        study,
        here,
        plan.rng(study, site),
        n_features=plan.n_important,
        n_repeats=plan.n_repeats,
    )
    return JudgedSite(
        site,
        chosen,
        tuple(float(area) for area in means),
        fitted.probability(study, here),
        drops,
        fitted.preparation.used,
    )


def _inner_means(plan: NestedPlan, site: str, inner: Iterable[InnerAuc]) -> Floats:
    """Mean over the other sites of each setting's AUC there; empty where no fold could be fit."""
    found = {
        fit.fold: fit for fit in complete(inner, plan.inner, lambda fit: fit.fold, "inner fit")
    }
    by_setting: list[list[float]] = [[] for _ in plan.learner.grid]
    for fold in plan.inner:
        # Judged is the outer site, so that the area is taken at the other one.
        if fold.first == site:
            by_setting[fold.setting].append(found[fold].at_second)
        elif fold.second == site:
            by_setting[fold.setting].append(found[fold].at_first)
    return np.mean(by_setting, axis=1) if by_setting[0] else np.empty(0)
