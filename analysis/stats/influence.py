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
    """Pool each feature again without each of its cohorts [1]_; arguments as for `pool_effects`.

    Raises
    ------
    UnusableData
        As `pool_effects`.

    References
    ----------
    .. [1] Viechtbauer and Cheung 2010, doi:10.1002/jrsm.11
    """
    y, v = checked_effects(estimates, variances)
    left = np.full((len(_LEFT), *y.shape), np.nan)
    for cohort in range(len(y)):
        has = np.isfinite(y[cohort])
        others = np.arange(len(y)) != cohort
        if not has.any() or not others.any():
            continue
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
    precision = np.where(present, 1 / np.sqrt(np.where(present, v, 1.0)), 0.0)
    score = precision * np.where(present, y, 0.0)
    line = _line(precision, score, present)
    alike = line.spread <= ROUNDING * (precision**2).sum(axis=0)
    exact = line.squares <= ROUNDING * (score**2).sum(axis=0)
    reason = np.where(exact, EGGER_EXACT, "")
    reason = np.where(alike, EGGER_ALIKE, reason)
    reason = np.where(counts < 3, EGGER_FEW, reason)
    df = np.where(reason == "", counts - 2.0, np.nan)
    se = np.sqrt(line.squares / df * line.leverage)
    drawn = np.where((counts < 3) | alike, np.nan, 0.0)
    return Egger(
        intercept=line.intercept + drawn,
        se=se,
        t=line.intercept / se,
        df=df,
        p=two_sided_p(line.intercept / se, df),
        limit=line.slope + drawn,
        reason=tuple(reason.tolist()),
    )


@dataclass(frozen=True)
class _Line:
    """Least squares of each feature; ``leverage`` times the error variance is the intercept's.

    ``spread`` is the sum of squares of x around its mean, ``squares`` that around the line.
    """

    intercept: Floats
    slope: Floats
    spread: Floats
    squares: Floats
    leverage: Floats


def _line(x: Floats, y: Floats, present: NDArray[np.bool_]) -> _Line:
    n = np.maximum(present.sum(axis=0), 1)
    mean_x, mean_y = x.sum(axis=0) / n, y.sum(axis=0) / n
    across = np.where(present, x - mean_x, 0.0)
    spread = (across**2).sum(axis=0)
    # Where x does not vary the line is not shown; 1 keeps the division quiet.
    divisor = np.where(spread > 0, spread, 1.0)
    slope = (across * y).sum(axis=0) / divisor
    intercept = mean_y - slope * mean_x
    residual = np.where(present, y - intercept - slope * x, 0.0)
    squares = (residual**2).sum(axis=0)
    return _Line(intercept, slope, spread, squares, 1 / n + mean_x**2 / divisor)
