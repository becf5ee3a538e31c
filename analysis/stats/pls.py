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
    scale, size = np.sqrt((residual**2).sum(axis=0)), np.trace(kernel)
    weights: list[Floats] = []
    scores: list[Floats] = []
    for _ in range(n_components):
        score = kernel @ residual
        for _ in range(2):  # the second pass removes what rounding left of the first
            for earlier in scores:
                score -= earlier * (earlier * score).sum(axis=0)
        length = np.sqrt((score**2).sum(axis=0))
        remaining = np.sqrt((residual**2).sum(axis=0))
        left = (length > ROUNDING * size * remaining) & (remaining > ROUNDING * scale)
        score = np.where(left, score / np.where(left, length, 1.0), 0.0)
        weights.append(np.where(left, residual, 0.0))
        scores.append(score)
        residual = residual - score * (score * residual).sum(axis=0)
    return _assemble(kernel, outcomes - mean, mean, np.array(weights), np.array(scores))


def _assemble(
    kernel: Floats, centred: Floats, mean: Floats, weights: Floats, scores: Floats
) -> KernelPls:
    """Coefficients U (T'KU)^-1 T'y, with the weights U and scores T of all outcomes at once."""
    n_components = len(weights)
    spread = np.array([kernel @ weight for weight in weights])
    inner = np.einsum("aij,bij->jab", scores, spread)
    loading = np.einsum("aij,ij->ja", scores, centred)
    # An empty component has a row and a column of zeros: a 1 keeps the system solvable.
    empty = ~np.any(scores != 0, axis=1).T
    inner[empty[:, :, None] & np.eye(n_components, dtype=bool)] = 1.0
    coefficients = np.linalg.solve(inner, loading[:, :, None])[:, :, 0]
    dual = np.einsum("aij,ja->ij", weights, coefficients)
    return KernelPls(dual, mean, weights, (loading**2).T)
