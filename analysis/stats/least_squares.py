"""Least squares of many features on one group and the same covariates, whatever is missing.

Every array of a fit has the shape (n_features,). The features share one read of the values; only
one whose sums have lost too many digits is fitted again from its residuals.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from analysis.stats.design import independent
from analysis.stats.gathering import Model, Sums, gather, group_direction

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

# Below this share of the total, a residual sum of squares by subtraction has lost its digits.
_CANCELLED = 1e-5
# A share of a column between these may be information or rounding: only its QR can tell.
_NOTHING_LEFT = 1e-13
_ENOUGH_LEFT = 1e-4
# A residual below this share is rounding: the model fits the feature exactly.
_EXACT = 1e-24
# Values that differ by less than this share of their size differ by rounding.
_ROUNDING = 1e-15
# Squares below this lose their digits, or vanish.
_UNDERFLOW = 1e-280


@dataclass(frozen=True)
class Fit:
    """Sums of a fit.

    ``estimate`` of the group and ``c_gg``, its variance in units of the residual variance; ``rss``
    and ``total``, the squares around the model and around the first value measured; ``rank`` of
    intercept and covariates. ``separable`` is False where the covariates leave nothing of the
    group, ``constant`` True where the values differ by rounding alone, ``exact`` where the model
    leaves rounding alone, ``vanishing`` where the squares are too small for a float, and
    ``plain`` where the model is the one of all samples.
    """

    estimate: Floats
    c_gg: Floats
    rss: Floats
    total: Floats
    rank: Floats
    n_case: Ints
    n_control: Ints
    separable: Bools
    constant: Bools
    exact: Bools
    vanishing: Bools
    plain: Bools


def fit_group(data: Floats, model: Model) -> Fit:
    """Fit every column of ``data`` (n_samples, n_features); NaN is missing, in any pattern.

    Infinite values and those whose squares overflow leave a ``total`` that is not finite.
    """
    # Infinite values are the caller's to refuse, by the total that they leave.
    with np.errstate(invalid="ignore", over="ignore"):
        sums = gather(data, model)
        fit = _all_measured(sums, model) if sums.complete else _masked(sums, model)
    fit = replace(fit, vanishing=_vanishing(data, sums.total))
    fit = replace(fit, constant=fit.constant & ~fit.vanishing)
    doubtful = ~fit.plain | (fit.rss < _CANCELLED * fit.total)
    again = np.flatnonzero(doubtful & ~fit.constant & ~fit.vanishing)
    return _fitted_again(fit, again, data, model) if len(again) else fit


def _all_measured(sums: Sums, model: Model) -> Fit:
    """The columns are orthonormal over the samples of every feature."""
    m = len(sums.total)
    rss = sums.total - np.einsum("ij,ij->j", sums.moments, sums.moments)
    rank = np.full(m, model.columns.shape[1] - 1.0)
    yes = np.full(m, True)
    separable = yes if model.size else ~yes
    return _fit(sums, model, (np.ones(m), sums.moments[-1], rss), rank, separable, yes)


def _masked(sums: Sums, model: Model) -> Fit:
    """Intercept and covariates are taken out of group and values for all features at once.

    Over the samples measured the columns are nearly orthonormal, so that elimination without
    pivoting keeps its digits. A column that is redundant there is passed over, as R's ``lm``
    does; ``plain`` is False where that, or the digits, are in doubt.
    """
    k = model.columns.shape[1]
    first, second = np.triu_indices(k)
    gram = np.empty((k + 1, k + 1, len(sums.total)))
    gram[first, second] = gram[second, first] = sums.gram[:-2]
    gram[k, :k] = gram[:k, k] = sums.moments
    gram[k, k] = sums.total
    # A column may be absent among the samples measured, with nothing left but rounding.
    scale = np.maximum(gram[np.arange(k), np.arange(k)], 1e-8)
    used = np.empty((k, len(sums.total)), dtype=bool)
    plain = np.full(len(sums.total), True)
    for column in range(k):
        pivot = gram[column, column]
        used[column] = pivot > _ENOUGH_LEFT * scale[column]
        plain &= used[column] | (pivot <= _NOTHING_LEFT * scale[column])
        if column < k - 1:
            row = gram[column, column + 1 :].copy()
            factor = row / np.where(used[column], pivot, np.inf)
            gram[column + 1 :, column + 1 :] -= row[:, None] * factor
    separable = used[-1] if model.size else np.zeros_like(used[-1])
    gg, gy = np.where(separable, gram[k - 1, k - 1], 1.0), gram[k - 1, k]
    rss = gram[k, k] - np.where(separable, gy**2 / gg, 0.0)
    rank = used[:-1].sum(axis=0).astype(np.float64)
    return _fit(sums, model, (gg, gy, rss), rank, separable, plain | (model.size == 0))


def _fit(
    sums: Sums,
    model: Model,
    solved: tuple[Floats, Floats, Floats],
    rank: Floats,
    separable: Bools,
    plain: Bools,
) -> Fit:
    """A fit from the group's square and product with the values, and what is left of these."""
    gg, gy, rss = solved
    n = np.rint(sums.gram[-2]).astype(np.int64)
    n_case = np.rint(sums.gram[-1]).astype(np.int64)
    scale = model.size or 1.0
    rounding = n * (_ROUNDING * np.abs(sums.level)) ** 2
    return Fit(
        estimate=gy / gg / scale,
        c_gg=1 / (gg * scale**2),
        rss=rss,
        total=sums.total,
        rank=rank,
        n_case=n_case,
        n_control=n - n_case,
        separable=separable,
        constant=sums.total <= rounding,
        exact=rss <= rounding,
        vanishing=np.zeros_like(plain),
        plain=plain,
    )


