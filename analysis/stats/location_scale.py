"""First step of ComBat: what a batch's values are beside the covariates, as sums per feature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg.lapack import dtrtrs

from analysis.stats.errors import UnusableData
from analysis.stats.moments import Layout, Moments, in_one_tile, sum_up
from analysis.stats.shrinkage import BatchSums
from analysis.stats.small_study import fit_whole

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

# Squares left over below this share of the whole, by subtraction, have lost digits.
_CANCELLED = 1e-4
# A spread below this share of a feature's size is rounding.
_ROUNDING = 1e-12
_BLOCK = 128  # features read once more at a time
# A determinant of correlations above this is far from singular.
_REGULAR = 1e-6


@dataclass(frozen=True)
class Fit:
    """Least squares on batches and the orthonormal columns of a Layout, over the last axis.

    ``n``, ``mean`` and ``within`` (n_batches, n_features): how many samples a batch measured,
    their level where the columns are 0, and their sum of squares around the fit and their own
    mean. ``slopes`` (n_columns, n_features). ``suspect`` (n_batches, n_features) marks a
    ``within`` that has lost digits, as that of a constant has. ``plain`` says that nothing is
    missing and no sum has lost digits: all features vary in every batch.
    """

    n: Floats
    mean: Floats
    within: Floats
    slopes: Floats
    suspect: Bools
    gaps: bool
    plain: bool


@dataclass(frozen=True)
class Located:
    """Location and scale of features; arrays over the last axis, in the features' units.

    ``coefficients`` (n_columns, n_features) of the centred covariate columns, ``mean`` and
    ``within`` (n_batches, n_features): each batch's mean beside the covariates, and its sum of
    squares around that mean; ``n`` how many were measured, 0 where the others mean nothing.
    ``complete`` says that nothing is missing.
    """

    coefficients: Floats
    grand_mean: Floats
    pooled_sd: Floats
    mean: Floats
    within: Floats
    n: Floats
    complete: bool

    def sums(self, *, mean_only: bool) -> BatchSums:
        """Standardised sums of all batches."""
        hat = np.ones((2, *self.mean.shape))
        gamma_hat, delta_hat = hat
        np.subtract(self.mean, self.grand_mean, out=gamma_hat)
        gamma_hat /= self.pooled_sd
        within = self.within / self.pooled_sd**2
        if not mean_only:
            varies = self.complete or self.n > 1
            np.divide(within, self.n - 1, out=delta_hat, where=varies)
        return BatchSums(hat, within, self.n, self.complete)


def fit_batches(data: Floats, layout: Layout) -> Fit:
    """Fit batches and covariates to every feature, those that need it with a second reading."""
    whole = fit_whole(data, layout, _CANCELLED) if in_one_tile(data) else None
    if whole is not None:
        mean, slopes, within = whole
        n, suspect = _counts(layout.n, mean), np.zeros(mean.shape, dtype=bool)
        return Fit(n, mean, within, slopes, suspect, gaps=False, plain=True)
    fit = _solve(sum_up(data, layout))
    if fit.plain:
        return fit
    features = np.flatnonzero(fit.suspect.any(axis=0))
    for start in range(0, len(features), _BLOCK):
        _refine(data, layout, features[start : start + _BLOCK], fit)
    return fit


def left_alone(data: Floats, layout: Layout, fit: Fit, *, mean_only: bool) -> Bools:
    """Features that cannot be adjusted: constant inside a batch, or measured once or in one batch.

    A single value is enough where only shifts are adjusted.
    """
    alone: Bools = (fit.n > 0).sum(axis=0) < 2
    if not mean_only:
        alone |= (fit.n == 1).any(axis=0)
    for number in np.flatnonzero(fit.suspect.any(axis=1)):
        rows = layout.order[layout.ends[number] : layout.ends[number + 1]]
        # Most features show in a few rows that they vary; only the others are read in full.
        suspects = np.flatnonzero(fit.suspect[number])
        suspects = suspects[_constant(data[np.ix_(rows[:8], suspects)])]
        constant = _constant(data[np.ix_(rows, suspects)])
        alone[suspects] |= constant & (fit.n[number, suspects] > 1)
    return alone


def explained(fit: Fit) -> Bools:
    """Features of which batches and covariates leave nothing but rounding.

    sva divides that rounding by itself, and what comes out moves the priors of all others.
    """
    within = fit.within.sum(axis=0)
    # The columns are orthonormal, so that these are all of a feature's squares.
    squares = (fit.n * fit.mean**2).sum(axis=0) + (fit.slopes**2).sum(axis=0) + within
    nothing: Bools = (within <= _ROUNDING**2 * squares) & (fit.n > 1).any(axis=0)
    return nothing


def locate(
    fit: Fit, layout: Layout, levels: Floats, alone: Bools, reference: int | None
) -> Located:
    """Location and scale of the features that are not ``alone``.

    ``levels`` (n_batches, n_columns) are the batches' means of the centred covariate columns.
    The pooled variance is that of sva: over n in complete data, over n - 1 of each feature when
    anything is missing.
    """
    n, mean, within, slopes = fit.n, fit.mean, fit.within, fit.slopes
    if np.count_nonzero(alone):
        n, mean, within, slopes = (part[:, ~alone] for part in (n, mean, within, slopes))
    gaps = fit.gaps and bool((n < layout.n[:, None]).any())
    # Regular: the columns were found to be independent beside the batches.
    coefficients: Floats = dtrtrs(layout.upper, slopes)[0] if len(slopes) else slopes
    mean = mean - levels @ coefficients
    source = slice(None) if reference is None else slice(reference, reference + 1)
    if gaps:
        samples = np.add.reduce(n[source]) - 1
    else:
        samples = len(layout.codes) if reference is None else layout.n[reference]
    variance = np.add.reduce(within[source]) / samples
    if np.count_nonzero(variance > 0) < len(variance):
        flat = np.flatnonzero(~(variance > 0))
        raise UnusableData(
            f"{len(flat)} features do not vary inside batches beside the covariates (the first "
            f"is the {flat[0] + 1}th of those adjusted): use fewer covariates or larger batches."
        )
    grand_mean = _grand_mean(mean, n, layout.n, gaps) if reference is None else mean[reference]
    return Located(coefficients, grand_mean, np.sqrt(variance), mean, within, n, not gaps)


def _constant(values: Floats) -> Bools:
    """Features without two values that differ."""
    constant: Bools = ~(np.fmax.reduce(values) > np.fmin.reduce(values))
    return constant


def _grand_mean(mean: Floats, n: Floats, sizes: Ints, gaps: bool) -> Floats:
    """Batch means weighed by the sizes of those batches that measured the feature."""
    if not gaps:
        complete: Floats = sizes / float(sizes.sum()) @ mean
        return complete
    weight = sizes[:, None] * (n > 0)
    weighted: Floats = np.add.reduce(mean * weight) / np.add.reduce(weight)
    return weighted


def _solve(moments: Moments) -> Fit:
    """Slopes, means and squares left over, from the sums."""
    return _solve_complete(moments) if moments.complete else _solve_measured(moments)


def _solve_complete(moments: Moments) -> Fit:
    """Over whole batches the columns are orthonormal and sum to 0: their sums are the slopes."""
    count, totals = moments.products[:, 0, 0, 0], moments.cross[:, 0]
    mean = totals / count[:, None]
    around = within = moments.squares - totals * mean
    slopes = moments.cross[:, 1:].sum(axis=0)
    if len(slopes):
        left = moments.products[:, 1:, 1:, 0] @ slopes
        left -= moments.cross[:, 1:]
        left -= moments.cross[:, 1:]
        left *= slopes
        within = around + np.add.reduce(left, axis=1)
    return _fit(moments, _counts(count, mean), mean, slopes, around, within)


def _solve_measured(moments: Moments) -> Fit:
    """Each feature has columns of its own, those of the samples in which it was measured."""
    n = moments.products[:, 0, 0]
    mean = moments.cross[:, 0] / np.maximum(n, 1.0)
    around = within = moments.squares - moments.cross[:, 0] * mean
    slopes = np.empty((0, mean.shape[1]))
    if moments.cross.shape[1] > 1:
        # What is left of the columns' products beside the mean of the samples measured.
        sums = moments.products[:, 0, 1:]
        share = sums / np.maximum(n, 1.0)[:, None]
        gram = moments.products[:, 1:, 1:] - sums[:, :, None] * share[:, None]
        cross = moments.cross[:, 1:] - sums * mean[:, None]
        slopes = _slopes_of_each(gram.sum(axis=0), cross.sum(axis=0))
        fitted = np.einsum("bijf,jf->bif", gram, slopes)
        mean -= (share * slopes).sum(axis=1)
        within = around + ((fitted - 2 * cross) * slopes).sum(axis=1)
    return _fit(moments, n, mean, slopes, around, within)


def _fit(
    moments: Moments, n: Floats, mean: Floats, slopes: Floats, around: Floats, within: Floats
) -> Fit:
    suspect = np.minimum(around, within) <= _CANCELLED * moments.squares
    within = np.maximum(within, 0.0)
    few = n < 2
    if few.any():
        suspect &= ~few
        within[few] = 0.0
    gaps = not moments.complete
    return Fit(n, mean, within, slopes, suspect, gaps, plain=not gaps and not suspect.any())


def _counts(n: Floats | Ints, like: Floats) -> Floats:
    """The batches' sizes (n_batches,), the same in all features."""
    counts = np.empty_like(like)
    counts[:] = n[:, None]
    return counts


