"""p values from permutations, free of the normal law and adjusted for all features at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.stats.design import COLLINEAR, Covariates, build_design
from analysis.stats.effects import checked, fit_effects
from analysis.stats.errors import UnusableData
from analysis.stats.labels import distinct_labels
from analysis.stats.orders import all_orders, random_orders

Floats = npt.NDArray[np.float64]
Reals = npt.NDArray[np.float32] | Floats
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

# Arrangements that tie with the observed one differ from it by rounding alone.
_TIE = 1e-9
# Covariate columns a sample below which refitting them is a correction for single precision.
_SMALL = 0.01


@dataclass(frozen=True)
class Permuted:
    """Permutation p values, arrays of shape (n_features,); NaN where ``reason`` is not "".

    ``p`` is each feature's own; ``p_max_t`` is adjusted for all tested features, for it asks how
    often the largest \\|t\\| of any feature reaches this one. ``exact`` says that all
    ``n_permutations`` arrangements were counted instead of a random draw of them.
    """

    t: Floats
    p: Floats
    p_max_t: Floats
    reason: tuple[str, ...]
    n_permutations: int
    exact: bool


@dataclass(frozen=True)
class _Family:
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


def permute_effects(
    values: npt.ArrayLike,
    group: npt.ArrayLike,
    covariates: Covariates = None,
    *,
    n_permutations: int = 10_000,
    rng: np.random.Generator,
    blocks: npt.ArrayLike | None = None,
) -> Permuted:
    """Test the group on every feature by permuting residuals [1]_, with max-T [2]_.

    Parameters
    ----------
    values, group, covariates
        As for ``fit_effects``, whose t is the statistic. A feature with missing values permutes
        the samples that it has, in the order that the common permutation gives them.
    n_permutations : int
        Random permutations. Where no more arrangements than these exist they are all counted
        instead: of the group without covariates, of the residuals with them.
    rng : Generator
    blocks : labels of shape (n_samples,), optional
        Samples are exchanged only inside a block, e.g. a site; put the block among the
        covariates too if sites differ in level.

    Returns
    -------
    Permuted
        p is (1 + b) / (1 + n_permutations), b counting the permutations at least as extreme, or
        b / n_permutations when exact; never 0.

    Raises
    ------
    UnusableData
        What ``fit_effects`` refuses, fewer than one permutation, or blocks of another length.

    References
    ----------
    .. [1] Freedman and Lane 1983, doi:10.2307/1391660
    .. [2] Westfall and Young 1993, Resampling-Based Multiple Testing, algorithm 2.8 (single step)
    """
    data, labels = checked(values, group)
    if n_permutations < 1:
        raise UnusableData(f"{n_permutations} permutations give no p value: ask for 1 or more.")
    effects = fit_effects(data, labels, covariates)
    tested = np.array([not why for why in effects.reason], dtype=bool)
    design = build_design(covariates, len(data))
    names = distinct_labels(np.zeros(len(data)) if blocks is None else blocks, len(data), "block")
    codes = np.unique(np.array(names)[design.rows], return_inverse=True)[1]
    families = _families(data[design.rows], labels[design.rows], design.columns, tested)
    everyone = len(families) == 1 and len(families[0].rows) == design.rows.sum()
    orders = all_orders(labels[design.rows], codes, design.columns, n_permutations, everyone)
    exact = orders is not None
    if orders is None:
        orders = random_orders(codes, n_permutations, rng)
    own, largest, count = _count(families, orders, np.abs(effects.t))
    extra = 0 if exact else 1
    nan = np.where(tested, 0.0, np.nan)
    return Permuted(
        t=effects.t,
        p=(own + extra) / (count + extra) + nan,
        p_max_t=(largest + extra) / (count + extra) + nan,
        reason=effects.reason,
        n_permutations=count,
        exact=exact,
    )


def _count(families: list[_Family], orders: Iterator[Ints], t: Floats) -> tuple[Ints, Ints, int]:
    """How often each feature's own \\|t\\|, and the largest of all, reach the observed one."""
    own = np.zeros(len(t), dtype=np.int64)
    largest = np.zeros(len(t), dtype=np.int64)
    reach = np.where(np.isnan(t), np.inf, t * (1 - _TIE)) ** 2
    count = 0
    for block in orders:
        highest = np.zeros(len(block))
        for family in families:
            share = family.share_of(_restrict(block, family.rows))
            enough = reach[family.features] / (family.df + reach[family.features])
            own[family.features] += np.count_nonzero(share >= enough, axis=0)
            top = np.minimum(share.max(axis=1), 1.0)
            with np.errstate(divide="ignore"):
                np.maximum(highest, family.df * top / (1 - top), out=highest)
        largest += len(block) - np.searchsorted(np.sort(highest), reach)
        count += len(block)
    return own, largest, count


def _families(data: Floats, labels: Floats, columns: Floats, tested: Bools) -> list[_Family]:
    """Tested features by their pattern of missing values; each pattern is one family."""
    measured = ~np.isnan(data[:, tested])
    features = np.flatnonzero(tested)
    if measured.all():
        return [_family(data, labels, columns, features)] if len(features) else []
    patterns: dict[bytes, list[int]] = {}
    for feature, key in zip(features, np.packbits(measured, axis=0).T, strict=True):
        patterns.setdefault(key.tobytes(), []).append(int(feature))
    return [_family(data, labels, columns, np.array(part)) for part in patterns.values()]


def _family(data: Floats, labels: Floats, columns: Floats, features: Ints) -> _Family:
    rows = np.flatnonzero(~np.isnan(data[:, features[0]]))
    centred = columns[rows] - columns[rows].mean(axis=0)
    basis = _orthonormal(centred)
    residual = data[np.ix_(rows, features)]
    residual = _without(basis, residual - residual.mean(axis=0))
    group = _without(basis, (labels[rows] - labels[rows].mean())[:, None])[:, 0]
    residual /= np.linalg.norm(residual, axis=0)
    df = len(rows) - basis.shape[1] - 2
    single = basis.shape[1] <= _SMALL * len(rows)
    return _Family(
        features=features,
        rows=rows,
        group=group / np.linalg.norm(group),
        basis=basis.astype(np.float32) if single else basis,
        residual=residual,
        copy=residual.astype(np.float32) if single else residual,
        df=df,
    )


def _orthonormal(centred: Floats) -> Floats:
    """Basis of the centred columns, without those that are redundant among these samples."""
    scale = np.linalg.norm(centred, axis=0)
    varying = centred[:, scale > 0] / scale[scale > 0]
    u, size, _ = np.linalg.svd(varying, full_matrices=False)
    return np.ascontiguousarray(u[:, size > COLLINEAR**0.5])


def _without(basis: Floats, columns: Floats) -> Floats:
    rest: Floats = columns - basis @ (basis.T @ columns)
    return rest


def _restrict(orders: Ints, rows: Ints) -> Ints:
    """The order that permutations of all samples give to some of them."""
    n = orders.shape[1]
    if len(rows) == n:
        return orders
    place = np.full(n, -1)
    place[rows] = np.arange(len(rows))
    inside = place[orders]
    return inside[inside >= 0].reshape(len(orders), len(rows))
