"""The difference between cases and controls in each feature, within one cohort."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, stdtr

from analysis.stats.design import COLLINEAR, Covariates, Design, build_design
from analysis.stats.errors import UnusableData

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Features in a block: the masked copies of a block of 2,000 samples fit the cache.
_BLOCK = 128
# Below this share of the total, a residual sum of squares by subtraction has lost its digits.
_CANCELLED = 1e-6
# A residual below this share is rounding: the model fits the feature exactly.
_EXACT = 1e-24

TOO_FEW = "fewer than 2 {arm} measured ({n})"
CONSTANT = "constant: every measured value is the same"
DETERMINED = "the group is determined by the covariates among the samples measured"
NO_DF = "no residual degrees of freedom: more covariates than samples allow"
EXACT_FIT = "no variation within the groups: nothing to compare the difference with"


@dataclass(frozen=True)
class Effects:
    """Effects of the group on every feature; arrays have the shape (n_features,).

    ``estimate``, ``se`` and ``residual_sd`` are in the feature's unit, ``t``, ``p`` (two-sided)
    and ``df`` belong to Student's test. ``hedges_g`` is free of unit; it is NaN where ``df`` is 1,
    for its correction has no value there. ``reason`` says why a feature has no estimate, and is
    "" where it has one. ``n_left_out`` counts the samples that lack a covariate.
    """

    estimate: Floats
    se: Floats
    df: Floats
    t: Floats
    p: Floats
    n_case: Ints
    n_control: Ints
    hedges_g: Floats
    hedges_g_variance: Floats
    residual_sd: Floats
    reason: tuple[str, ...]
    adjusted_for: tuple[str, ...]
    dropped: tuple[str, ...]
    n_left_out: int


@dataclass(frozen=True)
class _Fit:
    """Sums of a fit: ``estimate``, its unscaled variance ``c_gg``, ``rss`` and rank of the rest.

    ``separable`` is False where the covariates leave nothing of the group.
    """

    estimate: Floats
    c_gg: Floats
    rss: Floats
    total: Floats
    rank: Floats
    separable: npt.NDArray[np.bool_]


def fit_effects(
    values: npt.ArrayLike, group: npt.ArrayLike, covariates: Covariates = None
) -> Effects:
    """Regress every feature on group and covariates by least squares.

    Parameters
    ----------
    values : array of shape (n_samples, n_features)
        Usually logarithms; NaN is missing, in any pattern. Each feature uses the samples in
        which it and all covariates are known.
    group : array of shape (n_samples,)
        1 for a case, 0 for a control.
    covariates : DataFrame, array of shape (n_samples, n_covariates), or None
        Numbers or categories. Constant, empty and redundant ones are left out and named.

    Returns
    -------
    Effects
        Hedges g is J(df) * estimate / residual_sd with the exact J [1]_; its variance is
        c_gg + g^2 / (2 n), c_gg being the group's diagonal of the inverse of X'X.

    Raises
    ------
    UnusableData
        Shapes that do not fit, a group other than 0 or 1, or infinite values.

    References
    ----------
    .. [1] Hedges 1981, doi:10.3102/10769986006002107
    """
    data, labels = checked(values, group)
    design = build_design(covariates, len(data))
    if not design.rows.all():
        data, labels = data[design.rows], labels[design.rows]
    measured = ~np.isnan(data)
    n_case = measured[labels == 1].sum(axis=0)
    n_control = measured[labels == 0].sum(axis=0)
    basis = design.basis()
    complete = measured.all()
    fit = _fit_complete(data, labels, basis) if complete else _fit_masked(data, labels, basis)
    return _effects(data, fit, n_case, n_control, design)


def checked(values: npt.ArrayLike, group: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Values (n_samples, n_features) and group (n_samples,) as floats, or UnusableData."""
    data = np.asarray(values, dtype=np.float64)
    labels = np.asarray(group, dtype=np.float64)
    if data.ndim != 2:
        raise UnusableData(f"Values need 2 dimensions (samples, features), got {data.ndim}.")
    if labels.shape != (len(data),):
        raise UnusableData(
            f"The group has the shape {labels.shape}, the values {data.shape}: one a sample."
        )
    strange = np.flatnonzero((labels != 0) & (labels != 1))
    if len(strange):
        raise UnusableData(
            f"Row {strange[0]} has the group {labels[strange[0]]}: use 1 for a case, 0 for a "
            "control, and leave other rows out."
        )
    if np.isinf(data).any():
        infinite = np.argwhere(np.isinf(data))
        row, feature = infinite[0]
        raise UnusableData(
            f"{len(infinite)} values are infinite, the first in row {row}, feature {feature}: "
            "was a logarithm taken of zero? Fill or leave them out first."
        )
    return data, labels


