"""Partial least squares for one outcome, for many outcomes at once, from products of the features.

A PLS component needs the training set only through X'X and X'y. X'X is computed once and serves
every permutation of the outcome; the outcomes do not share components, each is a model of its own.
With fewer samples than features the same is done along an orthonormal basis of the samples' rows,
so that no matrix is larger than the smaller side of X.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dsymm, dsyrk

Floats = NDArray[np.float64]

# What is smaller than this share of the whole is what rounding left behind.
ROUNDING = 1e-12
# Below this number of outcomes two passes over X cost less than X'X.
FEW_OUTCOMES = 20
# Outcomes fitted together: their components, not the data, would fill the memory.
BLOCK = 256


@dataclass(frozen=True)
class Pls:
    """Fitted PLS1 models, one for each of n_outcomes columns.

    A sample with the centred and scaled row x has the prediction outcome_mean + x @ coefficients.
    ``weights`` (n_components, n_features) are the unit vectors w of the first outcome's
    components, and ``explained`` (n_components,) the sum of squares that each takes from it; both
    are 0 for a component for which nothing was left.
    """

    coefficients: Floats
    outcome_mean: Floats
    weights: Floats
    explained: Floats

    def predict(self, rows: Floats) -> Floats:
        """Predictions (n_new, n_outcomes) from rows (n_new, n_features), scaled as in training."""
        predicted: Floats = rows @ self.coefficients + self.outcome_mean
        return predicted


@dataclass(frozen=True)
class Training:
    """X along ``basis`` (n_features, n_directions; None: the features themselves).

    ``gram``, where it is not None, is the upper triangle of X'X with its columns together, before
    X was divided by ``deviation`` (n_directions,); else ``x`` is used. ``size`` is the root of the
    sum of squares of X.
    """

    x: Floats
    basis: Floats | None
    gram: Floats | None
    deviation: Floats
    size: float

    def spread(self, directions: Floats) -> Floats:
        """Directions of shape (n_outcomes, n_directions) times X'X."""
        if self.gram is None:
            return np.asarray((directions @ self.x.T) @ self.x)
        # A symmetric product needs no other half, and its rows are scaled instead of X'X.
        found: Floats = dsymm(1.0, self.gram, (directions / self.deviation).T).T
        found /= self.deviation
        return found

    def along_features(self, directions: Floats) -> Floats:
        return directions if self.basis is None else np.asarray(directions @ self.basis.T)


@dataclass(frozen=True)
class _Components:
    """Coefficients of a block of outcomes; weights and sums explained of its first outcome."""

    coefficients: Floats
    weights: Floats
    explained: Floats


def fit_pls(x: Floats, outcomes: Floats, n_components: int) -> Pls:
    """Fit PLS1 to each outcome by modified kernel PLS [1]_, scores of length 1.

    Parameters
    ----------
    x : array of shape (n_samples, n_features)
        Columns centred (and scaled) over these samples; no gaps.
    outcomes : array of shape (n_samples, n_outcomes)
    n_components : int
        A component for which nothing is left, in X or in the outcome, is empty.

    References
    ----------
    .. [1] Dayal and MacGregor 1997, Journal of Chemometrics 11:73-85
    """
    mean = outcomes.mean(axis=0)
    centred = outcomes - mean
    size = float(np.sqrt(np.einsum("ij,ij->", x, x)))
    basis = None
    if x.shape[1] > x.shape[0]:
        basis, triangle = np.linalg.qr(x.T)
        x = triangle.T
    x = np.ascontiguousarray(x)
    gram = dsyrk(1.0, x.T) if outcomes.shape[1] >= FEW_OUTCOMES else None
    training = Training(x, basis, gram, np.ones(x.shape[1]), size)
    length = np.sqrt(np.einsum("ij,ij->j", centred, centred))
    return fit_training(training, centred.T @ x, length, mean, n_components)


def fit_training(
    training: Training, covariance: Floats, sizes: Floats, mean: Floats, n_components: int
) -> Pls:
    """As `fit_pls`, from the products of a training set.

    Parameters
    ----------
    training : Training
    covariance : array of shape (n_outcomes, n_directions)
        The centred outcomes' products with X; it is used up.
    sizes, mean : arrays of shape (n_outcomes,)
        Root of the sum of squares of an outcome about its mean, and the mean.
    n_components : int
    """
    blocks = [
        _components(
            training,
            covariance[start : start + BLOCK],
            ROUNDING * training.size * sizes[start : start + BLOCK],
            n_components,
        )
        for start in range(0, len(mean), BLOCK)
    ]
    return Pls(
        coefficients=training.along_features(np.vstack([block.coefficients for block in blocks])).T,
        outcome_mean=mean,
        weights=training.along_features(blocks[0].weights),
        explained=blocks[0].explained,
    )


def _components(
    training: Training, covariance: Floats, least: Floats, n_components: int
) -> _Components:
    """Components of a block of outcomes, none where a covariance is at or under ``least``."""
    n_outcomes, n_directions = covariance.shape
    steps, spreads = (np.empty((n_outcomes, n_components, n_directions)) for _ in range(2))
    weights, explained = np.zeros((n_components, n_directions)), np.zeros(n_components)
    coefficients = np.zeros_like(covariance)
    for component in range(n_components):
        length = np.sqrt(np.vecdot(covariance, covariance))
        left = length > least
        step = covariance * _inverse(length, left)
        weight = step[0].copy()
        for _ in range(2 if component else 0):  # the second removes what rounding left of the first
            along = spreads[:, :component] @ step[:, :, None]
            step -= (along.transpose(0, 2, 1) @ steps[:, :component])[:, 0]
        spread = training.spread(step)
        length = np.sqrt(np.maximum(np.vecdot(step, spread), 0.0))
        left &= length > ROUNDING * training.size
        scale = _inverse(length, left)
        step *= scale
        spread *= scale
        gain = np.vecdot(step, covariance)
        steps[:, component], spreads[:, component] = step, spread
        spread *= gain[:, None]
        covariance -= spread
        step *= gain[:, None]
        coefficients += step
        weights[component] = weight * left[0]
        explained[component] = gain[0] ** 2
    return _Components(coefficients, weights, explained)


def _inverse(length: Floats, left: NDArray[np.bool_]) -> Floats:
    """1 / length as a column, 0 where nothing is left."""
    inverse: Floats = left / np.where(left, length, 1.0)
    return inverse[:, None]
