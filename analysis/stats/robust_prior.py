"""The prior of the variances where a few features vary far more than the others.

The outliers are cut back before the prior is fitted, and the prior counts the less for a feature
the surer it is that this is one of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import (
    betaln,
    fdtrc,
    fdtri,
    gammaincc,
    gammainccinv,
    gammaincinv,
    gammaln,
    hyp2f1,
)
from scipy.stats import rankdata, trim_mean

from analysis.stats.lowess import lowess
from analysis.stats.variance_prior import Prior, fit_prior

Floats = npt.NDArray[np.float64]

# Shares of the features that are cut back at the low and the high end.
TAILS = (0.05, 0.1)
_SPAN = 0.4
_FLOOR = 1e-12
# Below this a tail probability is taken from its series, for it soon has no float.
_TINY = 1e-250
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(128)


@dataclass(frozen=True)
class _Winsorised:
    """Log variances around their trend, with mean and variance once their tails are cut back."""

    log_variance: Floats
    trend: Floats
    mean: float
    variance: float


def fit_prior_robustly(variance: Floats, df: Floats, average: Floats | None = None) -> Prior:
    """Fit the prior by winsorised moments, with fewer prior df for outliers [1]_.

    Parameters
    ----------
    variance, df, average
        As for ``fit_prior``; with ``average`` the prior follows a lowess line of it.

    References
    ----------
    .. [1] Phipson, Lee, Majewski, Alexander and Smyth 2016, doi:10.1214/16-AOAS920
    """
    floored = np.maximum(variance, _FLOOR * np.median(variance))
    plain = fit_prior(floored, df, average)
    # Too few features for a tail, or for anything to stand out from.
    if len(variance) <= 2 or max(TAILS) < 1 / len(variance):
        return plain
    most = float(df.max())
    alike = _on_equal_df(floored / plain.variance, df, most, plain.pooled_df) * plain.variance
    data = _winsorised(np.log(alike), average)
    bound = _log_ratio(data.variance, most, np.inf)
    if bound <= 0:
        return _without_spread(data, most)
    if np.isinf(plain.pooled_df):
        return plain
    pooled = _solved(data.variance, most, plain.pooled_df, bound)
    trend = data.trend + data.mean - _moments(most, pooled)[0]
    ratio = np.exp(data.log_variance - trend)
    return Prior(np.exp(trend), _shrunk(ratio, most, pooled), pooled)


def _on_equal_df(ratio: Floats, df: Floats, most: float, pooled: float) -> Floats:
    """Ratios at the same quantile of an F distribution with ``most`` numerator df."""
    changed = ratio.copy()
    for feature in np.flatnonzero(df < most - 1e-14):
        own = float(df[feature])
        upper = np.exp(_log_tail(ratio[[feature]], own, pooled))[0]
        # The smaller tail keeps its digits.
        below = _lower_tail(ratio[feature], own, pooled)
        tail, high = (upper, True) if upper < below else (below, False)
        changed[feature] = _quantile(max(tail, _TINY), most, pooled, upper=high)
    return changed


def _winsorised(log_variance: Floats, average: Floats | None) -> _Winsorised:
    m = len(log_variance)
    if average is None:
        trend = np.full(m, float(trim_mean(log_variance, TAILS[1])))
    else:
        trend = lowess(average, log_variance, span=_SPAN)
    rest = log_variance - trend
    low, high = np.quantile(rest, [TAILS[0], 1 - TAILS[1]])
    cut = np.clip(rest, low, high)
    return _Winsorised(log_variance, trend, float(cut.mean()), float(cut.var(ddof=1)))


def _solved(variance: float, df: float, start: float, bound: float) -> float:
    """Prior df at which the winsorised variance is the one observed; at least ``start``."""

    def excess(share: float) -> float:
        return bound if share == 1 else _log_ratio(variance, df, share / (1 - share))

    lowest = start / (1 + start)
    if excess(lowest) >= 0:
        return start
    share = float(brentq(excess, lowest, 1.0, xtol=1e-15, rtol=1e-14))
    return share / (1 - share)


def _log_ratio(variance: float, df: float, prior_df: float) -> float:
    return float(np.log(variance / _moments(df, prior_df)[1]))


def _moments(df: float, prior_df: float) -> tuple[float, float]:
    """Mean and variance of the logarithm of an F variable with its tails cut back."""
    ends = np.array(
        [
            _quantile(TAILS[0], df, prior_df, upper=False),
            _quantile(TAILS[1], df, prior_df, upper=True),
        ]
    )
    # On x / (1 + x) the range is finite and the density smooth.
    low, high = ends / (1 + ends)
    share = low + (high - low) * (_NODES + 1) / 2
    ratio = share / (1 - share)
    weight = (
        (high - low) * _WEIGHTS / 2 * np.exp(_log_density(ratio, df, prior_df)) / (1 - share) ** 2
    )
    logs, tails = np.log(ratio), np.log(ends)
    mean = float(weight @ logs + np.array(TAILS) @ tails)
    return mean, float(weight @ (logs - mean) ** 2 + np.array(TAILS) @ (tails - mean) ** 2)


def _without_spread(data: _Winsorised, df: float) -> Prior:
    """All features share one variance, but for those that are far too large for it."""
    m = len(data.log_variance)
    trend = data.trend + data.mean - _moments(df, np.inf)[0]
    ratio = np.exp(data.log_variance - trend)
    tail = np.asarray(gammaincc(df / 2, ratio * df / 2), dtype=np.float64)
    regular = tail / _empirical_tail(ratio)
    prior: Floats = np.full(m, np.inf)
    prior[regular < 1] = regular[regular < 1] * m * df
    return Prior(np.exp(trend), _not_above_less_extreme(prior, tail), np.inf)


def _shrunk(ratio: Floats, df: float, pooled: float) -> Floats:
    """Prior df of every feature: less the more its variance exceeds what chance explains."""
    log_tail = _log_tail(ratio, df, pooled)
    log_regular = np.minimum(log_tail - np.log(_empirical_tail(ratio)), 0.0)
    if not (log_regular < 0).any():
        return np.full(len(ratio), pooled)
    # The prior df at which the most extreme feature would be the median of its distribution.
    outlier = np.log(0.5) / log_tail.min() * pooled
    extreme = _log_tail(np.array([ratio.max()]), df, outlier)[0]
    outlier *= np.log(0.5) / extreme
    prior = np.exp(log_regular) * pooled - np.expm1(log_regular) * outlier
    order = np.argsort(log_tail, kind="stable")
    means = np.cumsum(prior[order]) / np.arange(1, len(prior) + 1)
    lowest = int(np.argmin(means))
    prior[order[: lowest + 1]] = means[lowest]
    return _not_above_less_extreme(prior, log_tail)


def _not_above_less_extreme(prior: Floats, tail: Floats) -> Floats:
    """No feature trusts the prior more than one that is less of an outlier."""
    order = np.argsort(tail, kind="stable")
    settled = np.empty_like(prior)
    settled[order] = np.maximum.accumulate(prior[order])
    return settled


def _empirical_tail(ratio: Floats) -> Floats:
    share: Floats = (len(ratio) - rankdata(ratio) + 0.5) / len(ratio)
    return share


def _log_tail(ratio: Floats, df: float, prior_df: float) -> Floats:
    """Logarithm of the chance that an F variable exceeds ``ratio``, however small."""
    if np.isinf(prior_df):
        return np.log(np.maximum(gammaincc(df / 2, ratio * df / 2), _TINY))
    tail = fdtrc(df, prior_df, ratio)
    far = tail < _TINY
    logs = np.log(np.where(far, 1.0, tail))
    a, b = prior_df / 2, df / 2
    x = prior_df / (prior_df + df * ratio[far])
    series = np.log(hyp2f1(a + b, 1.0, a + 1, x))
    logs[far] = a * np.log(x) + b * np.log1p(-x) - np.log(a) - betaln(a, b) + series
    return logs


def _lower_tail(ratio: float, df: float, prior_df: float) -> float:
    if np.isinf(prior_df):
        return float(1 - gammaincc(df / 2, ratio * df / 2))
    # The reciprocal of an F variable is one with its df exchanged.
    return float(fdtrc(prior_df, df, 1 / ratio))


def _quantile(tail: float, df: float, prior_df: float, *, upper: bool) -> float:
    """The F quantile beyond which, or below which, ``tail`` lies."""
    if np.isinf(prior_df):
        inverse = gammainccinv if upper else gammaincinv
        return float(2 * inverse(df / 2, tail) / df)
    if upper:
        return 1 / float(fdtri(prior_df, df, tail))
    return float(fdtri(df, prior_df, tail))


def _log_density(ratio: Floats, df: float, prior_df: float) -> Floats:
    if np.isinf(prior_df):
        x = ratio * df / 2
        chi2: Floats = np.log(x) * (df / 2 - 1) - x - gammaln(df / 2) + np.log(df / 2)
        return chi2
    a, b = df / 2, prior_df / 2
    scaled = df / prior_df * ratio
    density: Floats = (
        np.log(df / prior_df) + (a - 1) * np.log(scaled) - (a + b) * np.log1p(scaled) - betaln(a, b)
    )
    return density
