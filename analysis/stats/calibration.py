"""Do people called 70 % likely to be cases turn out to be cases seven times in ten?

Discrimination (the AUC) survives a model that says 90 % where 60 % is true; whoever acts on the
number does not. A study that recruits cases and controls in fixed shares fixes the average chance
with them: its intercepts speak of such studies, not of the people of a town.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from analysis.stats.errors import UnusableData
from analysis.stats.roc import as_cases, finite_scores
from analysis.stats.tables import real_numbers

Floats = NDArray[np.float64]

# A vote of no tree or all trees has no logit: chances are kept this far from 0 and 1.
NEAREST = 0.001
N_BINS = 5
MAX_STEPS = 100
STEP_AT_END = 1e-10


@dataclass(frozen=True)
class CalibrationBin:
    """People of similar predicted chance: how many, their mean chance and their share of cases."""

    n: int
    mean_chance: float
    share_of_cases: float


@dataclass(frozen=True)
class Calibration:
    """How predicted chances compare with what was seen.

    ``slope`` (1 is right; under 1 the chances are too extreme) and ``intercept`` are those of the
    logistic regression of the label on the chance's logit; ``in_the_large`` (0 is right; below,
    the chances are too high) is the intercept with the slope held at 1. ``se`` beside each. None,
    with the ``reason``, where no finite value fits. ``brier`` (0 best) is the mean squared
    difference of chance and label, ``brier_scaled`` the share by which it beats the share of cases
    for everybody. ``expected_to_observed`` is the cases foretold over the cases seen. ``bins`` are
    fifths of the people by their chance.
    """

    slope: float | None
    slope_se: float | None
    intercept: float | None
    intercept_se: float | None
    in_the_large: float
    in_the_large_se: float
    brier: float
    brier_scaled: float
    expected_to_observed: float
    bins: tuple[CalibrationBin, ...]
    n_case: int
    n_control: int
    reason: str


def calibrate(labels: ArrayLike, chances: ArrayLike) -> Calibration:
    """Compare predicted chances of being a case with labels [1]_.

    Parameters
    ----------
    labels : array-like of shape (n_samples,)
        1 for a case, 0 for a control.
    chances : array-like of shape (n_samples,)
        0 to 1; kept 0.001 away from both for their logits, and as they are for the Brier score.

    Raises
    ------
    UnusableData
        Lengths differ, a chance outside 0 to 1, or one of the groups is empty.

    References
    ----------
    .. [1] Van Calster et al. 2019, doi:10.1186/s12916-019-1466-7
    """
    is_case, chance = as_cases(labels), _as_chances(chances, labels)
    n_case, n_control = int(is_case.sum()), int((~is_case).sum())
    if min(n_case, n_control) < 1:
        raise UnusableData(
            f"Calibration compares cases with controls, got {n_case} and {n_control}."
        )
    label, logit = is_case.astype(np.float64), _logit(chance)
    level, level_se = _fit(np.ones((len(label), 1)), label, logit)
    both, both_se, reason = _slope_and_intercept(label, logit)
    brier = float(((label - chance) ** 2).mean())
    return Calibration(
        slope=both[1],
        slope_se=both_se[1],
        intercept=both[0],
        intercept_se=both_se[0],
        in_the_large=float(level[0]),
        in_the_large_se=float(level_se[0]),
        brier=brier,
        brier_scaled=1 - brier / float(label.var()),
        expected_to_observed=float(chance.sum()) / n_case,
        bins=_bins(label, chance),
        n_case=n_case,
        n_control=n_control,
        reason=reason,
    )


def recalibrate(chances: ArrayLike, shift: float, slope: float = 1.0) -> Floats:
    """Chances moved by ``shift`` on the logit scale, after multiplying the logit by ``slope``.

    With the ``in_the_large`` of `calibrate` this is recalibration in the large, which a new site
    can afford with few people; it leaves the AUC as it is.

    Raises
    ------
    UnusableData
        A chance outside 0 to 1, or a shift or slope that is not finite.
    """
    if not (np.isfinite(shift) and np.isfinite(slope)):
        raise UnusableData(f"A shift of {shift:g} and slope of {slope:g}: give finite numbers.")
    chance = real_numbers(chances, "Chances")
    return np.asarray(special.expit(shift + slope * _logit(_as_chances(chance, chance))))


def _as_chances(chances: ArrayLike, labels: ArrayLike) -> Floats:
    chance = finite_scores(chances, labels)
    outside = int(((chance < 0) | (chance > 1)).sum())
    if outside:
        raise UnusableData(f"{outside} chances lie outside 0 to 1: give probabilities, not logits.")
    return chance


def _logit(chance: Floats) -> Floats:
    return np.asarray(special.logit(np.clip(chance, NEAREST, 1 - NEAREST)))


def _slope_and_intercept(
    label: Floats, logit: Floats
) -> tuple[tuple[float | None, float | None], tuple[float | None, float | None], str]:
    none = (None, None)
    if np.ptp(logit) == 0:
        return none, none, "everybody has the same predicted chance: no slope can be fitted"
    low, high = logit[label == 1].min(), logit[label == 0].max()
    reverse_low, reverse_high = logit[label == 0].min(), logit[label == 1].max()
    if low >= high or reverse_low >= reverse_high:
        return none, none, "the chances part the two groups completely: the slope has no end"
    estimate, se = _fit(np.column_stack([np.ones(len(label)), logit]), label, np.zeros(len(label)))
    return (
        (float(estimate[0]), float(estimate[1])),
        (float(se[0]), float(se[1])),
        "",
    )


def _fit(design: Floats, label: Floats, offset: Floats) -> tuple[Floats, Floats]:
    """Logistic regression by Newton's method with halved steps: estimates and standard errors."""
    at = np.zeros(design.shape[1])
    for _ in range(MAX_STEPS):
        chance = special.expit(offset + design @ at)
        information = design.T @ (design * (chance * (1 - chance))[:, None])
        step = np.linalg.solve(information, design.T @ (label - chance))
        # Far from the optimum a full step may overshoot into chances of exactly 0 and 1.
        at = at + step * min(1.0, 2.0 / np.abs(step).max(initial=1e-300))
        if np.abs(step).max() <= STEP_AT_END:
            return at, np.sqrt(np.diag(np.linalg.inv(information)))
    raise UnusableData(
        f"The calibration curve did not settle in {MAX_STEPS} steps: one group all but parts from "
        "the other by its predicted chances."
    )


def _bins(label: Floats, chance: Floats) -> tuple[CalibrationBin, ...]:
    order = np.argsort(chance, kind="stable")
    return tuple(
        CalibrationBin(len(rows), float(chance[rows].mean()), float(label[rows].mean()))
        for rows in np.array_split(order, min(N_BINS, len(order)))
    )