def _fit_complete(data: Floats, labels: Floats, basis: Floats) -> _Fit:
    """All features at once: one basis serves them all."""
    n, m = data.shape
    rest, size = _group_direction(labels, basis)
    columns = np.column_stack([basis, rest])
    if not n:
        return _nothing(m)
    coefficients = np.empty((columns.shape[1], m))
    total = np.empty(m)
    for start in range(0, m, _BLOCK):
        block = slice(start, start + _BLOCK)
        # A large level would swallow the digits of the squares.
        centred = data[:, block] - data[:, block].mean(axis=0)
        coefficients[:, block] = columns.T @ centred
        total[block] = np.einsum("ij,ij->j", centred, centred)
    rss = total - np.einsum("ij,ij->j", coefficients, coefficients)
    separable = np.full(m, size > 0)
    scale = size or 1.0
    rss = _recomputed(rss, total, data, columns)
    rank = np.full(m, float(basis.shape[1]))
    c_gg = np.full(m, 1 / scale**2)
    return _Fit(coefficients[-1] / scale, c_gg, rss, total, rank, separable)


def _fit_masked(data: Floats, labels: Floats, basis: Floats) -> _Fit:
    """Any pattern of missing values: a Gram matrix a feature, all by one matrix product.

    The columns are orthonormal over all samples, so the Gram matrices of the samples measured
    are close to diagonal, and elimination without pivoting keeps its digits.
    """
    if not len(data):
        return _nothing(data.shape[1])
    rest, size = _group_direction(labels, basis)
    columns = np.column_stack([basis, rest])
    parts = [
        _eliminate(*_gram(data[:, start : start + _BLOCK], columns))
        for start in range(0, data.shape[1], _BLOCK)
    ]
    gg, gy, rss0, total, rank = (np.concatenate(part) for part in zip(*parts, strict=True))
    separable = (gg > COLLINEAR) & (size > 0)
    safe = np.where(separable, gg, 1.0)
    rss = _recomputed(rss0 - gy**2 / safe, total, data, columns)
    scale = size or 1.0
    return _Fit(gy / safe / scale, 1 / (safe * scale**2), rss, total, rank, separable)


def _gram(block: Floats, columns: Floats) -> tuple[Floats, Floats]:
    """Gram matrices (k + 1, k + 1, n_features) of columns and values over the samples measured.

    Also the sum of squares (n_features,) of the values around their mean.
    """
    mask = (~np.isnan(block)).astype(np.float64)
    n = np.maximum(mask.sum(axis=0), 1.0)
    filled = np.where(mask > 0, block, 0.0)
    filled -= mask * (filled.sum(axis=0) / n)
    total = np.einsum("ij,ij->j", filled, filled)
    k = columns.shape[1]
    first, second = np.triu_indices(k)
    gram = np.empty((k + 1, k + 1, block.shape[1]))
    products = (columns[:, first] * columns[:, second]).T @ mask
    gram[first, second] = products
    gram[second, first] = products
    gram[k, :k] = gram[:k, k] = columns.T @ filled
    gram[k, k] = total
    return gram, total


