"""Effects whose standard errors hold where the two groups do not vary alike.

The estimates are those of ``fit_effects``; the errors are White's with the correction HC3, which
keeps its level in samples of tens where HC0 to HC2 do not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr

from analysis.stats.design import Covariates
from analysis.stats.effects import Fitted, fitted
from analysis.stats.gathering import Model, first_measured
from analysis.stats.least_squares import basis_among

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Values of a block of features and its companions stay in the cache together.
_BLOCK = 64 * 1024
# A sample whose residual can be nothing but rounding.
_DECIDES = 1 - 1e-9
# An error below this share of the plain one, squared, is the rounding of none.
_ROUNDING = 1e-20

ALONE = "one sample alone decides a coefficient: HC3 has no value"
NO_ERROR = "no residual of weight for the group: nothing to compare the difference with"


@dataclass(frozen=True)
class RobustEffects:
    """Effects of the group with HC3 errors; arrays have the shape (n_features,).

    ``estimate`` and ``se`` are in the feature's unit; ``t``, ``df`` and ``p`` (two-sided) belong
    to Student's test on the residual degrees of freedom. ``max_leverage`` is the largest share
    that one sample has in its own fitted value, from 0 to 1. ``reason`` is "" where there is a
    test; other features are NaN.
    """

    estimate: Floats
    se: Floats
    df: Floats
    t: Floats
    p: Floats
    max_leverage: Floats
    n_case: Ints
    n_control: Ints
    reason: tuple[str, ...]
    adjusted_for: tuple[str, ...]
    dropped: tuple[str, ...]
    n_left_out: int


def fit_robust_effects(
    values: npt.ArrayLike, group: npt.ArrayLike, covariates: Covariates = None
) -> RobustEffects:
    """Regress every feature on group and covariates, with the HC3 error of the group [1]_.

    Parameters
    ----------
    values, group, covariates
        As for ``fit_effects``: any pattern of missing values.

    Returns
    -------
    RobustEffects
        The variance is the sum over the samples of (a e / (1 - h))^2, where a is the sample's
        weight in the estimate, e its residual and h its leverage.

    Raises
    ------
    UnusableData
        What ``fit_effects`` refuses.

    References
    ----------
    .. [1] MacKinnon and White 1985, doi:10.1016/0304-4076(85)90158-7; Long and Ervin 2000,
       doi:10.1080/00031305.2000.10474549
    """
    found = fitted(values, group, covariates)
    variance, leverage = _hc3(found)
    effects = found.effects
    checks = [(leverage > _DECIDES, ALONE), (variance <= _ROUNDING * effects.se**2, NO_ERROR)]
    words = list(effects.reason)
    for failed, sentence in reversed(checks):
        for feature in np.flatnonzero(failed & ~np.isnan(effects.estimate)):
            words[feature] = sentence
    nan = np.array([np.nan if word else 0.0 for word in words])
    se = np.sqrt(np.where(np.isnan(nan), 1.0, variance)) + nan
    t = effects.estimate / se
    return RobustEffects(
        estimate=effects.estimate + nan,
        se=se,
        df=effects.df + nan,
        t=t,
        p=2 * stdtr(effects.df, -np.abs(t)),
        max_leverage=leverage + nan,
        n_case=effects.n_case,
        n_control=effects.n_control,
        reason=tuple(words),
        adjusted_for=effects.adjusted_for,
        dropped=effects.dropped,
        n_left_out=effects.n_left_out,
    )


def _hc3(found: Fitted) -> tuple[Floats, Floats]:
    """HC3 variance and largest leverage of every feature; NaN where there is no estimate."""
    m = found.data.shape[1]
    variance, leverage = np.full(m, np.nan), np.full(m, np.nan)
    estimable = ~np.isnan(found.effects.estimate)
    full = estimable & found.fit.plain & (found.fit.rank == found.model.columns.shape[1] - 1)
    together = np.flatnonzero(full)
    width = max(1, _BLOCK // max(len(found.data), 1))
    for start in range(0, len(together), width):
        block = together[start : start + width]
        variance[block], leverage[block] = _block(found.data[:, block], found.model)
    for feature in np.flatnonzero(estimable & ~full):
        variance[feature], leverage[feature] = _alone(found.data[:, feature], found.model)
    return variance, leverage


def _block(values: Floats, model: Model) -> tuple[Floats, Floats]:
    """Features in which all columns of the model are needed, by the inverses of their X'X."""
    columns = model.columns
    k = columns.shape[1]
    block = values - first_measured(values)
    missing = np.isnan(block)
    block[missing] = 0.0
    first, second = np.triu_indices(k)
    pairs = columns[:, first] * columns[:, second]
    gram = np.empty((block.shape[1], k, k))
    products = (pairs.T @ (~missing).astype(np.float64)).T
    gram[:, first, second] = gram[:, second, first] = products
    inverse = np.linalg.inv(gram)
    # Off the diagonal each pair stands for two.
    packed = inverse[:, first, second] * np.where(first == second, 1.0, 2.0)
    leverage = pairs @ packed.T
    coefficients = np.einsum("jab,bj->aj", inverse, columns.T @ block)
    # A second step takes back the rounding of the inverse.
    residual = np.where(missing, 0.0, block - columns @ coefficients)
    residual -= columns @ np.einsum("jab,bj->aj", inverse, columns.T @ residual)
    weight = columns @ inverse[:, :, -1].T / model.size
    leverage[missing] = residual[missing] = 0.0
    return _sandwich(weight, residual, leverage), leverage.max(axis=0)


def _alone(values: Floats, model: Model) -> tuple[Floats, Floats]:
    """A feature among whose samples some covariate is redundant, by its own basis."""
    rows = ~np.isnan(values)
    basis, direction, size = basis_among(rows, model)
    columns = np.column_stack([basis, direction])
    residual = values[rows] - values[rows].mean()
    for _ in range(2):
        residual = residual - columns @ (columns.T @ residual)
    leverage = (columns**2).sum(axis=1)
    return _sandwich(direction / size, residual, leverage), leverage.max()


def _sandwich(weight: Floats, residual: Floats, leverage: Floats) -> Floats:
    """The sum over samples (axis 0); a sample that decides a coefficient counts nothing here."""
    rest = np.where(leverage > _DECIDES, 1.0, 1 - leverage)
    variance: Floats = ((weight * residual / rest) ** 2).sum(axis=0)
    return variance
