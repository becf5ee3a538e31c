"""A classifier at unseen sites, its settings chosen without them.

Settings chosen on the tested site make its AUC too good. Here each outer site is judged by a model
whose settings did best at the other sites, each left out in turn. The model trained without the
sites A and B serves twice, as B's inner fold when A is judged and as A's when B is: with 5 sites
and 3 settings 10 x 3 + 5 = 35 fits instead of 65, and the same result.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analysis.stats.calibration import Calibration, calibrate
from analysis.stats.classify import SiteAuc, too_good, what_was_left_out
from analysis.stats.importance import N_FEATURES, N_REPEATS, Importance, over_sites
from analysis.stats.learners import Learner, Settings, both_groups
from analysis.stats.nested_folds import (
    JudgedSite,
    NestedPlan,
    fit_all_inner,
    judge_sites,
    plan_nested,
)
from analysis.stats.pieces import complete
from analysis.stats.roc import Auc, auc, stratified
from analysis.stats.roc_compare import SiteBootstrap, site_bootstrap
from analysis.stats.site_folds import Bools, Floats, Scale, SiteStudy, read_study
from analysis.stats.site_groups import Group

# Between-site pairs told apart this much better than within-site pairs point to the sites.
SITE_LEAK = 0.1
# One feature that parts the groups this well at each site is no biomarker.
ALONE_TOO_GOOD = 0.97


@dataclass(frozen=True)
class Choice:
    """Settings that an outer site was judged with, and the inner AUC of each setting tried.

    ``inner_auc`` has the order of the learner's grid; it is empty where there was nothing to
    choose or too few sites to choose by, and the first setting was taken.
    """

    site: str
    settings: Settings
    inner_auc: tuple[float, ...]


@dataclass(frozen=True)
class Nested:
    """Performance at unseen sites with nested settings.

    ``auc`` counts pairs of people of one site (DeLong's interval: more people of these sites);
    ``site_bootstrap`` is the interval for other sites, None with its reason in ``notes``.
    ``auc_all_pairs`` also counts pairs across sites. ``scores`` (n_samples,) are chances of being
    a case, NaN where untested. ``importance`` is the loss of AUC when a feature is shuffled.
    ``calibration`` is over all tested people. ``warnings`` are sentences on results too good to be
    true; ``features_left_out`` says which site was tested without which features. ``groups`` are
    the sites that were left out together, nothing where each was left out by itself.
    """

    learner: str
    auc: Auc
    site_bootstrap: SiteBootstrap | None
    auc_all_pairs: Auc
    by_site: tuple[SiteAuc, ...]
    choices: tuple[Choice, ...]
    scores: Floats
    importance: Importance
    calibration: Calibration
    calibration_by_site: tuple[tuple[str, Calibration], ...]
    n_fits: int
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    features_left_out: tuple[str, ...]
    groups: tuple[Group, ...] = ()


def nested_leave_one_site_out(
    values: ArrayLike | pd.DataFrame,
    labels: ArrayLike,
    site: ArrayLike,
    *,
    learner: Learner,
    rng: np.random.Generator,
    covariates: pd.DataFrame | ArrayLike | None = None,
    scale: Scale = "within_site",
    n_important: int = N_FEATURES,
    n_repeats: int = N_REPEATS,
    most_folds: int | None = None,
) -> Nested:
    """Judge a learner at each site in turn, with settings chosen by leaving out the others [1]_.

    Slopes on covariates, medians for gaps and (scale ``training``) means and deviations are learnt
    inside each training fold. With ``within_site`` each site, tested ones too, is standardised by
    itself without its labels: this needs a batch of people of the new site, not one person.

    Parameters
    ----------
    values, labels, site, covariates, most_folds
        As `analysis.stats.classify.leave_one_site_out`; inner folds leave out groups as well.
    learner : Learner
        `RandomForest` or `ElasticNet`, with its grid of settings.
    rng : Generator
        Draws one seed: for all fits, so that settings differ in nothing else, and for shuffles.
    scale : "within_site" or "training"
    n_important, n_repeats : int
        Features tried for importance at each site (0: none), and shuffles of each.

    Raises
    ------
    UnusableData
        As `leave_one_site_out`, or a learner without settings.

    References
    ----------
    .. [1] Varma and Simon 2006, doi:10.1186/1471-2105-7-91
    """
    study = read_study(values, labels, site, covariates, scale=scale)
    plan = plan_nested(
        study,
        learner,
        seed=int(rng.integers(2**31 - 1)),
        n_important=n_important,
        n_repeats=n_repeats,
        most_folds=most_folds,
    )
    inner, groups = fit_all_inner(study, plan), plan.left_out.groups
    judged = [one for group in groups for one in judge_sites(study, plan, group, inner)]
    return gather_nested(study, plan, judged)


def gather_nested(study: SiteStudy, plan: NestedPlan, sites: Iterable[JudgedSite]) -> Nested:
    """Make one report of all judged sites, whatever the order in which they come.

    Raises
    ------
    UnusableData
        A site of the plan that is missing or comes twice.
    """
    judged = complete(sites, plan.tested, lambda one: one.site, "judged site")
    scores = np.full(len(study.is_case), np.nan)
    for one in judged:
        scores[study.sites == one.site] = one.scores
    by_site = tuple(_site_auc(study, plan, code, scores) for code in study.codes)
    areas = [entry.auc for entry in by_site if entry.auc is not None]
    known = np.isfinite(scores)
    within, across = stratified(areas), auc(study.is_case[known], scores[known])
    bootstrap, notes = _bootstrap(study, scores, len(judged), plan.rng(study))
    pairs = np.array([area.n_case * area.n_control for area in areas], float)
    unused = {one.site: ~one.used for one in judged}
    return Nested(
        learner=plan.learner.name,
        auc=within,
        site_bootstrap=bootstrap,
        auc_all_pairs=across,
        by_site=by_site,
        choices=tuple(_choice(plan, one) for one in judged),
        scores=scores,
        importance=over_sites(np.array([one.drops for one in judged]), pairs),
        calibration=calibrate(study.is_case[known], scores[known]),
        calibration_by_site=tuple(
            (one.site, calibrate(study.is_case[study.sites == one.site], one.scores))
            for one in judged
        ),
        n_fits=len(plan.left_out.groups) + len(plan.inner),
        warnings=(*too_good(by_site), *_leaks(study, within, across, plan.tested)),
        notes=tuple(notes + _unchosen(plan, judged)),
        features_left_out=tuple(what_was_left_out(unused, study.names)),
        groups=plan.left_out.together,
    )


def _choice(plan: NestedPlan, judged: JudgedSite) -> Choice:
    return Choice(judged.site, plan.learner.grid[judged.setting], judged.inner_auc)


def _unchosen(plan: NestedPlan, judged: list[JudgedSite]) -> list[str]:
    if len(plan.learner.grid) == 1 or all(one.inner_auc for one in judged):
        return []
    return ["too few sites to choose settings by: the first of the grid was taken"]


def _site_auc(study: SiteStudy, plan: NestedPlan, code: str, scores: Floats) -> SiteAuc:
    rows, reason = study.sites == code, plan.left_out.reasons.get(code, "")
    area = None if reason else auc(study.is_case[rows], scores[rows])
    return SiteAuc(code, *study.counts(code), area, reason)


def _bootstrap(
    study: SiteStudy, scores: Floats, n_tested: int, rng: np.random.Generator
) -> tuple[SiteBootstrap | None, list[str]]:
    if n_tested < 2:
        return None, ["one site could be tested: nothing tells how much sites differ"]
    drawn = site_bootstrap(study.is_case, scores, study.sites, rng=rng)
    return drawn, [drawn.note] if drawn.note else []


def _leaks(study: SiteStudy, within: Auc, across: Auc, tested: tuple[str, ...]) -> list[str]:
    """Sentences on what gives labels away: through the site, or in one column at every site."""
    said = []
    if across.auc - within.auc > SITE_LEAK:
        said.append(
            f"AUC {across.auc:.3f} over all pairs but {within.auc:.3f} within sites: the model "
            "tells sites apart, not cases; count the area within sites only"
        )
    alone = _parted_by_one(study, tested)
    for name in np.array(study.names)[alone]:
        said.append(
            f"{name}: alone parts cases from controls at every tested site (AUC of "
            f"{ALONE_TOO_GOOD} or more): is it the diagnosis, or taken after it?"
        )
    return said


def _parted_by_one(study: SiteStudy, tested: tuple[str, ...]) -> Bools:
    least = np.ones(len(study.names))
    for code in tested:
        rows = study.sites == code
        for column in np.flatnonzero(least >= ALONE_TOO_GOOD):
            known = rows & np.isfinite(study.values[:, column])
            if not both_groups(study.is_case[known], 2):
                least[column] = 0.0
                continue
            area = auc(study.is_case[known], study.values[known, column]).auc
            least[column] = min(least[column], max(area, 1 - area))
    parted: Bools = least >= ALONE_TOO_GOOD
    return parted
