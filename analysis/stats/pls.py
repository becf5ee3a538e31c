"""Partial least squares for one outcome, for many outcomes at once, from products of the features.

A PLS component needs the training set only through X'X and X'y. X'X is computed once and serves
every permutation of the outcome; the outcomes do not share components, each is a model of its own.
With fewer samples than features the same is done along an orthonormal basis of the samples' rows,
so that no matrix is larger than the smaller side of X.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
class _Training:
    """X along ``basis`` (n_features, n_directions; None: the features themselves).

    Of ``x`` and its products ``gram`` X'X, the latter is used where both are known.
    """

    x: Floats
    basis: Floats | None
    gram: Floats | None
    size: float

    def spread(self, directions: Floats) -> Floats:
        """X'X times directions of shape (n_directions, n_outcomes)."""
        if self.gram is not None:
            return np.asarray(self.gram @ directions)
        return np.asarray(self.x.T @ (self.x @ directions))

    def along_features(self, directions: Floats) -> Floats:
        return directions if self.basis is None else np.asarray(self.basis @ directions)


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
        x = np.ascontiguousarray(triangle.T)
    gram = x.T @ x if outcomes.shape[1] >= FEW_OUTCOMES else None
    training = _Training(x, basis, gram, size)
    return _fit(training, x.T @ centred, _length(centred), mean, n_components)


def fit_pls_from_products(
    gram: Floats, covariance: Floats, outcome_size: Floats, outcome_mean: Floats, n_components: int
) -> Pls:
    """As `fit_pls`, from X'X and X'y of the centred and scaled training samples.

    Parameters
    ----------
    gram : array of shape (n_features, n_features)
    covariance : array of shape (n_features, n_outcomes)
        X' times the centred outcomes; it is used up.
    outcome_size, outcome_mean : arrays of shape (n_outcomes,)
        Root of the sum of squares about the mean, and the mean.
    n_components : int
    """
    training = _Training(np.empty((0, len(gram))), None, gram, float(np.sqrt(np.trace(gram))))
    return _fit(training, covariance, outcome_size, outcome_mean, n_components)


def _fit(
    training: _Training, covariance: Floats, sizes: Floats, mean: Floats, n_components: int
) -> Pls:
    blocks = [
        _components(
            training,
            covariance[:, start : start + BLOCK],
            ROUNDING * training.size * sizes[start : start + BLOCK],
            n_components,
        )
        for start in range(0, len(mean), BLOCK)
    ]
    return Pls(
        coefficients=training.along_features(np.hstack([block.coefficients for block in blocks])),
        outcome_mean=mean,
        weights=training.along_features(blocks[0].weights).T,
        explained=blocks[0].explained,
    )


def _components(
    training: _Training, covariance: Floats, least: Floats, n_components: int
) -> _Components:
    """Components of a block of outcomes, none where a covariance is at or under ``least``."""
    steps, spreads = (np.zeros((n_components, *covariance.shape)) for _ in range(2))
    weights = np.zeros((covariance.shape[0], n_components))
    explained = np.zeros(n_components)
    coefficients = np.zeros_like(covariance)
    for component in range(n_components):
        length = _length(covariance)
        left = length > least
        step = covariance * (left / np.where(left, length, 1.0))
        weight = step[:, 0].copy()
        for _ in range(2):  # the second pass removes what rounding left of the first
            for earlier, spread in zip(steps[:component], spreads[:component], strict=True):
                step -= earlier * np.einsum("ij,ij->j", spread, step)
        spread = training.spread(step)
        length = np.sqrt(np.maximum(np.einsum("ij,ij->j", step, spread), 0.0))
        left &= length > ROUNDING * training.size
        scale = left / np.where(left, length, 1.0)
        steps[component], spreads[component] = step * scale, spread * scale
        gain = np.einsum("ij,ij->j", steps[component], covariance)
        covariance -= spreads[component] * gain
        coefficients += steps[component] * gain
        weights[:, component] = weight * left[0]
        explained[component] = gain[0] ** 2
    return _Components(coefficients, weights, explained)


def _length(columns: Floats) -> Floats:
    length: Floats = np.sqrt(np.einsum("ij,ij->j", columns, columns))
    return length
