"""Features that share one pattern of missing values, ready to be permuted together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.stats.design import COLLINEAR

Floats = npt.NDArray[np.float64]
Reals = npt.NDArray[np.float32] | Floats
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

# Covariate columns a sample below which refitting them is a correction for single precision.
_SMALL = 0.01


@dataclass(frozen=True)
class Family:
    """Features that share one pattern of missing values, ready to be permuted.

    ``rows`` are their samples; ``group`` the group and ``basis`` (n_rows, rank) the covariates
    beside the intercept; ``residual`` (n_rows, n_features) what the covariates leave of the
    values, at length 1, and ``copy`` the same in the precision of the basis.
    """

    features: Ints
    rows: Ints
    group: Floats
    basis: Reals
    residual: Floats
    copy: Reals
    df: float

    def share_of(self, orders: Ints) -> Floats:
        """Share of each feature's variation that the group takes up beside the covariates.

        Shape (n_orders, n_features); t^2 = df * share / (1 - share). Moving the residuals and
        keeping group and covariates is moving these and keeping the residuals, which is one
        matrix product over all features.
        """
        share = self.group[orders] @ self.residual
        share *= share
        if self.basis.shape[1]:
            share /= self.left_of(orders)
        return share

    def left_of(self, orders: Ints) -> Floats:
        """Share of the permuted residuals' variation that the covariates, refitted, leave.

        Permuted residuals are no longer free of the covariates. What these take up is small in a
        large study, about n_columns / n_rows, and then single precision gives the rest to 1e-9.
        """
        taken = np.zeros((len(orders), self.residual.shape[1]), dtype=self.basis.dtype)
        for column in np.ascontiguousarray(self.basis.T):
            part = column[orders] @ self.copy
            part *= part
            taken += part
        return np.maximum(1.0 - taken.astype(np.float64, copy=False), 1e-300)


def families(
    data: Floats, labels: Floats, columns: Floats, levels: Ints, tested: Bools
) -> tuple[Family, ...]:
    """Tested features by their pattern of missing values; each pattern is one family.

    ``levels`` (n_samples,), in ascending order, are groups of samples with a mean of their own.
    """
    measured = ~np.isnan(data[:, tested])
    features = np.flatnonzero(tested)
    if measured.all():
        return (_family(data, labels, columns, levels, features),) if len(features) else ()
    patterns: dict[bytes, list[int]] = {}
    for feature, key in zip(features, np.packbits(measured, axis=0).T, strict=True):
        patterns.setdefault(key.tobytes(), []).append(int(feature))
    return tuple(
        _family(data, labels, columns, levels, np.array(part)) for part in patterns.values()
    )


def _family(data: Floats, labels: Floats, columns: Floats, levels: Ints, features: Ints) -> Family:
    rows = np.flatnonzero(~np.isnan(data[:, features[0]]))
    starts = np.flatnonzero(np.diff(levels[rows], prepend=-1))
    basis = _orthonormal(_centred(columns[rows], starts), np.abs(columns[rows]))
    residual = _without(basis, _centred(data[np.ix_(rows, features)], starts))
    group = _without(basis, _centred(labels[rows, None], starts))[:, 0]
    residual /= np.linalg.norm(residual, axis=0)
    df = len(rows) - basis.shape[1] - len(starts) - 1
    single = basis.shape[1] <= _SMALL * len(rows)
    return Family(
        features=features,
        rows=rows,
        group=group / np.linalg.norm(group),
        basis=basis.astype(np.float32) if single else basis,
        residual=residual,
        copy=residual.astype(np.float32) if single else residual,
        df=df,
    )


def _centred(columns: Floats, starts: Ints) -> Floats:
    """The columns less their mean within each level; ``starts`` are the levels' first rows."""
    sizes = np.diff(starts, append=len(columns))
    means = np.add.reduceat(columns, starts, axis=0) / sizes[:, None]
    return columns - np.repeat(means, sizes, axis=0)


def _orthonormal(centred: Floats, size: Floats) -> Floats:
    """Basis of the centred columns, without those that are redundant among these samples."""
    scale = np.linalg.norm(centred, axis=0)
    # Rounding leaves dust of a column that is constant within each level.
    varies = scale > 1e-12 * np.linalg.norm(size, axis=0)
    varying = centred[:, varies] / scale[varies]
    u, size, _ = np.linalg.svd(varying, full_matrices=False)
    return np.ascontiguousarray(u[:, size > COLLINEAR**0.5])


def _without(basis: Floats, columns: Floats) -> Floats:
    rest: Floats = columns - basis @ (basis.T @ columns)
    return rest


def restricted(orders: Ints, rows: Ints) -> Ints:
    """The order that permutations of all samples give to some of them."""
    n = orders.shape[1]
    if len(rows) == n:
        return orders
    place = np.full(n, -1)
    place[rows] = np.arange(len(rows))
    inside = place[orders]
    return inside[inside >= 0].reshape(len(orders), len(rows))
