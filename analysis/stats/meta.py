"""One effect of each feature from the effects of the cohorts (random-effects meta-analysis)."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from analysis.stats.errors import UnusableData
from analysis.stats.tau2 import (
    MAX_STEPS,
    between_variance,
    typical_variance,
    weighted_squares,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TESTS = ("hksj", "t", "z")
COVERAGE = 0.95
# As many features at once as keep the working arrays of some 20 cohorts in the cache.
BLOCK = 2048

NO_COHORT = "no cohort measured it"
ONE_COHORT = "one cohort: nothing to pool"
UNCONVERGED = (
    f"tau2 did not settle within {MAX_STEPS} steps: the estimate is not shown; "
    "pool with DL or PM, or check the variances"
)


@dataclass(frozen=True)
class PooledEffects:
    """Pooled effects; arrays of shape (n_features,), in the unit of the cohorts' effects.

    ``p`` and ``ci_*`` (95 %) are two-sided: on n_cohorts - 1 degrees of freedom with ``test`` t or
    hksj, normal with z. ``pi_*`` is the 95 % interval of the true effect in a further cohort, on
    n_cohorts - 2 degrees of freedom: NaN under 3 cohorts, and NaN for FE, which knows no other
    effect. ``i2`` is in percent, 100 tau2 / (tau2 + typical within-cohort variance) of Higgins and
    Thompson (2002, equation 9); for FE it is 100 (Q - df) / Q, not below 0. ``q_statistic`` is
    Cochran's Q with the weights 1 / variance and ``q_p`` its chi-squared p on n_cohorts - 1.
    ``reason`` is empty where cohorts were pooled; else it says what the numbers are. One cohort
    passes through with its own normal interval, whatever the test, and without heterogeneity.
    """

    estimate: Floats
    se: Floats
    ci_low: Floats
    ci_high: Floats
    p: Floats
    tau2: Floats
    i2: Floats
    q_statistic: Floats
    q_p: Floats
    pi_low: Floats
    pi_high: Floats
    n_cohorts: NDArray[np.int64]
    converged: Bools
    reason: tuple[str, ...]
    tau2_method: str
    test: str


def pool_effects(
    estimates: ArrayLike, variances: ArrayLike, *, tau2: str = "REML", test: str = "hksj"
) -> PooledEffects:
    """Pool each feature over the cohorts that have it.

    Parameters
    ----------
    estimates, variances : array-likes of shape (n_cohorts, n_features)
        The effect in one unit throughout, and its squared standard error in that unit squared;
        both NaN where a cohort lacks the feature.
    tau2 : FE, HE, DL, HS, SJ, PM, EB, ML or REML
        How the variance between cohorts is estimated; see `between_variance`. FE supposes one
        effect in all cohorts.
    test : hksj, t or z
        ``hksj`` scales the standard error by sqrt(max(1, q)), q the mean weighted square around
        the estimate [1]_ [2]_, with t on n_cohorts - 1: never narrower than t, nor t than z.
        With FE, ``hksj`` has no meaning and becomes z; the result's ``test`` says so.

    Raises
    ------
    UnusableData
        Shapes that differ, an infinite number, a variance not above 0, an estimate without its
        variance or the reverse, an unknown ``tau2`` or ``test``.

    References
    ----------
    .. [1] Knapp and Hartung 2003, doi:10.1002/sim.1482
    .. [2] Roever, Knapp and Friede 2015, doi:10.1186/s12874-015-0091-1 (the limit at 1)
    .. [3] Higgins, Thompson and Spiegelhalter 2009, doi:10.1111/j.1467-985X.2008.00552.x
       (prediction interval)
    """
    if test not in TESTS:
        raise UnusableData(f'test "{test}" is not known; use one of {", ".join(TESTS)}.')
    if tau2 == "FE" and test == "hksj":
        test = "z"
    y, v = _checked(estimates, variances)
    starts = range(0, max(y.shape[1], 1), BLOCK)
    blocks = [_fit(y[:, at : at + BLOCK], v[:, at : at + BLOCK], tau2, test) for at in starts]
    parts = [
        np.concatenate([getattr(block, field.name) for block in blocks])
        for field in fields(_Fitted)
    ]
    return _summarise(_Fitted(*parts), tau2, test)


@dataclass(frozen=True)
class _Fitted:
    """What needs the cohorts' numbers; arrays of shape (n_features,).

    With fewer than two cohorts ``tau2``, ``q_statistic`` and ``typical``, the typical variance
    within cohorts, are NaN; with none ``estimate`` is 0 and ``se`` 1, to be hidden later.
    """

    n_cohorts: NDArray[np.int64]
    estimate: Floats
    se: Floats
    tau2: Floats
    converged: Bools
    q_statistic: Floats
    typical: Floats


def _checked(estimates: ArrayLike, variances: ArrayLike) -> tuple[Floats, Floats]:
    y, v = np.asarray(estimates, dtype=np.float64), np.asarray(variances, dtype=np.float64)
    if y.ndim != 2 or y.shape != v.shape:
        raise UnusableData(
            f"Estimates have the shape {y.shape} and variances {v.shape}: "
            "give both as (n_cohorts, n_features)."
        )
    # One pass for the tables that are in order; the search for what is wrong comes after.
    sound = np.isfinite(y) & (v > 0) & np.isfinite(v) | np.isnan(y) & np.isnan(v)
    if sound.all():
        return y, v
    refused = {
        "an infinite estimate or variance": np.isinf(y) | np.isinf(v),
        "a variance that is not above 0": v <= 0,
        "an estimate or a variance without the other": np.isnan(y) != np.isnan(v),
    }
    for what, where in refused.items():
        if where.any():
            cohort, feature = np.argwhere(where)[0]
            raise UnusableData(
                f"Cohort {cohort}, feature {feature} (counted from 0) has {what}; "
                f"{int(where.sum())} such in all. Refit that cohort or set both to NaN."
            )
    return y, v


def _fit(y: Floats, v: Floats, method: str, test: str) -> _Fitted:
    present = np.isfinite(y)
    n_cohorts = present.sum(axis=0)
    # An absent cohort gets the weight 0; see tau2.
    y, v = np.where(present, y, 0.0), np.where(present, v, np.inf)
    several = n_cohorts >= 2
    tau2, q_statistic, typical = (np.full(len(several), np.nan) for _ in range(3))
    converged = np.ones(len(several), dtype=bool)
    # Taking all columns by a mask would copy both tables for nothing.
    y2, v2 = (y, v) if several.all() else (y[:, several], v[:, several])
    between = between_variance(y2, v2, method)
    tau2[several], converged[several] = between.tau2, between.converged
    q_statistic[several], typical[several] = weighted_squares(y2, v2), typical_variance(v2)
    marginal = v + np.where(several, tau2, 0.0)
    estimate, se = _centre(y, marginal, np.where(several, n_cohorts - 1, np.nan), test)
    return _Fitted(n_cohorts, estimate, se, tau2, converged, q_statistic, typical)


def _centre(y: Floats, marginal: Floats, df: Floats, test: str) -> tuple[Floats, Floats]:
    """The weighted mean of each feature and its standard error; 0 and 1 where no cohort is."""
    weight = 1 / marginal
    total = weight.sum(axis=0)
    total = np.where(total > 0, total, 1.0)
    estimate: Floats = (weight * y).sum(axis=0) / total
    se = np.sqrt(1 / total)
    if test == "hksj":
        weight *= (y - estimate) ** 2
        several = np.isfinite(df)
        scatter = np.where(several, weight.sum(axis=0), 1.0) / np.where(several, df, 1.0)
        se *= np.sqrt(np.maximum(1.0, scatter))
    return estimate, se


def _summarise(fit: _Fitted, method: str, test: str) -> PooledEffects:
    several = fit.n_cohorts >= 2
    df = np.where(several, fit.n_cohorts - 1, np.nan)
    quantile_df = np.where(several & (test != "z"), df, np.inf)
    half_width = _t_quantile(quantile_df) * fit.se
    reach = _prediction_reach(fit, method)
    shown = (fit.n_cohorts >= 1) & fit.converged
    both = several & fit.converged
    return PooledEffects(
        estimate=_only(shown, fit.estimate),
        se=_only(shown, fit.se),
        ci_low=_only(shown, fit.estimate - half_width),
        ci_high=_only(shown, fit.estimate + half_width),
        p=_only(shown, _two_sided_p(fit.estimate / fit.se, quantile_df)),
        tau2=_only(both, fit.tau2),
        i2=_only(both, _i2(fit, df, method)),
        q_statistic=fit.q_statistic,
        q_p=special.chdtrc(df, fit.q_statistic),
        pi_low=_only(both, fit.estimate - reach),
        pi_high=_only(both, fit.estimate + reach),
        n_cohorts=fit.n_cohorts,
        converged=fit.converged,
        reason=_reasons(fit.n_cohorts, fit.converged),
        tau2_method=method,
        test=test,
    )


def _i2(fit: _Fitted, df: Floats, method: str) -> Floats:
    """I2 in percent, by the definition in `PooledEffects`; NaN under two cohorts."""
    if method != "FE":
        return 100 * fit.tau2 / (fit.tau2 + fit.typical)
    q = fit.q_statistic
    # Identical cohorts have Q = 0 and no heterogeneity: 0 / 0 must not become NaN.
    i2: Floats = 100 * np.maximum(q - df, 0.0) / np.where(q > 0, q, 1.0)
    return i2


def _prediction_reach(fit: _Fitted, method: str) -> Floats:
    df = np.where((fit.n_cohorts >= 3) & (method != "FE"), fit.n_cohorts - 2.0, np.nan)
    reach: Floats = _t_quantile(df) * np.sqrt(fit.tau2 + fit.se**2)
    return reach


def _t_quantile(df: Floats) -> Floats:
    """Upper quantile of Student's t for `COVERAGE`; normal for infinite df, NaN for NaN."""
    # Few different df, many features: the quantile is the dearest number here.
    values, which = np.unique(df, return_inverse=True)
    upper = (1 + COVERAGE) / 2
    quantiles = np.where(np.isinf(values), special.ndtri(upper), special.stdtrit(values, upper))
    quantile: Floats = quantiles[which]
    return quantile


def _two_sided_p(statistic: Floats, df: Floats) -> Floats:
    lower = -np.abs(statistic)
    p: Floats = 2 * np.where(np.isinf(df), special.ndtr(lower), special.stdtr(df, lower))
    return p


def _only(shown: Bools, values: Floats) -> Floats:
    kept: Floats = np.where(shown, values, np.nan)
    return kept


def _reasons(n_cohorts: NDArray[np.int64], converged: Bools) -> tuple[str, ...]:
    reasons = np.full(len(n_cohorts), "", dtype=object)
    reasons[n_cohorts == 0] = NO_COHORT
    reasons[n_cohorts == 1] = ONE_COHORT
    reasons[~converged] = UNCONVERGED
    return tuple(reasons)