def _slopes_of_each(gram: Floats, cross: Floats) -> Floats:
    """Slopes (n_columns, n_features), each feature with a matrix of its own."""
    each = np.ascontiguousarray(np.moveaxis(gram, -1, 0))
    right = cross.T[:, :, None]
    scale = np.prod(np.einsum("fii->fi", each), axis=1)
    regular = np.linalg.det(each) > _REGULAR * scale
    slopes = np.empty_like(right)
    slopes[regular] = np.linalg.solve(each[regular], right[regular])
    # A column that is redundant among the samples measured gets no weight instead of an error.
    inverse = np.linalg.pinv(each[~regular], rcond=1e-10, hermitian=True)
    slopes[~regular] = inverse @ right[~regular]
    return np.ascontiguousarray(slopes[:, :, 0].T)


def _refine(data: Floats, layout: Layout, features: Ints, fit: Fit) -> None:
    """Add to a fit what its residuals still hold; the squares are then those of small numbers."""
    rest = data[:, features]
    rest -= fit.mean[:, features].take(layout.codes, axis=0)
    rest -= layout.columns @ fit.slopes[:, features]
    again = _solve(sum_up(rest, layout))
    fit.mean[:, features] += again.mean
    fit.slopes[:, features] += again.slopes
    fit.within[:, features] = again.within
