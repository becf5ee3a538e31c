"""Can blood tell a case from a control at a site that the model has never seen?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.stats.errors import UnusableData
from analysis.stats.forest import RandomForest
from analysis.stats.learners import Fitted, fit_without, training_on
from analysis.stats.pieces import complete
from analysis.stats.roc import Auc, auc, stratified
from analysis.stats.site_folds import SiteStudy, read_study, standardise_by_site
from analysis.stats.site_groups import Group, LeftOut, leave_out
from analysis.stats.tables import refuse_no_count

__all__ = ["Auc", "LeaveOneSiteOut", "SiteAuc", "auc", "leave_one_site_out", "standardise_by_site"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Blood of people who live differently overlaps; blood that was handled differently does not.
TOO_GOOD = 0.97
NAMED_AT_MOST = 10


@dataclass(frozen=True)
class SiteAuc:
    """What the model trained without this site says of it: an AUC, or the reason why none."""

    site: str
    n_case: int
    n_control: int
    auc: Auc | None
    reason: str


@dataclass(frozen=True)
class LeaveOneSiteOut:
    """The classifier's performance at unseen sites.

    ``auc`` counts pairs of people of the same site only. Its interval takes the forests as they
    are; they share training sites, so that over repeated studies of 180 people the area spread
    1.3 times as far as that with three sites and 1.1 times with eight. ``scores`` (n_samples,) is
    the forest's share of votes for "case", from 0 to 1, NaN where untested. ``importance``
    (n_features,) is the decrease of impurity, 1 in all, averaged over the forests: an order to
    look at features, not a test of any. ``warnings`` are
    sentences on areas too good to be true; ``features_left_out`` says which site was tested
    without which features. ``groups`` are the sites that were left out together, nothing where
    each was left out by itself.
    """

    auc: Auc
    by_site: tuple[SiteAuc, ...]
    scores: Floats
    importance: Floats
    warnings: tuple[str, ...]
    features_left_out: tuple[str, ...]
    groups: tuple[Group, ...] = ()


@dataclass(frozen=True)
class SiteFold:
    """What the forest trained without a site says of it; ``reason`` says why nothing.

    ``scores`` (n_samples of the site,), ``importance`` and ``left_out`` (n_features,) have the
    length 0 where there is a reason.
    """

    site: str
    scores: Floats
    importance: Floats
    left_out: Bools
    reason: str = ""


def leave_one_site_out(
    values: ArrayLike | pd.DataFrame,
    labels: ArrayLike,
    site: ArrayLike,
    *,
    rng: np.random.Generator,
    n_trees: int = 300,
    covariates: pd.DataFrame | ArrayLike | None = None,
    most_folds: int | None = None,
) -> LeaveOneSiteOut:
    """Train a random forest on all sites but one, test it on that one, for each site in turn.

    A site that the model has not seen cannot be ComBat-adjusted, so each site is standardised by
    itself, without looking at labels: what tells sites apart, a label's share among them, is gone.
    The price: a site of cases only, centred on its cases, looks like any other. Gaps are filled
    with the training sites' medians, and a feature enters a fold where two thirds of its training
    sites and the tested site have it. Where a site has a feature in one of its two groups alone,
    it counts as not having it: its gaps would give the label away.

    Parameters
    ----------
    values : array-like or DataFrame of shape (n_samples, n_features)
        On the scale of the analysis (logarithms); NaN is missing. Column names serve the warnings.
    labels : array-like of shape (n_samples,)
        1 for a case, 0 for a control.
    site : array-like of shape (n_samples,)
        Site codes.
    rng : Generator
        Seeds the forests, in the order of the site codes.
    n_trees : int
        Trees of a forest.
    covariates : DataFrame or array-like of shape (n_samples, n_covariates), optional
        Their slopes within sites, fitted beside the group on the training sites, are taken out of
        all values. Missing values count as the site's mean.
    most_folds : int, optional
        With more sites than that, so many groups of sites are left out in turn: each site is still
        judged by a forest that has seen nobody of it, nor of the others in its group. A feature
        enters a fold where one site of the group has it; the others get the training median.

    Raises
    ------
    UnusableData
        Shapes or labels that do not fit, fewer than 2 sites or groups, or no site that can be
        tested.

    References
    ----------
    Breiman 2001, doi:10.1023/A:1010933404324
    """
    refuse_no_count(n_trees, "Trees of a forest")
    study = read_study(values, labels, site, covariates)
    seeds = site_seeds(study, rng)
    left_out = leave_out(study, most_folds)
    folds = [
        fold
        for group in left_out.groups
        for fold in judge_forest(study, group, n_trees=n_trees, seed=seeds[group[0]])
    ]
    return gather_sites(study, [*folds, *not_tested(left_out)], left_out.together)


def site_seeds(study: SiteStudy, rng: np.random.Generator) -> dict[str, int]:
    """A seed for each site's forest, so that sites can be tested in any order and anywhere."""
    seeds = rng.integers(2**31 - 1, size=len(study.codes))
    return dict(zip(study.codes, seeds.tolist(), strict=True))