def _vanishing(data: Floats, total: Floats) -> Bools:
    """Features whose values differ by too little for a square; never a constant one."""
    vanishing = np.zeros(len(total), dtype=bool)
    for feature in np.flatnonzero(total < _UNDERFLOW):
        measured = data[~np.isnan(data[:, feature]), feature]
        vanishing[feature] = len(measured) > 0 and measured.min() < measured.max()
    return vanishing


def _fitted_again(fit: Fit, features: Ints, data: Floats, model: Model) -> Fit:
    """The fit with these ``features`` taken from the residuals of an orthogonal basis."""
    names = ("estimate", "c_gg", "rss", "total", "rank", "separable", "exact")
    changed = {name: getattr(fit, name).copy() for name in names}
    bases: dict[bytes, tuple[Floats, Floats, float]] = {}
    for feature in features:
        rows = ~np.isnan(data[:, feature])
        pattern = np.packbits(rows).tobytes()
        if pattern not in bases:
            bases[pattern] = basis_among(rows, model)
        for name, value in _alone(data[rows, feature], *bases[pattern]).items():
            changed[name][feature] = value
    return replace(fit, **changed)


def basis_among(rows: Bools, model: Model) -> tuple[Floats, Floats, float]:
    """Basis of intercept and covariates among ``rows``, the group's direction, and its size."""
    columns = model.covariates[rows]
    columns = columns[:, independent(columns)]
    centred = columns - columns.mean(axis=0)
    basis, _ = np.linalg.qr(np.column_stack([np.ones(len(columns)), centred]))
    return basis, *group_direction(model.labels[rows], basis)


def _alone(y: Floats, basis: Floats, direction: Floats, size: float) -> dict[str, float]:
    """One feature's part of a ``Fit`` from its measured values ``y``."""
    centred = y - y.mean()
    # Twice: what the first pass leaves of a large part would look like residuals.
    rest = centred - basis @ (basis.T @ centred)
    rest -= basis @ (basis.T @ rest)
    projection = float(direction @ rest)
    residual = rest - direction * projection
    residual -= direction * (direction @ residual)
    total, rss = float(centred @ centred), float(residual @ residual)
    rounding = len(y) * (_ROUNDING * float(np.abs(y).max())) ** 2
    scale = size or 1.0
    return {
        "estimate": projection / scale,
        "c_gg": 1 / scale**2,
        "rss": rss,
        "total": total,
        "rank": basis.shape[1],
        "separable": size > 0,
        "exact": rss <= _EXACT * total + rounding,
    }
