"""First step of ComBat: what a batch's values are beside the covariates, as sums per feature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.stats.errors import UnusableData
from analysis.stats.shrinkage import BatchSums

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_BLOCK = 128  # features in a block: its copies stay in the cache


@dataclass(frozen=True)
class Located:
    """Location and scale of features; arrays over the last axis, in the features' units.

    ``coefficients`` (n_columns, n_features) of the centred covariate columns, ``mean`` and
    ``within`` (n_batches, n_features): each batch's mean beside the covariates, NaN where it
    measured nothing, and its sum of squares around that mean; ``n`` how many were measured.
    """

    coefficients: Floats
    grand_mean: Floats
    pooled_sd: Floats
    mean: Floats
    within: Floats
    n: Floats

    def sums(self, number: int, *, mean_only: bool) -> BatchSums:
        """Standardised sums of a batch over the features that it measured."""
        seen = self.n[number] > 0
        n, sd = self.n[number, seen], self.pooled_sd[seen]
        within = self.within[number, seen] / sd**2
        delta_hat = np.ones_like(n) if mean_only else within / (n - 1)
        gamma_hat = (self.mean[number, seen] - self.grand_mean[seen]) / sd
        return BatchSums(gamma_hat, delta_hat, within, n)


def count_measured(data: Floats, codes: Ints, n_batches: int) -> Floats:
    """How many values each batch has of each feature, shape (n_batches, n_features)."""
    member = (codes == np.arange(n_batches)[:, None]).astype(np.float64)
    gaps = np.isnan(data)
    sizes = np.repeat(member.sum(axis=1)[:, None], data.shape[1], axis=1)
    return sizes - member @ gaps if gaps.any() else sizes


def left_alone(data: Floats, codes: Ints, counts: Floats, *, mean_only: bool) -> Bools:
    """Features that cannot be adjusted: constant inside a batch, or measured once or in one batch.

    A single value is enough where only shifts are adjusted.
    """
    alone: Bools = (counts > 0).sum(axis=0) < 2
    if not mean_only:
        alone |= (counts == 1).any(axis=0)
    for number in range(len(counts)):
        rows = np.flatnonzero(codes == number)
        # Most features show in a few rows that they vary; only the others are read in full.
        head = data[rows[:8]]
        suspects = np.flatnonzero(~(np.fmax.reduce(head) > np.fmin.reduce(head)))
        whole = data[np.ix_(rows, suspects)]
        constant = np.fmax.reduce(whole) == np.fmin.reduce(whole)
        alone[suspects] |= constant & (counts[number, suspects] > 1)
    return alone


def locate(
    data: Floats, codes: Ints, columns: Floats, counts: Floats, reference: int | None
) -> Located:
    """Fit batches and covariates to every feature by least squares.

    ``columns`` (n_samples, n_columns) of full rank beside the batches. The pooled variance is
    that of sva: over n in complete data, over n - 1 of each feature when anything is missing.
    """
    gaps = bool((counts < np.bincount(codes)[:, None]).any())
    member = (codes == np.arange(len(counts))[:, None]).astype(np.float64)
    centred = columns - columns.mean(axis=0)
    parts = [
        _locate_block(data[:, start : start + _BLOCK], member, codes, centred, gaps=gaps)
        for start in range(0, data.shape[1], _BLOCK)
    ]
    coefficients, mean, within = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
    grand_mean = _grand_mean(mean, counts, np.bincount(codes), reference)
    source = slice(None) if reference is None else slice(reference, reference + 1)
    variance = within[source].sum(axis=0) / (counts[source].sum(axis=0) - gaps)
    flat = np.flatnonzero(~(variance > 0))
    if len(flat):
        raise UnusableData(
            f"{len(flat)} features do not vary inside batches beside the covariates (the first "
            f"is the {flat[0] + 1}th of those adjusted): use fewer covariates or larger batches."
        )
    return Located(coefficients, grand_mean, np.sqrt(variance), mean, within, counts)


def _grand_mean(mean: Floats, counts: Floats, sizes: Ints, reference: int | None) -> Floats:
    """Batch means weighed by batch sizes, over the batches that measured the feature."""
    if reference is not None:
        own: Floats = mean[reference]
        return own
    weight = np.where(counts > 0, sizes[:, None], 0.0)
    weighted: Floats = (np.where(counts > 0, mean, 0.0) * weight).sum(axis=0) / weight.sum(axis=0)
    return weighted


def _locate_block(
    block: Floats, member: Floats, codes: Ints, columns: Floats, *, gaps: bool
) -> tuple[Floats, Floats, Floats]:
    """Coefficients, batch means and within-batch sums of squares of a block of features."""
    if gaps:
        mask = (~np.isnan(block)).astype(np.float64)
        rest = np.where(mask > 0, block, 0.0)
        counts = member @ mask
    else:
        mask = None
        rest = block.copy()
        counts = member.sum(axis=1)[:, None]
    safe = np.maximum(counts, 1.0)
    # Each batch around its own mean first: a large level would swallow the digits of squares.
    mean = member @ rest / safe
    rest -= mean[codes]
    if mask is not None:
        rest *= mask
    coefficients = _slopes(rest, mask, member, safe, columns)
    if len(coefficients):
        fitted = columns @ coefficients
        if mask is not None:
            fitted *= mask
        shift = member @ fitted / safe
        rest -= fitted - (shift[codes] if mask is None else shift[codes] * mask)
        mean -= shift
    rest *= rest
    return coefficients, np.where(counts > 0, mean, np.nan), member @ rest


def _slopes(
    rest: Floats, mask: Floats | None, member: Floats, counts: Floats, columns: Floats
) -> Floats:
    """Least-squares slopes of the covariate columns inside batches, (n_columns, n_features)."""
    p = columns.shape[1]
    if p == 0:
        return np.empty((0, rest.shape[1]))
    if mask is None:
        inside = columns - (member.T @ (member @ columns / counts))
        return np.asarray(np.linalg.solve(inside.T @ inside, columns.T @ rest), dtype=np.float64)
    scale = np.sqrt((columns**2).mean(axis=0))
    scaled = columns / scale
    gram = np.empty((rest.shape[1], p, p))
    sums = [member @ (scaled[:, [j]] * mask) for j in range(p)]
    for i in range(p):
        for j in range(i, p):
            square = (scaled[:, i] * scaled[:, j]) @ mask
            gram[:, i, j] = gram[:, j, i] = square - (sums[i] * sums[j] / counts).sum(axis=0)
    # A column that is redundant among the samples measured gets no weight instead of an error.
    inverse = np.linalg.pinv(gram, rcond=1e-10, hermitian=True)
    slopes: Floats = np.einsum("fij,jf->if", inverse, scaled.T @ rest) / scale[:, None]
    return slopes
