"""Penalised logistic regression: the plain rival that a forest has to beat."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, special

from analysis.stats.errors import UnusableData
from analysis.stats.learners import Settings

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MAX_STEPS = 20_000
# Largest breach of the optimum's conditions, as a share of the strength that empties the model.
TOLERANCE = 1e-6
GRID: tuple[Settings, ...] = (
    {"l1_ratio": 0.5, "strength": 0.2},
    {"l1_ratio": 0.5, "strength": 0.5},
    {"l1_ratio": 0.5, "strength": 0.05},
    {"l1_ratio": 0.05, "strength": 0.05},
)


@dataclass(frozen=True)
class LogisticModel:
    """``intercept`` (1,) and ``slopes`` (n_features,) on the logit of being a case."""

    intercept: Floats
    slopes: Floats

    @property
    def importance(self) -> Floats:
        """Absolute slopes, 1 in all; values must share a scale for them to be compared."""
        size = np.abs(self.slopes)
        share: Floats = size / (size.sum() or 1.0)
        return share

    def probability(self, values: Floats) -> Floats:
        """The chance of being a case, 0 to 1, of each row."""
        return np.asarray(special.expit(self.intercept[0] + values @ self.slopes))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Intercept and slopes by name."""
        return dict(vars(self))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "LogisticModel":
        """The model that `arrays` came from."""
        return cls(arrays["intercept"], arrays["slopes"])


@dataclass(frozen=True)
class ElasticNet:
    """Logistic regression with the elastic net [1]_.

    Minimises mean log loss + lambda (l1_ratio |b|_1 + (1 - l1_ratio) |b|^2 / 2); the setting
    ``strength`` is lambda as a share of the smallest one with which no feature is in the model.

    References
    ----------
    .. [1] Friedman, Hastie and Tibshirani 2010, doi:10.18637/jss.v033.i01
    """

    grid: tuple[Settings, ...] = field(default=GRID)
    name: str = "elastic-net logistic regression"
    precision: type = np.float64

    def fit(
        self, values: NDArray[Any], is_case: Bools, settings: Settings, seed: int
    ) -> LogisticModel:
        """Fit; ``seed`` is not used, the optimum is one.

        Raises
        ------
        UnusableData
            A setting out of range, or no convergence.
        """
        l1_ratio, strength = float(settings["l1_ratio"]), float(settings["strength"])
        if not (0 < l1_ratio <= 1 and 0 < strength <= 1):
            raise UnusableData(
                f"l1_ratio {l1_ratio:g} and strength {strength:g}: both lie above 0 and up to 1."
            )
        label = is_case.astype(np.float64)
        steepest = float(np.abs(values.T @ (label - label.mean())).max(initial=0.0)) / len(label)
        if steepest == 0:
            return LogisticModel(_logit_of_mean(label), np.zeros(values.shape[1]))
        penalty = strength * steepest / l1_ratio
        return _minimise(values, label, penalty * l1_ratio, penalty * (1 - l1_ratio), steepest)


def _logit_of_mean(label: Floats) -> Floats:
    return np.array([special.logit(label.mean())])


def _minimise(
    values: Floats, label: Floats, lasso: float, ridge: float, steepest: float
) -> LogisticModel:
    """Accelerated proximal gradient steps (Beck and Teboulle 2009, doi:10.1137/080716542)."""
    design = np.column_stack([np.ones(len(label)), values])
    # The log loss curves by at most a quarter of the largest singular value squared.
    steep = _largest_singular_value_squared(design) / (4 * len(label)) + ridge
    at = np.concatenate([_logit_of_mean(label), np.zeros(values.shape[1])])
    ahead, momentum = at, 1.0
    for _ in range(MAX_STEPS):
        slope = design.T @ (special.expit(design @ ahead) - label) / len(label)
        slope[1:] += ridge * ahead[1:]
        reached = ahead - slope / steep
        shrunk = np.abs(reached[1:]) - lasso / steep
        reached[1:] = np.sign(reached[1:]) * np.maximum(shrunk, 0.0)
        if np.abs(reached - ahead).max() * steep <= TOLERANCE * steepest:
            return LogisticModel(reached[:1], reached[1:])
        # Momentum that points uphill is dropped (O'Donoghue and Candes 2015).
        if (ahead - reached) @ (reached - at) > 0:
            momentum = 1.0
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = reached + (momentum - 1) / following * (reached - at)
        at, momentum = reached, following
    raise UnusableData(
        f"Logistic regression did not settle in {MAX_STEPS} steps: standardise the features or "
        "ask for a greater strength."
    )


def _largest_singular_value_squared(design: Floats) -> float:
    tall = design.shape[0] > design.shape[1]
    products = design.T @ design if tall else design @ design.T
    last = len(products) - 1
    return float(linalg.eigh(products, eigvals_only=True, subset_by_index=[last, last])[0])
