"""Sums of squares and products of many features, gathered in one read of their values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.stats.design import COLLINEAR, Design

Floats = npt.NDArray[np.float64]

# A block of values and of its mask stay in the cache together.
_BLOCK = 64 * 1024
_FEATURES = 1024


@dataclass(frozen=True)
class Model:
    """The columns of a fit, orthonormal over all samples: ``columns`` (n_samples, k).

    The last of them is what the covariates leave of the group, ``size`` its length before it was
    brought to 1 (0: nothing is left); ``labels`` (n_samples,) is the group as 0 and 1, and
    ``covariates`` (n_samples, k - 2) are as the study coded them.
    """

    columns: Floats
    size: float
    labels: Floats
    covariates: Floats


@dataclass(frozen=True)
class Sums:
    """What one read of the values gives.

    ``gram`` (n_pairs + 2, n_features) holds the products of two columns summed over the samples
    measured (0 where ``complete``: they are those of an orthonormal basis), the number of these
    samples, and of the cases among them; ``moments`` (k, n_features) the products of columns and
    values less ``level``, the first value measured; ``total`` the squares of these differences.
    """

    gram: Floats
    moments: Floats
    total: Floats
    level: Floats
    complete: bool


def model_of(design: Design, labels: Floats) -> Model:
    """Intercept and covariates of ``design`` beside the group of its rows."""
    basis = design.basis()
    direction, size = group_direction(labels, basis)
    return Model(np.column_stack([basis, direction]), size, labels, design.columns)


def group_direction(labels: Floats, basis: Floats) -> tuple[Floats, float]:
    """What the covariates leave of the group, at length 1, and its length (0: nothing left)."""
    rest = labels - basis @ (basis.T @ labels)
    rest -= basis @ (basis.T @ rest)
    size = float(np.linalg.norm(rest))
    if size <= COLLINEAR * np.linalg.norm(labels - labels.mean() if len(labels) else labels):
        return np.zeros_like(labels), 0.0
    return rest / size, size


def gather(data: Floats, model: Model) -> Sums:
    """Read the values (n_samples, n_features) once, block by block; NaN is missing.

    An infinite value, or one too large for its square, leaves a ``total`` that is not finite.
    """
    n, m = data.shape
    k = model.columns.shape[1]
    gram = np.zeros((k * (k + 1) // 2 + 2, m))
    moments, total = np.zeros((k, m)), np.zeros(m)
    level = first_measured(data)
    # Products of columns are needed where values are missing, and only there.
    pairs: Floats | None = None
    without_gaps = []
    rows_at_once, features_at_once = _block_shape(data)
    for features in _slices(m, features_at_once):
        whole = np.full(n, True)
        for rows in _slices(n, rows_at_once):
            block = data[rows, features] - level[features]
            known = ~np.isnan(block)
            if not known.all():
                pairs = _pairs(model) if pairs is None else pairs
                whole[rows] = False
                # A missing value becomes 0 by its bits, for no branch can foresee which it is.
                bits = block.view(np.int64)
                bits &= -known.astype(np.int64)
                gram[:, features] += pairs[rows].T @ known.astype(np.float64)
            # Written so, the long side of the product is the one that BLAS walks along.
            moments[:, features] += (block.T @ model.columns[rows]).T
            total[features] += np.einsum("ij,ij->j", block, block)
        without_gaps.append((features, whole))
    total[np.isinf(level)] = np.inf
    if pairs is None:
        gram[-2:] = [[n], [model.labels.sum()]]
        return Sums(gram, moments, total, level, complete=True)
    for features, whole in without_gaps:
        gram[:, features] += pairs[whole].sum(axis=0)[:, None]
    return Sums(gram, moments, total, level, complete=False)


def _pairs(model: Model) -> Floats:
    """Products of any two columns, and beside them ones and the group, a row a sample."""
    first, second = np.triu_indices(model.columns.shape[1])
    products = model.columns[:, first] * model.columns[:, second]
    return np.column_stack([products, np.ones(len(products)), model.labels])


def _block_shape(data: Floats) -> tuple[int, int]:
    """Rows and features of a block that is read in the order in which it lies in memory."""
    n, m = max(data.shape[0], 1), max(data.shape[1], 1)
    if data.flags.f_contiguous and not data.flags.c_contiguous:
        return n, max(1, _BLOCK // n)
    return max(1, _BLOCK // min(m, _FEATURES)), _FEATURES


def _slices(length: int, step: int) -> Iterator[slice]:
    return (slice(start, start + step) for start in range(0, length, step))


def first_measured(data: Floats) -> Floats:
    """The first value of each feature, so that a large level does not swallow the squares."""
    n, m = data.shape
    if not n:
        return np.zeros(m)
    level: Floats = data[0].copy()
    for feature in np.flatnonzero(np.isnan(level)):
        column = data[:, feature]
        value = column[np.argmin(np.isnan(column))]
        level[feature] = 0.0 if np.isnan(value) else value
    return level
