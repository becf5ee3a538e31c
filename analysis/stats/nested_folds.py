"""The fits of a nested cross-validation as pieces that any worker may compute, in any order.

`plan_nested` names them; `fit_inner` is one inner fit and `judge_sites` one outer fit, which needs
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
    Fitted,
    Learner,
    Training,
    both_groups,
    fit_without,
    training_without,
)
from analysis.stats.pieces import complete
from analysis.stats.roc import auc
from analysis.stats.site_folds import MIN_OF_GROUP, Bools, Floats, SiteStudy
from analysis.stats.site_groups import Group, LeftOut, leave_out


@dataclass(frozen=True, order=True)
class InnerFold:
    """A fit without two groups of sites and with one setting of the grid, by its position there.

    A group, of one site as a rule, goes by its first site.
    """

    first: str
    second: str
    setting: int


@dataclass(frozen=True)
class InnerAuc:
    """AUC of that fit at each of its two left-out groups, the mean of their sites."""

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

    Sites of ``left_out`` groups are judged; each other site has a sentence there why not.
    """

    learner: Learner
    seed: int
    left_out: LeftOut
    inner: tuple[InnerFold, ...]
    n_important: int = N_FEATURES
    n_repeats: int = N_REPEATS

    @property
    def tested(self) -> tuple[str, ...]:
        """The judged sites, in the order of their codes."""
        return tuple(sorted(code for group in self.left_out.groups for code in group))

    def without(self, fold: InnerFold) -> list[frozenset[str]]:
        """Both groups that an inner fit leaves out."""
        by_name = {group[0]: frozenset(group) for group in self.left_out.groups}
        return [by_name[fold.first], by_name[fold.second]]

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
    most_folds: int | None = None,
) -> NestedPlan:
    """Name the fits that judge a learner at each site of a study.

    With more sites than ``most_folds`` so many groups of sites are left out.

    Raises
    ------
    UnusableData
        A learner without settings, or no site that can be tested.
    """
    if not learner.grid:
        raise UnusableData(f"{learner.name}: its grid is empty; give at least one setting.")
    left_out = leave_out(study, most_folds)
    if not left_out.groups:
        said = "; ".join(f"{code}: {reason}" for code, reason in left_out.reasons.items())
        raise UnusableData(f"No site can be tested ({said}). Wait for sites with both groups.")
    inner = _inner_folds(study, len(learner.grid), left_out.groups)
    return NestedPlan(learner, seed, left_out, inner, n_important, n_repeats)


def _inner_folds(
    study: SiteStudy, n_settings: int, groups: tuple[Group, ...]
) -> tuple[InnerFold, ...]:
    """Each pair of groups that leaves enough to train on, with each setting of several."""
    if n_settings == 1:
        return ()
    return tuple(
        InnerFold(first[0], second[0], setting)
        for first, second in combinations(groups, 2)
        if both_groups(study.is_case[~study.rows(frozenset(first + second))], MIN_OF_GROUP)
        and study.usable(frozenset(first), frozenset(second)).any()
        for setting in range(n_settings)
    )


def fit_all_inner(study: SiteStudy, plan: NestedPlan) -> list[InnerAuc]:
    """All inner fits of a plan in this process; all settings share a pair's prepared samples."""
    found = []
    for _, folds in groupby(plan.inner, key=lambda fold: (fold.first, fold.second)):
        together = list(folds)
        training = training_without(study, plan.without(together[0]), plan.learner.precision)
        found += [_fit_on(training, study, plan, fold) for fold in together]
    return found


def fit_inner(study: SiteStudy, plan: NestedPlan, fold: InnerFold) -> InnerAuc:
    """Fit once without both groups: an inner fold of the one and, the other way, of the other."""
    training = training_without(study, plan.without(fold), plan.learner.precision)
    return _fit_on(training, study, plan, fold)


def _fit_on(training: Training, study: SiteStudy, plan: NestedPlan, fold: InnerFold) -> InnerAuc:
    fitted = training.fit(plan.learner, plan.learner.grid[fold.setting], plan.seed)
    areas = []
    for group in plan.without(fold):
        rows_of = [study.sites == site for site in sorted(group)]
        at_sites = [
            auc(study.is_case[rows], fitted.probability(study, rows)).auc for rows in rows_of
        ]
        areas.append(float(np.mean(at_sites)))
    return InnerAuc(fold, *areas)


def judge_sites(
    study: SiteStudy, plan: NestedPlan, group: Group, inner: Iterable[InnerAuc]
) -> list[JudgedSite]:
    """Choose the setting by the inner fits without these sites, refit, and look at each of them.

    Raises
    ------
    UnusableData
        ``inner`` lacks a fit of the plan, or has one twice or that is not of the plan.
    """
    means = _inner_means(plan, group[0], inner)
    # The first of equally good settings, which is the plainer one.
    chosen = int(np.argmax(means)) if len(means) else 0
    learner, settings = plan.learner, plan.learner.grid[chosen]
    fitted = fit_without(study, [frozenset(group)], learner, settings, plan.seed)
    tried = tuple(float(area) for area in means)
    return [_look_at(study, plan, site, fitted, chosen, tried) for site in group]


def _look_at(
    study: SiteStudy,
    plan: NestedPlan,
    site: str,
    fitted: Fitted,
    chosen: int,
    tried: tuple[float, ...],
) -> JudgedSite:
    here, there = study.sites == site, study.there(site)
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
        tried,
        fitted.probability(study, here),
        # What the site lacks has the training median there: to shuffle it takes nothing off.
        np.where(there, drops, np.nan),
        fitted.preparation.used & there,
    )


def _inner_means(plan: NestedPlan, name: str, inner: Iterable[InnerAuc]) -> Floats:
    """Mean over the other groups of each setting's AUC there; empty where no fold could be fit."""
    found = {
        fit.fold: fit for fit in complete(inner, plan.inner, lambda fit: fit.fold, "inner fit")
    }
    by_setting: list[list[float]] = [[] for _ in plan.learner.grid]
    for fold in plan.inner:
        # Judged is the outer group, so that the area is taken at the other one.
        if fold.first == name:
            by_setting[fold.setting].append(found[fold].at_second)
        elif fold.second == name:
            by_setting[fold.setting].append(found[fold].at_first)
    return np.mean(by_setting, axis=1) if by_setting[0] else np.empty(0)
