"""How well a scale measures: its reliability and what each item adds to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import fdtri

from analysis.stats.errors import UnusableData
from analysis.stats.tables import finite_table

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Items = pd.DataFrame | npt.ArrayLike


@dataclass(frozen=True)
class Alpha:
    """Cronbach's alpha with Feldt's interval.

    ``standardised`` is the alpha of the items brought to one variance (NaN where an item has
    none). ``n_left_out`` people lack an answer.
    """

    alpha: float
    ci_low: float
    ci_high: float
    standardised: float
    n_people: int
    n_items: int
    n_left_out: int


@dataclass(frozen=True)
class ItemStatistics:
    """One entry an item, in the order of the columns, over people with all answers.

    ``item_rest`` is the correlation with the sum of the other items, NaN where the one or the
    other is constant; ``alpha_if_dropped`` the alpha of the other items, NaN where there is none.
    """

    item: tuple[str, ...]
    mean: Floats
    sd: Floats
    item_rest: Floats
    alpha_if_dropped: Floats


def cronbach_alpha(items: Items, *, level: float = 0.95) -> Alpha:
    """Internal consistency of a scale [1]_ with its exact interval under normal scores [2]_.

    Parameters
    ----------
    items : DataFrame or array of shape (n_people, n_items)
        Scored answers, reversed items already turned; people with a missing answer are left out.
    level : float
        Coverage of the interval, between 0 and 1.

    Raises
    ------
    UnusableData
        Fewer than two items or three people, other than finite numbers, or equal totals.

    References
    ----------
    .. [1] Cronbach 1951, doi:10.1007/BF02310555
    .. [2] Feldt 1965, doi:10.1007/BF02289499
    """
    if not 0 < level < 1:
        raise UnusableData(f"The level {level} is no coverage: give a number between 0 and 1.")
    answers, _, known = read_items(items)
    n, k = answers.shape
    covariance = np.cov(answers, rowvar=False)
    alpha = _alpha(covariance)
    sd = np.sqrt(np.diag(covariance))
    standardised = _alpha(covariance / np.outer(sd, sd)) if sd.all() else np.nan
    tail = (1 - level) / 2
    low, high = (float(fdtri(n - 1, (n - 1) * (k - 1), q)) for q in (1 - tail, tail))
    return Alpha(
        alpha=alpha,
        ci_low=1 - (1 - alpha) * low,
        ci_high=1 - (1 - alpha) * high,
        standardised=standardised,
        n_people=n,
        n_items=k,
        n_left_out=int((~known).sum()),
    )


def item_statistics(items: Items) -> ItemStatistics:
    """What each item adds to a scale; parameters and refusals as for ``cronbach_alpha``."""
    answers, names, _ = read_items(items)
    k = len(names)
    covariance = np.cov(answers, rowvar=False)
    rest = answers.sum(axis=1, keepdims=True) - answers
    spread = answers.std(axis=0) * rest.std(axis=0)
    together = ((answers - answers.mean(axis=0)) * (rest - rest.mean(axis=0))).mean(axis=0)
    dropped = np.full(k, np.nan)
    for item in range(k):
        others = np.delete(np.delete(covariance, item, axis=0), item, axis=1)
        if k > 2 and others.sum() > 0:
            dropped[item] = _alpha(others)
    return ItemStatistics(
        item=names,
        mean=answers.mean(axis=0),
        sd=answers.std(axis=0, ddof=1),
        item_rest=np.where(spread > 0, together / np.where(spread > 0, spread, 1.0), np.nan),
        alpha_if_dropped=dropped,
    )


def read_items(items: Items) -> tuple[Floats, tuple[str, ...], Bools]:
    """Answers of the people who gave all of them, the items' names, and who these people are.

    Raises
    ------
    UnusableData
        As ``cronbach_alpha`` says.
    """
    numbers = finite_table(items)
    named = items.columns if isinstance(items, pd.DataFrame) else range(numbers.shape[1])
    names = tuple(str(name) for name in named)
    if len(names) < 2:
        raise UnusableData(f"A scale needs at least 2 items, got {len(names)}.")
    known: Bools = np.isnan(numbers).sum(axis=1) == 0
    answers = numbers[known]
    if len(answers) < 3:
        emptiest = names[int(np.isnan(numbers).sum(axis=0).argmax())]
        raise UnusableData(
            f"{len(answers)} of {len(numbers)} people have all {len(names)} answers, 3 are needed: "
            f"most are missing in {emptiest}."
        )
    if not answers.sum(axis=1).var() > 0:
        raise UnusableData(
            f"All {len(answers)} people have the total {answers[0].sum():g}, or almost: "
            "a scale without differences has no reliability."
        )
    return answers, names, known


def _alpha(covariance: Floats) -> float:
    k = len(covariance)
    return float(k / (k - 1) * (1 - np.trace(covariance) / covariance.sum()))
