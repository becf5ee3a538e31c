"""What the variances of all features say of the variance of one.

The variances of features are taken as a scaled F distribution: the feature's own chi-squared
around a variance that itself varies between features. Its two parameters are the prior.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.interpolate import BSpline
from scipy.special import digamma, polygamma

Floats = npt.NDArray[np.float64]

# A variance below this share of the median one is an artefact, and would rule the logarithms.
_FLOOR = 1e-5


@dataclass(frozen=True)
class Prior:
    """The prior of every feature, arrays of shape (n_features,).

    ``variance`` in squared units of the feature, and ``df``, how many observations it is worth:
    infinite where all features share one variance. ``pooled_df`` is the df of a feature that is
    no outlier.
    """

    variance: Floats
    df: Floats
    pooled_df: float


def fit_prior(variance: Floats, df: Floats, average: Floats | None = None) -> Prior:
    """Fit the prior by the moments of the log variances [1]_.

    Parameters
    ----------
    variance, df : arrays of shape (n_features,)
        Residual variances and their degrees of freedom, all positive.
    average : array of shape (n_features,), optional
        Mean value of the feature: the prior variance then follows a natural spline of it.

    Returns
    -------
    Prior
        One feature alone has a prior worth nothing: ``df`` is 0.

    References
    ----------
    .. [1] Smyth 2004, doi:10.2202/1544-6115.1027, section 6.2; the trend of Sartor et al. 2006,
       doi:10.1186/1471-2105-7-538
    """
    m = len(variance)
    if m == 1:
        return Prior(variance, np.zeros(1), 0.0)
    floored = np.maximum(variance, _FLOOR * np.median(variance))
    log_variance = np.log(floored) - log_chi2_bias(df)
    basis = np.ones((m, 1)) if average is None else trend_basis(average)
    trend, rank = _projected(log_variance, basis)
    between = float(((log_variance - trend) ** 2).sum()) / max(m - rank, 1)
    between -= float(polygamma(1, df / 2).mean())
    if between > 0:
        pooled = 2 * trigamma_inverse(between)
        scale = np.exp(trend + log_chi2_bias(np.array(pooled)))
    else:
        # The variances differ by no more than chance: one variance serves all.
        pooled = np.inf
        scale = np.exp(trend) if basis.shape[1] > 1 else np.full(m, floored.mean())
    return Prior(scale, np.full(m, pooled), pooled)


def log_chi2_bias(df: Floats) -> Floats:
    """Mean of the logarithm of a chi-squared variable over its degrees of freedom."""
    bias: Floats = digamma(df / 2) - np.log(df / 2)
    return bias


def trigamma_inverse(value: float) -> float:
    """The y at which the trigamma function is ``value`` > 0, by Newton's method on 1/trigamma."""
    if value > 1e7:
        return float(1 / np.sqrt(value))
    if value < 1e-6:
        return 1 / value
    y = 0.5 + 1 / value
    step = np.inf
    # Convex and decreasing: the steps never overshoot, and each doubles the digits.
    while abs(step) > 1e-12 * y:
        now = float(polygamma(1, y))
        step = now * (1 - now / value) / float(polygamma(2, y))
        y += step
    return y


def trend_basis(average: Floats) -> Floats:
    """Natural cubic spline of ``average``, shape (n_features, 1 to 4), with knots at quantiles.

    The more features, the more knots: 2 from 3 features, 3 from 6, 4 from 30.
    """
    m = len(average)
    n_knots = min(1 + (m >= 3) + (m >= 6) + (m >= 30), len(np.unique(average)))
    if n_knots < 2:
        return np.ones((m, 1))
    # From 0 to 1, or cubes of large averages swallow the digits.
    x = (average - average.min()) / (average.max() - average.min())
    inner = np.quantile(x, np.linspace(0, 1, n_knots))[1:-1]
    knots = np.concatenate([np.zeros(4), inner, np.ones(4)])
    bends = BSpline(knots, np.eye(len(knots) - 4), 3).derivative(2)([0.0, 1.0])
    # Natural: among the cubic splines those that do not bend at the two ends.
    natural = np.linalg.qr(bends.T, mode="complete")[0][:, 2:]
    basis: Floats = BSpline.design_matrix(x, knots, 3).toarray() @ natural
    return basis


def _projected(y: Floats, basis: Floats) -> tuple[Floats, int]:
    """Least-squares fit of ``y`` on ``basis``, and its rank."""
    coefficients, _, rank, _ = np.linalg.lstsq(basis, y, rcond=1e-10)
    return basis @ coefficients, int(rank)
