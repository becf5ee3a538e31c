"""Cross-validated PLS for many outcomes: what the folds share is computed once.

X'X and X'y of a training set are those of all samples less those of the left-out ones, so that 20
sites cost hardly more than 5. Means and deviations are still the training set's own.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dsyrk

from analysis.stats.pls import Training, fit_training

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# A feature that varies mostly among the left-out samples loses digits to the subtraction: with
# this share of its sum of squares left, four of sixteen.
LEAST_LEFT = 1e-4


@dataclass(frozen=True)
class FoldProducts:
    """Products over all samples, of features scaled and outcomes centred over all samples.

    ``z`` (n_samples, n_features), ``gram`` the upper triangle of Z'Z, ``y`` (n_samples,
    n_outcomes), ``covariance`` Y'Z and the outcomes' means over all samples.
    """

    z: Floats
    gram: Floats
    y: Floats
    covariance: Floats
    outcome_mean: Floats

    @classmethod
    def of(cls, x: Floats, outcomes: Floats) -> "FoldProducts":
        """Products of x (n_samples, n_features), without gaps, and outcomes."""
        z = x - x.mean(axis=0)
        size = np.sqrt(np.einsum("ij,ij->j", z, z))
        largest = np.maximum(x.max(axis=0), -x.min(axis=0))
        z /= np.where(size <= 1e-12 * largest * np.sqrt(len(x)), np.inf, size)
        mean = outcomes.mean(axis=0)
        y = outcomes - mean
        return cls(z, dsyrk(1.0, z.T), y, y.T @ z, mean)

    def predict(self, test: Bools, n_components: int) -> Floats | None:
        """Predictions of the test samples by a model of the others.

        None where a feature hardly varies among the others: that fold needs its own products.
        """
        n_train = int((~test).sum())
        z, y = self.z[test], self.y[test]
        # All samples sum to 0, so the training samples sum to minus the test samples' sum.
        mean, level = -z.sum(axis=0) / n_train, -y.sum(axis=0) / n_train
        out_x = np.vstack([z, np.sqrt(n_train) * mean])
        out_y = np.vstack([y, np.sqrt(n_train) * level])
        gram = dsyrk(-1.0, out_x.T, beta=1.0, c=self.gram)
        left, whole = np.diagonal(gram), np.diagonal(self.gram)
        if (left < LEAST_LEFT * whole).any():
            return None
        deviation = np.where(whole > 0, np.sqrt(left / (n_train - 1)), np.inf)
        size = float(np.sqrt((left / deviation**2).sum()))
        covariance = (self.covariance - out_y.T @ out_x) / deviation
        squares = np.einsum("ij,ij->j", self.y, self.y) - np.einsum("ij,ij->j", out_y, out_y)
        sizes = np.sqrt(np.maximum(squares, 0.0))
        training = Training(np.empty((0, len(gram))), None, gram, deviation, size)
        model = fit_training(training, covariance, sizes, self.outcome_mean + level, n_components)
        return model.predict((z - mean) / deviation)
