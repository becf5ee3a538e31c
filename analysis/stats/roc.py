"""How well a score tells cases from controls: the area under the ROC curve, with its error."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from analysis.stats.errors import UnusableData
from analysis.stats.tables import as_array, real_numbers

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

COVERAGE = 0.95
_Z = float(special.ndtri((1 + COVERAGE) / 2))


@dataclass(frozen=True)
class Auc:
    """The chance that a case scores above a control (ties count half), from 0 to 1.

    ``variance`` is DeLong's. ``ci_low`` and ``ci_high`` (95 %) are its interval on the logit
    scale: it stays between 0 and 1 and keeps its coverage with few people and high areas, where
    the plain interval, cut off at 1, is too short. Where no pair or every pair is in order DeLong's
    variance is 0, which a small sample does not deserve: see `_interval_without_variance`.
    """

    auc: float
    variance: float
    ci_low: float
    ci_high: float
    n_case: int
    n_control: int


def auc(labels: ArrayLike, scores: ArrayLike) -> Auc:
    """Area under the ROC curve with DeLong's variance [1]_, by midranks [2]_.

    Parameters
    ----------
    labels : array-like of shape (n_samples,)
        1 or True for a case, 0 or False for a control.
    scores : array-like of shape (n_samples,)
        Higher means more like a case; finite.

    Raises
    ------
    UnusableData
        Lengths differ, a label is neither 0 nor 1, a score is not finite, or a group has fewer
        than 2 people (the variance needs two of each).

    References
    ----------
    .. [1] DeLong, DeLong and Clarke-Pearson 1988, doi:10.2307/2531595
    .. [2] Sun and Xu 2014, doi:10.1109/LSP.2014.2337313
    """
    is_case, score = as_cases(labels), finite_scores(scores, labels)
    n_case, n_control = int(is_case.sum()), int((~is_case).sum())
    if min(n_case, n_control) < 2:
        raise UnusableData(
            f"An AUC needs at least 2 cases and 2 controls, got {n_case} and {n_control}."
        )
    of_cases, of_controls = placements(is_case, score)
    area = float(of_cases.mean())
    variance = float(of_cases.var(ddof=1) / n_case + of_controls.var(ddof=1) / n_control)
    low, high = (
        interval(area, variance)
        if 0 < area < 1 and variance > 0
        else _interval_without_variance(area, min(n_case, n_control))
    )
    return Auc(area, variance, low, high, n_case, n_control)


def placements(is_case: Bools, scores: Floats) -> tuple[Floats, Floats]:
    """Of each case, then each control: the share of the other group on the right side of them."""
    case, control = scores[is_case], scores[~is_case]
    ranks = stats.rankdata(scores)
    of_cases = (ranks[is_case] - stats.rankdata(case)) / len(control)
    of_controls = 1 - (ranks[~is_case] - stats.rankdata(control)) / len(case)
    return of_cases, of_controls


def stratified(parts: list[Auc]) -> Auc:
    """The AUC over pairs of people of the same stratum only.

    A pair from two sites compares two laboratories as much as two people, so it is not counted:
    the strata's areas are averaged with their numbers of pairs as weights, and so are their
    variances with the weights squared. A stratum without a variance (all pairs in order) gets the
    one that its interval implies.

    Raises
    ------
    UnusableData
        There is no stratum.
    """
    if not parts:
        raise UnusableData("No site has 2 cases and 2 controls: there is no pair to compare.")
    pairs = np.array([part.n_case * part.n_control for part in parts], dtype=np.float64)
    weight = pairs / pairs.sum()
    area = float(weight @ np.array([part.auc for part in parts]))
    variance = float(weight**2 @ np.array([_working_variance(part) for part in parts]))
    n_case, n_control = sum(part.n_case for part in parts), sum(part.n_control for part in parts)
    if 0 < area < 1:
        low, high = interval(area, variance)
    else:
        # Disjoint pairs of different strata are independent too.
        smaller = sum(min(part.n_case, part.n_control) for part in parts)
        low, high = _interval_without_variance(area, smaller)
    return Auc(area, variance, low, high, n_case, n_control)


def as_cases(labels: ArrayLike) -> Bools:
    """Labels of shape (n_samples,) as booleans; refuses anything but 0, 1, True and False."""
    label = as_array(labels, "Labels")
    if label.ndim != 1 or not np.isin(label, (0, 1)).all():
        raise UnusableData(
            "Labels must be one column of 1 (case) and 0 (control): recode or drop the others."
        )
    return label.astype(bool)


def finite_scores(scores: ArrayLike, labels: ArrayLike) -> Floats:
    """Scores as numbers, one for each label; refuses gaps and infinities."""
    score, n_labels = real_numbers(scores, "Scores"), np.size(labels)
    if score.shape != (n_labels,):
        raise UnusableData(f"{n_labels} labels but {score.size} scores: give each its own.")
    if not np.isfinite(score).all():
        raise UnusableData(
            f"{int((~np.isfinite(score)).sum())} scores are not finite: leave those samples out."
        )
    return score


def interval(area: float, variance: float) -> tuple[float, float]:
    """The 95 % interval of an area strictly between 0 and 1, symmetric on the logit scale."""
    centre = special.logit(area)
    reach = _Z * np.sqrt(variance) / (area * (1 - area))
    return float(special.expit(centre - reach)), float(special.expit(centre + reach))


def _interval_without_variance(area: float, n_disjoint_pairs: int) -> tuple[float, float]:
    """An interval that holds where all pairs are in order, or none, or all are ties.

    Disjoint pairs are independent, each in order with the true area A, so that all of m are with a
    chance of A^m at most: areas under 0.025^(1/m) would have shown a fault. With ties alone the
    scores exclude nothing.
    """
    bound = float(((1 - COVERAGE) / 2) ** (1 / n_disjoint_pairs))
    if area == 1:
        return bound, 1.0
    if area == 0:
        return 0.0, 1 - bound
    return 0.0, 1.0


def _working_variance(part: Auc) -> float:
    if part.variance > 0:
        return part.variance
    reach = max(part.auc - part.ci_low, part.ci_high - part.auc)
    return (reach / _Z) ** 2
