"""One effect of each feature from the effects of the cohorts (random-effects meta-analysis)."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from analysis.stats.errors import UnsoundEffect, UnusableData
from analysis.stats.newton import MAX_STEPS
from analysis.stats.tables import real_numbers
from analysis.stats.tau2 import (
    between_variance,
    moments,
    weighted_sum,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Counts = NDArray[np.int64]

TESTS = ("hksj", "hksj_plain", "t", "z")
COVERAGE = 0.95
# Scatter below rounding of the effects, as a share of their squares, is none.
ROUNDING = (16 * np.finfo(np.float64).eps) ** 2
# Beyond these, products of effects and weights leave the range of numbers.
_LARGEST, _LEAST_VARIANCE, _LARGEST_VARIANCE = 1e50, 1e-100, 1e100
# As many features at once as keep the working arrays of some 20 cohorts in the cache.
BLOCK = 2048

NO_COHORT = "no cohort measured it"
ONE_COHORT = "one cohort: nothing to pool"
IDENTICAL = (
    "the cohorts' effects are identical: plain Hartung-Knapp finds no error in them; use hksj"
)
UNCONVERGED = (
    f"tau2 did not settle within {MAX_STEPS} steps: the estimate is not shown; "
    "pool with DL or PM, or check the variances"
)


@dataclass(frozen=True)
class PooledEffects:
    """Pooled effects; arrays of shape (n_features,), in the unit of the cohorts' effects.

    ``p`` and ``ci_*`` (95 %) are two-sided: normal with ``test`` z, else on n_cohorts - 1 degrees
    of freedom. ``pi_*`` is the 95 % interval of the true effect in a further cohort, on
    n_cohorts - 2 degrees of freedom: NaN under 3 cohorts, and NaN for FE, which knows no other
    effect. ``i2`` is in percent, 100 tau2 / (tau2 + typical within-cohort variance) of Higgins and
    Thompson (2002, equation 9); for FE it is 100 (Q - df) / Q, not below 0. ``q_statistic`` is
    Cochran's Q with the weights 1 / variance and ``q_p`` its chi-squared p on n_cohorts - 1.
    ``reason`` is empty where cohorts were pooled; else it says what the numbers are. One cohort
    passes through with its own normal interval, whatever the test, and without heterogeneity.
    Identical effects have no ``se`` under hksj_plain, hence neither interval nor p.
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
    n_cohorts: Counts
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
    test : hksj, hksj_plain, t or z
        ``hksj_plain`` scales the standard error by sqrt(q), q the mean weighted square around the
        estimate, with t on n_cohorts - 1 [1]_; ``hksj`` by sqrt(max(1, q)) [2]_: never narrower
        than t, nor t than z. With FE neither has a meaning and both become z; the result's
        ``test`` says so.

    Raises
    ------
    UnusableData
        Shapes that differ, no cohort or feature, an effect beyond 1e50, a variance that is not
        from 1e-100 to 1e100, an estimate without its
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
    if tau2 == "FE" and test in ("hksj", "hksj_plain"):
        test = "z"
    y, v = checked_effects(estimates, variances)
    starts = range(0, y.shape[1], BLOCK)
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

    n_cohorts: Counts
    estimate: Floats
    se: Floats
    tau2: Floats
    converged: Bools
    q_statistic: Floats
    typical: Floats


def checked_effects(estimates: ArrayLike, variances: ArrayLike) -> tuple[Floats, Floats]:
    """Both as float arrays of shape (n_cohorts, n_features).

    Raises
    ------
    UnusableData
        As `pool_effects` says of its first two arguments.
    """
    y, v = real_numbers(estimates, "Estimates"), real_numbers(variances, "Variances")
    if y.ndim != 2 or y.shape != v.shape or 0 in y.shape:
        raise UnusableData(
            f"Estimates have the shape {y.shape} and variances {v.shape}: "
            "give both as (n_cohorts, n_features), at least 1 of each."
        )
    # One pass for the tables that are in order; the search for what is wrong comes after.
    possible = (np.abs(y) <= _LARGEST) & (v >= _LEAST_VARIANCE) & (v <= _LARGEST_VARIANCE)
    sound = possible | np.isnan(y) & np.isnan(v)
    if not sound.all():
        _refuse(y, v, sound)
    return y, v


