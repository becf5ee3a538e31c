"""Partial least squares for one outcome, for many outcomes at once, from the samples' products.

With the kernel K = X X' no step is longer than the number of samples, and one K serves every
permutation of the outcome. The outcomes do not share components: each is a model of its own.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# What is smaller than this share of the whole is what rounding left behind.
ROUNDING = 1e-12


@dataclass(frozen=True)
class KernelPls:
    """Fitted PLS1 models, one for each of n_outcomes columns.

    ``dual`` (n_samples, n_outcomes): a sample with the kernel row k to the training samples has
    the prediction outcome_mean + k @ dual. ``residual_weights`` (n_components, n_samples,
    n_outcomes) are the outcome's residuals before each component, and ``explained``
    (n_components, n_outcomes) the sum of squares that the component takes from the outcome.
    """

    dual: Floats
    outcome_mean: Floats
    residual_weights: Floats
    explained: Floats

    def predict(self, kernel: Floats) -> Floats:
        """Predictions (n_new, n_outcomes) from the kernel (n_new, n_samples)."""
        predicted: Floats = kernel @ self.dual + self.outcome_mean
        return predicted


def fit_kernel_pls(kernel: Floats, outcomes: Floats, n_components: int) -> KernelPls:
    """Fit PLS1 to each outcome by the kernel form [1]_ [2]_.

    Parameters
    ----------
    kernel : array of shape (n_samples, n_samples)
        Products of the centred and scaled rows of X.
    outcomes : array of shape (n_samples, n_outcomes)
    n_components : int
        A component for which nothing is left, in X or in the outcome, is empty.

    References
    ----------
    .. [1] Raennar, Lindgren, Geladi and Wold 1994, doi:10.1002/cem.1180080204
    .. [2] Rosipal and Trejo 2001, Journal of Machine Learning Research 2:97-123
    """
    mean = outcomes.mean(axis=0)
    residual = outcomes - mean
    scale, size = _length(residual), np.trace(kernel)
    weights, spread, scores = (np.zeros((n_components, *outcomes.shape)) for _ in range(3))
    for component in range(n_components):
        np.matmul(kernel, residual, out=spread[component])
        score = spread[component].copy()
        for _ in range(2):  # the second pass removes what rounding left of the first
            for earlier in scores[:component]:
                score -= earlier * np.einsum("ij,ij->j", earlier, score)
        length, remaining = _length(score), _length(residual)
        left = (length > ROUNDING * size * remaining) & (remaining > ROUNDING * scale)
        spread[component] *= left
        weights[component] = residual * left
        scores[component] = score * (left / np.where(left, length, 1.0))
        residual -= scores[component] * np.einsum("ij,ij->j", scores[component], residual)
    return _assemble(outcomes - mean, mean, weights, spread, scores)


def _assemble(
    centred: Floats, mean: Floats, weights: Floats, spread: Floats, scores: Floats
) -> KernelPls:
    """Coefficients U (T'KU)^-1 T'y, with the weights U and scores T of all outcomes at once."""
    inner = np.einsum("aij,bij->jab", scores, spread)
    loading = np.einsum("aij,ij->ja", scores, centred)
    # An empty component has a row and a column of zeros: a 1 keeps the system solvable.
    empty = ~np.any(scores != 0, axis=1).T
    inner[empty[:, :, None] & np.eye(len(weights), dtype=bool)] = 1.0
    coefficients = np.linalg.solve(inner, loading[:, :, None])[:, :, 0]
    dual = np.einsum("aij,ja->ij", weights, coefficients)
    return KernelPls(dual, mean, weights, (loading**2).T)


def _length(columns: Floats) -> Floats:
    length: Floats = np.sqrt(np.einsum("ij,ij->j", columns, columns))
    return length
