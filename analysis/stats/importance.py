"""Which features a classifier needs at a site that it has never seen."""

from dataclasses import dataclass

import numpy as np

from analysis.stats.learners import Fitted
from analysis.stats.roc import auc
from analysis.stats.site_folds import Bools, Floats, SiteStudy

N_FEATURES = 20
N_REPEATS = 5


@dataclass(frozen=True)
class Importance:
    """Loss of AUC at left-out sites when a feature is shuffled among a site's people.

    ``drop`` (n_features,) is the mean over sites, weighted by their pairs of case and control, and
    ``spread`` the standard deviation between sites (NaN with one); NaN for features that were not
    tried: those outside the ``N_FEATURES`` on which the training sites leaned most. Features that
    tell the same thing stand in for each other, so that each alone may drop nothing.
    """

    drop: Floats
    spread: Floats


def permutation_drops(
    fitted: Fitted,
    study: SiteStudy,
    tested: Bools,
    rng: np.random.Generator,
    *,
    n_features: int = N_FEATURES,
    n_repeats: int = N_REPEATS,
) -> Floats:
    """Drop of the AUC of the tested rows for each feature of the study, shape (n_features,) [1]_.

    ``tested`` marks samples of the study. The features to try are taken from the trained model,
    without looking at the tested site.

    References
    ----------
    .. [1] Breiman 2001, section 10, doi:10.1023/A:1010933404324
    """
    values, is_case = fitted.prepared(study, tested), study.is_case[tested]
    whole = auc(is_case, fitted.model.probability(values)).auc
    within = fitted.model.importance
    tried = [column for column in np.argsort(-within)[:n_features] if within[column] > 0]
    drops = np.full(len(study.names), np.nan)
    columns = np.flatnonzero(fitted.preparation.used)
    for column in tried:
        shuffled = np.tile(values, (n_repeats, 1))
        order = rng.permuted(np.tile(values[:, column], (n_repeats, 1)), axis=1)
        shuffled[:, column] = order.ravel()
        areas = [
            auc(is_case, scores).auc
            for scores in fitted.model.probability(shuffled).reshape(n_repeats, -1)
        ]
        drops[columns[column]] = whole - float(np.mean(areas))
    return drops


def over_sites(drops: Floats, pairs: Floats) -> Importance:
    """Combine drops (n_sites, n_features) with the sites' numbers of pairs as weights."""
    known = np.isfinite(drops)
    weight = known * pairs[:, None]
    total, n_sites = weight.sum(axis=0), known.sum(axis=0)
    filled = np.where(known, drops, 0.0)
    mean = (weight * filled).sum(axis=0) / np.where(total > 0, total, np.nan)
    plain = filled.sum(axis=0) / np.where(n_sites > 0, n_sites, np.nan)
    squares = np.where(known, (filled - plain) ** 2, 0.0).sum(axis=0)
    spread = np.sqrt(squares / np.where(n_sites > 1, n_sites - 1, np.nan))
    return Importance(mean, spread)