def judge_forest(study: SiteStudy, group: Group, *, n_trees: int, seed: int) -> list[SiteFold]:
    """Leave sites out: train on all others and score their people."""
    learner = RandomForest(n_trees=n_trees)
    fitted = fit_without(study, [frozenset(group)], learner, learner.grid[0], seed)
    rows = study.rows(frozenset(group))
    covariates = None if study.covariates is None else study.covariates[rows]
    scores, importance, left_out = score_sites(fitted, study.values[rows], covariates)
    by_site = [scores[study.sites[rows] == code] for code in group]
    return site_folds(study, group, by_site, importance, left_out)


def site_folds(
    study: SiteStudy, group: Group, scores: Sequence[Floats], importance: Floats, left_out: Bools
) -> list[SiteFold]:
    """What a forest says of each site of the group; ``left_out`` features it has not used."""
    return [
        SiteFold(code, said, importance, left_out | ~study.there(code))
        for code, said in zip(group, scores, strict=True)
    ]


def not_tested(left_out: LeftOut) -> list[SiteFold]:
    """Sites that no forest is tested at, and why."""
    nothing, none = np.empty(0), np.empty(0, dtype=bool)
    return [
        SiteFold(site, nothing, nothing, none, reason) for site, reason in left_out.reasons.items()
    ]


def grow_forest(study: SiteStudy, there: Bools, *, n_trees: int, seed: int) -> Fitted:
    """The forest of all sites of this study, for others that have the features ``there``."""
    learner, everybody = RandomForest(n_trees=n_trees), np.ones(len(study.sites), dtype=bool)
    used = there & study.usable()
    training = training_on(study, everybody, used, learner.precision)
    return training.fit(learner, learner.grid[0], seed)


def score_sites(
    fitted: Fitted, values: Floats, covariates: Floats | None = None
) -> tuple[Floats, Floats, Bools]:
    """The scores of sites' people (n_samples,), and of all features importance and absence.

    ``values`` (n_samples, n_features) are standardised by site.
    """
    preparation = fitted.preparation
    importance = np.zeros(len(preparation.used))
    importance[preparation.used] = fitted.model.importance
    scores = fitted.model.probability(preparation.apply(values, covariates))
    return scores, importance, ~preparation.used


def gather_sites(
    study: SiteStudy, sites: Iterable[SiteFold], groups: tuple[Group, ...] = ()
) -> LeaveOneSiteOut:
    """Make one result of all sites of the study, whatever the order in which they come.

    ``groups`` are sites that were left out together.

    Raises
    ------
    UnusableData
        A site that is missing or comes twice, or no site that could be tested.
    """
    folds = complete(sites, study.codes, lambda fold: fold.site, "left-out site")
    by_site = tuple(_outcome(study, fold) for fold in folds)
    areas = [entry.auc for entry in by_site if entry.auc is not None]
    if not areas:
        reasons = "; ".join(f"{entry.site}: {entry.reason}" for entry in by_site)
        raise UnusableData(f"No site can be tested ({reasons}). Wait for sites with both groups.")
    tested = [fold for fold in folds if not fold.reason]
    scores = np.full(len(study.is_case), np.nan)
    for fold in tested:
        scores[study.sites == fold.site] = fold.scores
    left_out = {fold.site: fold.left_out for fold in tested}
    return LeaveOneSiteOut(
        auc=stratified(areas),
        by_site=by_site,
        scores=scores,
        importance=np.mean([fold.importance for fold in tested], axis=0),
        warnings=tuple(too_good(by_site)),
        features_left_out=tuple(what_was_left_out(left_out, study.names)),
        groups=groups,
    )


def _outcome(study: SiteStudy, fold: SiteFold) -> SiteAuc:
    is_case = study.is_case[study.sites == fold.site]
    area = None if fold.reason else auc(is_case, fold.scores)
    return SiteAuc(fold.site, *study.counts(fold.site), area, fold.reason)


def too_good(by_site: tuple[SiteAuc, ...]) -> list[str]:
    """A sentence on each site whose area only groups collected apart can explain."""
    return [
        f"{entry.site}: AUC {entry.auc.auc:.3f} at an unseen site is more than blood can tell: "
        "were its groups collected, stored or assayed apart?"
        for entry in by_site
        if entry.auc is not None and entry.auc.auc >= TOO_GOOD
    ]


def what_was_left_out(left_out: Mapping[str, Bools], names: tuple[str, ...]) -> list[str]:
    """One sentence for each set of left-out features, with the sites tested without it."""
    tested_without: dict[tuple[str, ...], list[str]] = {}
    for code, without in left_out.items():
        if without.any():
            missing = tuple(name for name, out in zip(names, without, strict=True) if out)
            tested_without.setdefault(missing, []).append(code)
    return [
        f"{', '.join(codes)}: tested without {len(missing)} of {len(names)} features, not measured "
        f"there or at under two thirds of the other sites: {_listed(missing)}"
        for missing, codes in tested_without.items()
    ]


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - NAMED_AT_MOST} more" if len(names) > NAMED_AT_MOST else ""
    return ", ".join(names[:NAMED_AT_MOST]) + more
