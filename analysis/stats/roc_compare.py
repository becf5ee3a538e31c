"""Beyond one AUC: two scores of the same people, one end of the curve, other sites than these."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from analysis.stats.errors import UnusableData
from analysis.stats.labels import site_names
from analysis.stats.roc import COVERAGE, Bools, Floats, as_cases, finite_scores, placements
from analysis.stats.tables import real_numbers, refuse_no_count

_Z = float(special.ndtri((1 + COVERAGE) / 2))
MIN_SITES = 2


@dataclass(frozen=True)
class PairedAuc:
    """Two scores of the same people: areas, their difference (first less second) and its test.

    ``se`` is DeLong's, ``p`` two-sided; ``ci_low`` and ``ci_high`` are the plain 95 % interval.
    """

    first: float
    second: float
    difference: float
    se: float
    z: float
    p: float
    ci_low: float
    ci_high: float
    n_case: int
    n_control: int


@dataclass(frozen=True)
class SiteBootstrap:
    """95 % interval of the AUC for sites like these, of which these are a sample.

    ``ci_low`` and ``ci_high`` are percentiles over ``n_draws`` draws of sites, and of cases and of
    controls within each. ``note`` says where so few sites make it too short.
    """

    ci_low: float
    ci_high: float
    n_sites: int
    n_draws: int
    note: str


def compare_auc(
    labels: ArrayLike, first: ArrayLike, second: ArrayLike, site: ArrayLike | None = None
) -> PairedAuc:
    """DeLong's test [1]_ of two AUCs over the same people.

    Parameters
    ----------
    labels : array-like of shape (n_samples,)
        1 for a case, 0 for a control.
    first, second : array-like of shape (n_samples,)
        The two scores, finite, higher for cases.
    site : array-like of shape (n_samples,), optional
        Counts pairs of people of one site only; sites without 2 cases and 2 controls drop out.

    Raises
    ------
    UnusableData
        As `analysis.stats.roc.auc`, or no site has 2 cases and 2 controls.

    References
    ----------
    .. [1] DeLong, DeLong and Clarke-Pearson 1988, doi:10.2307/2531595
    """
    is_case = as_cases(labels)
    both = np.column_stack([finite_scores(first, labels), finite_scores(second, labels)])
    strata = _strata(is_case, site)
    pairs = np.array([is_case[rows].sum() * (~is_case[rows]).sum() for rows in strata], dtype=float)
    weights = pairs / pairs.sum()
    areas, variance = np.zeros(2), 0.0
    for rows, weight in zip(strata, weights, strict=True):
        (case_a, control_a), (case_b, control_b) = (
            placements(is_case[rows], both[rows, column]) for column in (0, 1)
        )
        areas += weight * np.array([case_a.mean(), case_b.mean()])
        variance += weight**2 * (
            _mean_variance(case_a - case_b) + _mean_variance(control_a - control_b)
        )
    together = np.concatenate(strata)
    n_case = int(is_case[together].sum())
    return _paired(areas, float(np.sqrt(variance)), n_case, len(together) - n_case)


def _strata(is_case: Bools, site: ArrayLike | None) -> list[NDArray[np.intp]]:
    sites = site_names(np.zeros(len(is_case)) if site is None else site, len(is_case))
    rows_of = [np.flatnonzero(sites == code) for code in np.unique(sites)]
    strata = [rows for rows in rows_of if min(is_case[rows].sum(), (~is_case[rows]).sum()) >= 2]
    if not strata:
        raise UnusableData("No site has 2 cases and 2 controls: there is no pair to compare.")
    return strata


def _mean_variance(values: Floats) -> float:
    return float(values.var(ddof=1) / len(values))


def _paired(areas: Floats, se: float, n_case: int, n_control: int) -> PairedAuc:
    difference = float(areas[0] - areas[1])
    # Rounding must not turn equal scores into a difference.
    if abs(difference) < 1e-12:
        difference = 0.0
    if difference == 0:
        z = 0.0
    else:
        z = difference / se if se > 0 else float(np.copysign(np.inf, difference))
    return PairedAuc(
        first=float(areas[0]),
        second=float(areas[1]),
        difference=difference,
        se=se,
        z=z,
        p=float(2 * special.ndtr(-abs(z))),
        ci_low=difference - _Z * se,
        ci_high=difference + _Z * se,
        n_case=n_case,
        n_control=n_control,
    )


def partial_auc(
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    between: tuple[float, float] = (0.9, 1.0),
    of: Literal["specificity", "sensitivity"] = "specificity",
    standardised: bool = True,
) -> float:
    """The area under the part of the ROC curve where a test would be used.

    Parameters
    ----------
    labels, scores : array-like of shape (n_samples,)
        As `analysis.stats.roc.auc`.
    between : pair of floats
        Range of specificities (or sensitivities), 0 to 1, the lower first.
    of : "specificity" or "sensitivity"
    standardised : bool
        McClish [1]_: 0.5 is a score that tells nothing and 1 one that makes no fault in the range
        (below 0.5 worse than nothing). Otherwise the plain area.

    Raises
    ------
    UnusableData
        As `analysis.stats.roc.auc`, or a range that is none.

    References
    ----------
    .. [1] McClish 1989, doi:10.1177/0272989X8900900307
    """
    if of not in ("specificity", "sensitivity"):
        raise UnusableData(f'The curve has no {of}: ask for "specificity" or "sensitivity".')
    low, high = between
    if not 0 <= low < high <= 1:
        raise UnusableData(
            f"The range of {of} is {low:g} to {high:g}: give two numbers of 0 to 1, lower first."
        )
    is_case, score = as_cases(labels), finite_scores(scores, labels)
    if not is_case.any() or is_case.all():
        raise UnusableData("A ROC curve needs cases and controls: one group is empty.")
    if of == "sensitivity":
        # Mirrored, the curve of sensitivities is that of specificities with the groups swapped.
        is_case, score = ~is_case, -score
    false_alarms, found = roc_points(is_case, score)
    start, end = 1 - high, 1 - low
    inside = (false_alarms > start) & (false_alarms < end)
    x = np.concatenate([[start], false_alarms[inside], [end]])
    y = np.concatenate(
        [
            [_height(false_alarms, found, start, side="right")],
            found[inside],
            [_height(false_alarms, found, end, side="left")],
        ]
    )
    area = float(np.trapezoid(y, x))
    if not standardised:
        return area
    of_nothing = (end**2 - start**2) / 2
    return (1 + (area - of_nothing) / (end - start - of_nothing)) / 2


def roc_points(is_case: Bools, scores: Floats) -> tuple[Floats, Floats]:
    """False-positive and true-positive shares at each threshold, from (0, 0) to (1, 1)."""
    order = np.argsort(-scores, kind="stable")
    last_of_ties = np.flatnonzero(np.diff(scores[order], append=-np.inf))
    cases = np.cumsum(is_case[order])[last_of_ties] / is_case.sum()
    controls = np.cumsum(~is_case[order])[last_of_ties] / (~is_case).sum()
    return np.concatenate([[0.0], controls]), np.concatenate([[0.0], cases])


def _height(x: Floats, y: Floats, at: float, *, side: Literal["left", "right"]) -> float:
    """The curve's height at a false-positive share: at a wall, its foot from the left or its top.

    A range that ends at a wall ends at its foot and one that starts there starts at its top: the
    wall itself has no area.
    """
    beside = int(np.searchsorted(x, at, side=side))
    on_point = beside if side == "left" else beside - 1
    if x[on_point] == at:
        return float(y[on_point])
    return float(np.interp(at, x[beside - 1 : beside + 1], y[beside - 1 : beside + 1]))


def site_bootstrap(
    labels: ArrayLike,
    scores: ArrayLike,
    site: ArrayLike,
    *,
    rng: np.random.Generator,
    n_draws: int = 2000,
) -> SiteBootstrap:
    """Interval of the within-site AUC by drawing sites, and people within them, again [1]_.

    The scores are taken as they are. DeLong's interval is for more people of these sites; this
    one also lets the sites differ, and is the honest one for a site that is not among them.

    Parameters
    ----------
    labels, scores, site : array-like of shape (n_samples,)
        NaN scores (people of sites that were not tested) are left out.
    rng : Generator
    n_draws : int

    Raises
    ------
    UnusableData
        Fewer than 2 sites have 2 cases and 2 controls, or no draws.

    References
    ----------
    .. [1] Davison and Hinkley 1997, Bootstrap Methods and their Application, section 3.8
    """
    refuse_no_count(n_draws, "Draws of a bootstrap")
    is_case, score = as_cases(labels), real_numbers(scores, "Scores")
    sites = site_names(site, len(is_case))
    if score.shape != is_case.shape or np.isinf(score).any():
        raise UnusableData(
            f"{len(is_case)} labels and scores of the shape {score.shape}, "
            f"{np.isinf(score).sum()} infinite: give each a finite score, or NaN where untested."
        )
    known = ~np.isnan(score)
    is_case, score, sites = is_case[known], score[known], sites[known]
    strata = _strata(is_case, sites)
    if len(strata) < MIN_SITES:
        raise UnusableData(
            "Drawing sites needs at least 2 sites with 2 cases and 2 controls, got 1."
        )
    areas = np.array([_area_draws(is_case[rows], score[rows], rng, n_draws) for rows in strata])
    pairs = np.array([is_case[rows].sum() * (~is_case[rows]).sum() for rows in strata], dtype=float)
    drawn = rng.multinomial(len(strata), np.full(len(strata), 1 / len(strata)), size=n_draws).T
    weights = drawn * pairs[:, None]
    means = (weights * areas).sum(axis=0) / weights.sum(axis=0)
    tail = 100 * (1 - COVERAGE) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    few = f"{len(strata)} sites: too few to show how much sites differ, the interval is short"
    return SiteBootstrap(
        float(low), float(high), len(strata), n_draws, few if len(strata) < 5 else ""
    )


def _area_draws(is_case: Bools, scores: Floats, rng: np.random.Generator, n_draws: int) -> Floats:
    """AUCs of ``n_draws`` draws of as many cases and controls as there are, with replacement."""
    case, control = scores[is_case], scores[~is_case]
    in_order = (case[:, None] > control) + 0.5 * (case[:, None] == control)
    cases, controls = (_times_drawn(len(group), n_draws, rng) for group in (case, control))
    areas: Floats = np.einsum("ij,ij->i", cases @ in_order, controls) / in_order.size
    return areas


def _times_drawn(n: int, n_draws: int, rng: np.random.Generator) -> Floats:
    """How often each of n people is among n drawn with replacement, (n_draws, n)."""
    # Counting people who were drawn takes a tenth of drawing the counts.
    drawn = rng.integers(n, size=(n_draws, n)) + n * np.arange(n_draws)[:, None]
    return np.bincount(drawn.ravel(), minlength=n_draws * n).reshape(n_draws, n).astype(np.float64)