def _refuse(y: Floats, v: Floats, sound: Bools) -> NoReturn:
    """Say what is wrong with the first unsound number, and where it is."""
    faults = {
        "an infinite estimate or variance": np.isinf(y) | np.isinf(v),
        "a variance that is not above 0": v <= 0,
        "an estimate or a variance without the other": np.isnan(y) != np.isnan(v),
        "an effect above 1e50, or a variance outside 1e-100 to 1e100, as no unit has it": ~sound,
    }
    what, where = next(fault for fault in faults.items() if fault[1].any())
    cohort, feature = np.argwhere(where)[0]
    raise UnsoundEffect(what, int(cohort), int(feature), int(where.sum()))


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
    known = moments(y2, v2)
    between = between_variance(y2, v2, method, known)
    tau2[several], converged[several] = between.tau2, between.converged
    q_statistic[several], typical[several] = known.q, known.typical
    marginal = v + np.where(several, tau2, 0.0)
    estimate, se = _centre(y, marginal, np.where(several, n_cohorts - 1, np.nan), test)
    return _Fitted(n_cohorts, estimate, se, tau2, converged, q_statistic, typical)


def _centre(y: Floats, marginal: Floats, df: Floats, test: str) -> tuple[Floats, Floats]:
    """The weighted mean of each feature and its standard error; 0 and 1 where no cohort is."""
    weight = 1 / marginal
    total = weight.sum(axis=0)
    total = np.where(total > 0, total, 1.0)
    estimate: Floats = weighted_sum(weight, y) / total
    se = np.sqrt(1 / total)
    if test in ("t", "z"):
        return estimate, se
    several = np.isfinite(df)
    around = y - estimate
    around *= around
    scatter = np.where(several, weighted_sum(weight, around), 1.0) / np.where(several, df, 1.0)
    if test == "hksj":
        return estimate, se * np.sqrt(np.maximum(1.0, scatter))
    none = scatter <= ROUNDING * weighted_sum(weight, y * y)
    return estimate, np.where(none & several, np.nan, se * np.sqrt(scatter))


def _summarise(fit: _Fitted, method: str, test: str) -> PooledEffects:
    several = fit.n_cohorts >= 2
    df = np.where(several, fit.n_cohorts - 1.0, np.nan)
    test_df = np.where(several & (test != "z"), df, np.inf)
    half_width = _by_count(fit.n_cohorts, test_df, _t_quantile) * fit.se
    reach = _prediction_reach(fit, method)
    shown = (fit.n_cohorts >= 1) & fit.converged
    both = several & fit.converged
    return PooledEffects(
        estimate=_only(shown, fit.estimate),
        se=_only(shown, fit.se),
        ci_low=_only(shown, fit.estimate - half_width),
        ci_high=_only(shown, fit.estimate + half_width),
        p=_only(shown, two_sided_p(fit.estimate / fit.se, test_df)),
        tau2=_only(both, fit.tau2),
        i2=_only(both, _i2(fit, df, method)),
        q_statistic=fit.q_statistic,
        q_p=special.chdtrc(df, fit.q_statistic),
        pi_low=_only(both, fit.estimate - reach),
        pi_high=_only(both, fit.estimate + reach),
        n_cohorts=fit.n_cohorts,
        converged=fit.converged,
        reason=_reasons(fit),
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
    quantile = _by_count(fit.n_cohorts, df, _t_quantile)
    reach: Floats = quantile * np.sqrt(fit.tau2 + fit.se**2)
    return reach


def _by_count(n_cohorts: Counts, df: Floats, of: Callable[[Floats], Floats]) -> Floats:
    """``of(df)``, worked out once for each number of cohorts: df depends on nothing else."""
    # Many features, few numbers of cohorts, and a quantile is the dearest number here.
    df_of_count = np.full(n_cohorts.max(initial=0) + 1, np.nan)
    df_of_count[n_cohorts] = df
    by_count: Floats = of(df_of_count)[n_cohorts]
    return by_count


def _t_quantile(df: Floats) -> Floats:
    """Upper quantile of Student's t for `COVERAGE`; normal for infinite df, NaN for NaN."""
    upper = (1 + COVERAGE) / 2
    quantile: Floats = np.where(np.isinf(df), special.ndtri(upper), special.stdtrit(df, upper))
    return quantile


def two_sided_p(statistic: Floats, df: Floats) -> Floats:
    """p of |t| on df degrees of freedom, infinite for a normal test."""
    lower = -np.abs(statistic)
    normal = np.isinf(df)
    p: Floats = 2 * special.stdtr(df, lower)
    p[normal] = 2 * special.ndtr(lower[normal])
    return p


def _only(shown: Bools, values: Floats) -> Floats:
    kept: Floats = np.where(shown, values, np.nan)
    return kept


def _reasons(fit: _Fitted) -> tuple[str, ...]:
    reasons = np.full(len(fit.n_cohorts), "", dtype=object)
    reasons[np.isnan(fit.se)] = IDENTICAL
    reasons[fit.n_cohorts == 0] = NO_COHORT
    reasons[fit.n_cohorts == 1] = ONE_COHORT
    reasons[~fit.converged] = UNCONVERGED
    return tuple(reasons)
