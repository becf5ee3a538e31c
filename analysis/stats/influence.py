"""What a pooled effect owes to single cohorts, and whether small cohorts tell another story."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.stats.meta import ROUNDING, checked_effects, pool_effects, two_sided_p

Floats = NDArray[np.float64]

EGGER_FEW = "Egger's test needs three cohorts or more"
EGGER_ALIKE = "the cohorts are of one precision: no line can be drawn through them"
EGGER_EXACT = "the cohorts lie on one line: nothing is left to judge it by"


@dataclass(frozen=True)
class LeaveOneOut:
    """The pooled effect without each cohort in turn.

    Arrays of shape (n_cohorts, n_features), fields as in `PooledEffects`. The row of a cohort is
    NaN for a feature that it lacks. With one cohort left, ``tau2``, ``i2`` and ``q_statistic`` are
    NaN and the interval is that cohort's own.

    ``rests_on_one`` (n_features,): with all cohorts the interval excludes 0, without one of them
    it does not. With three or four cohorts and Hartung-Knapp that is the rule: the degree of
    freedom lost is much of the evidence.
    """

    estimate: Floats
    se: Floats
    ci_low: Floats
    ci_high: Floats
    p: Floats
    tau2: Floats
    i2: Floats
    q_statistic: Floats
    rests_on_one: NDArray[np.bool_]


_LEFT = ("estimate", "se", "ci_low", "ci_high", "p", "tau2", "i2", "q_statistic")


def leave_one_out(
    estimates: ArrayLike, variances: ArrayLike, *, tau2: str = "REML", test: str = "hksj"
) -> LeaveOneOut:
    """Pool each feature again without each of its cohorts; arguments as for `pool_effects`.

    Raises
    ------
    UnusableData
        As `pool_effects`.
    """
    y, v = checked_effects(estimates, variances)
    left = np.full((len(_LEFT), *y.shape), np.nan)
    for cohort in range(len(y)):
        has = np.isfinite(y[cohort])
        others = np.arange(len(y)) != cohort
        pooled = pool_effects(y[others][:, has], v[others][:, has], tau2=tau2, test=test)
        left[:, cohort, has] = [getattr(pooled, name) for name in _LEFT]
    fields = dict(zip(_LEFT, left, strict=True))
    whole = pool_effects(y, v, tau2=tau2, test=test)
    found = (whole.ci_low > 0) | (whole.ci_high < 0)
    lost = ((fields["ci_low"] <= 0) & (fields["ci_high"] >= 0)).any(axis=0)
    return LeaveOneOut(**fields, rests_on_one=found & lost)


@dataclass(frozen=True)
class Egger:
    """Funnel asymmetry of each feature; arrays of shape (n_features,).

    ``intercept`` is in standard errors: how far estimate / se stands off 0 at precision 0. Above 0,
    imprecise cohorts have the larger effects. ``t`` and ``p`` are on ``df`` = n_cohorts - 2.
    ``limit`` is the effect at standard error 0, in the unit of the effect.
    """

    intercept: Floats
    se: Floats
    t: Floats
    df: Floats
    p: Floats
    limit: Floats
    reason: tuple[str, ...]


def egger_test(estimates: ArrayLike, variances: ArrayLike) -> Egger:
    """Test whether imprecise cohorts have other effects than precise ones [1]_.

    The regression of estimate / se on 1 / se, errors scaled by the scatter around the line. With
    under ten cohorts it sees little, and with standardised differences it finds too much, since
    their variance holds the estimate [2]_.

    Parameters
    ----------
    estimates, variances : array-likes of shape (n_cohorts, n_features)
        As for `pool_effects`.

    Raises
    ------
    UnusableData
        As `pool_effects`.

    References
    ----------
    .. [1] Egger, Davey Smith, Schneider and Minder 1997, doi:10.1136/bmj.315.7109.629
    .. [2] Pustejovsky and Rodgers 2019, doi:10.1002/jrsm.1332
    """
    y, v = checked_effects(estimates, variances)
    present = np.isfinite(y)
    counts = present.sum(axis=0)
    n = np.maximum(counts, 1)
    precision = np.where(present, 1 / np.sqrt(np.where(present, v, 1.0)), 0.0)
    score = precision * np.where(present, y, 0.0)
    mean_precision, mean_score = precision.sum(axis=0) / n, score.sum(axis=0) / n
    across = np.where(present, precision - mean_precision, 0.0)
    spread = (across**2).sum(axis=0)
    alike = spread <= ROUNDING * (precision**2).sum(axis=0)
    spread = np.where(alike, 1.0, spread)
    slope = (across * score).sum(axis=0) / spread
    intercept = mean_score - slope * mean_precision
    residual = np.where(present, score - intercept - slope * precision, 0.0)
    squares = (residual**2).sum(axis=0)
    exact = squares <= ROUNDING * (score**2).sum(axis=0)
    reason = np.where(exact, EGGER_EXACT, "")
    reason = np.where(alike, EGGER_ALIKE, reason)
    reason = np.where(counts < 3, EGGER_FEW, reason)
    df = np.where(reason == "", counts - 2.0, np.nan)
    se = np.sqrt(squares / df * (1 / n + mean_precision**2 / spread))
    drawn = np.where((counts < 3) | alike, np.nan, 0.0)
    return Egger(
        intercept=intercept + drawn,
        se=se,
        t=intercept / se,
        df=df,
        p=two_sided_p(intercept / se, df),
        limit=slope + drawn,
        reason=tuple(reason.tolist()),
    )