def _eliminate(gram: Floats, total: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Take intercept and covariates out of group and values, for all features at once.

    A column that is redundant among the samples measured is passed over, as R's ``lm`` does.
    Returns the group's remaining square, its product with the values, the values' remaining
    square, their total and the rank of what was taken out.
    """
    k = len(gram) - 2
    rank = np.zeros(gram.shape[2])
    before = np.array([gram[column, column] for column in range(k + 1)])
    for column in range(k):
        pivot = gram[column, column].copy()
        used = pivot > COLLINEAR * np.maximum(before[column], 1e-300)
        inverse = np.where(used, 1 / np.where(used, pivot, 1.0), 0.0)
        rank += used
        row = gram[column, column + 1 :].copy()
        gram[column + 1 :, column + 1 :] -= row[:, None] * (row * inverse)[None]
    remaining = np.where(gram[k, k] > COLLINEAR * before[k], gram[k, k], 0.0)
    return remaining, gram[k, k + 1], gram[k + 1, k + 1], total, rank


def _group_direction(labels: Floats, basis: Floats) -> tuple[Floats, float]:
    """What the covariates leave of the group, at length 1, and its length (0: nothing left)."""
    rest = labels - basis @ (basis.T @ labels)
    rest -= basis @ (basis.T @ rest)
    size = float(np.linalg.norm(rest))
    if size <= COLLINEAR * np.linalg.norm(labels - labels.mean() if len(labels) else labels):
        return np.zeros_like(labels), 0.0
    return rest / size, size


def _recomputed(rss: Floats, total: Floats, data: Floats, columns: Floats) -> Floats:
    """Residual sums of squares, from the residuals themselves where subtraction lost digits."""
    exact = rss.copy()
    # Few features are fitted this closely, so a loop over them costs nothing.
    for feature in np.flatnonzero((rss < _CANCELLED * total) & (total > 0)):
        rows = ~np.isnan(data[:, feature])
        y = data[rows, feature] - data[rows, feature].mean()
        solution = np.linalg.lstsq(columns[rows], y, rcond=None)[0]
        exact[feature] = ((y - columns[rows] @ solution) ** 2).sum()
    return exact


def _nothing(n_features: int) -> _Fit:
    zero = np.zeros(n_features)
    return _Fit(zero, zero, zero, zero, zero, np.zeros(n_features, dtype=bool))


def _effects(data: Floats, fit: _Fit, n_case: Ints, n_control: Ints, design: Design) -> Effects:
    n = n_case + n_control
    df = n - fit.rank - 1
    reason = _reasons(data, fit, n_case, n_control, df)
    usable = np.array([not why for why in reason], dtype=bool)
    nan = np.where(usable, 0.0, np.nan)
    safe_df = np.where(usable, df, 1.0)
    sd = np.sqrt(np.where(usable, fit.rss, 1.0) / safe_df) + nan
    se = sd * np.sqrt(np.where(usable, fit.c_gg, 1.0))
    estimate = fit.estimate + nan
    t = estimate / se
    g = bias_correction(safe_df) * estimate / sd
    return Effects(
        estimate=estimate,
        se=se,
        df=df + nan,
        t=t,
        p=2 * stdtr(safe_df, -np.abs(t)),
        n_case=n_case,
        n_control=n_control,
        hedges_g=g,
        hedges_g_variance=fit.c_gg + g**2 / (2 * np.maximum(n, 1)),
        residual_sd=sd,
        reason=reason,
        adjusted_for=design.adjusted_for,
        dropped=design.dropped,
        n_left_out=int((~design.rows).sum()),
    )


def bias_correction(df: Floats) -> Floats:
    """J(df), which takes the small-sample bias out of a standardised difference; NaN at df 1."""
    enough = np.where(df > 1, df, 2.0)
    log_j = gammaln(enough / 2) - gammaln((enough - 1) / 2) - np.log(enough / 2) / 2
    return np.where(df > 1, np.exp(log_j), np.nan)


def _reasons(data: Floats, fit: _Fit, n_case: Ints, n_control: Ints, df: Floats) -> tuple[str, ...]:
    # Most features show in a few rows that they vary; only the others are read in full.
    varied = np.fmax.reduce(data[:8], initial=-np.inf) > np.fmin.reduce(data[:8], initial=np.inf)
    suspects = np.flatnonzero(~varied | (fit.rss < _CANCELLED * fit.total))
    # For the others any two numbers that differ, small enough to be no level at all.
    lowest, highest = np.zeros(len(df)), np.full(len(df), 1e-300)
    lowest[suspects] = np.fmin.reduce(data[:, suspects], initial=np.inf)
    highest[suspects] = np.fmax.reduce(data[:, suspects], initial=-np.inf)
    # Rounding of values at this level leaves residuals of about this size.
    level = np.where(n_case + n_control, np.fmax(abs(lowest), abs(highest)), 0.0)
    rounding = (n_case + n_control) * (1e-15 * level) ** 2
    exact = fit.rss <= _EXACT * fit.total + rounding
    checks = [
        (n_case < 2, TOO_FEW.format(arm="cases", n="{n_case}")),
        (n_control < 2, TOO_FEW.format(arm="controls", n="{n_control}")),
        (lowest >= highest, CONSTANT),
        (~fit.separable, DETERMINED),
        (df < 1, NO_DF),
        (exact, EXACT_FIT),
    ]
    words = [""] * len(df)
    for failed, sentence in reversed(checks):
        for feature in np.flatnonzero(failed):
            words[feature] = sentence.format(n_case=n_case[feature], n_control=n_control[feature])
    return tuple(words)
