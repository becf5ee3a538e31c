"""Partial least squares with 5 components, each site left out, the outcome permuted 200 times."""

from functools import partial

import numpy as np

from analysis.stats.severity import fit_severity
from benchmarks.contenders import Contender, Job, installed

N_COMPONENTS, N_PERMUTATIONS, N_SITES = 5, 200, 5
# Permutations that the peers are given; their time goes by the number.
PART = 4


def contenders(n: int, m: int, ikpls: float, sklearn: float) -> list[Contender]:
    """Ours, and the peers on a part of the permutations."""
    rng = np.random.default_rng(9)
    site = np.arange(n) % N_SITES
    values, outcome = rng.normal(size=(n, m)), rng.normal(size=n)
    outcome += values[:, :5].sum(axis=1)
    outcomes = [rng.permutation(outcome) for _ in range(PART)]
    scale = (1 + N_PERMUTATIONS) / PART
    return [
        Contender("hikiproject", partial(_ours, values, outcome, site)),
        Contender(
            "ikpls",
            partial(_ikpls, values, outcomes, site),
            scale=scale,
            target=ikpls,
            why_not=installed("ikpls.fast_cross_validation.numpy"),
        ),
        Contender(
            "scikit-learn",
            partial(_sklearn, values, outcomes, site),
            scale=scale,
            target=sklearn,
        ),
    ]


def _ours(values: np.ndarray, outcome: np.ndarray, site: np.ndarray) -> object:
    return fit_severity(
        values,
        outcome,
        site=site,
        n_components=N_COMPONENTS,
        rng=np.random.default_rng(1),
        n_permutations=N_PERMUTATIONS,
    )


def _ikpls(values: np.ndarray, outcomes: list[np.ndarray], site: np.ndarray) -> object:
    from ikpls.fast_cross_validation.numpy import PLS

    model = PLS(ddof=1)
    folds = site.tolist()
    return [
        model.cross_validate(values, y, N_COMPONENTS, folds, _press, n_jobs=1, verbose=0)
        for y in outcomes
    ]


def _press(known: np.ndarray, predicted: np.ndarray) -> float:
    return float(((known - predicted[-1]) ** 2).sum())


def _sklearn(values: np.ndarray, outcomes: list[np.ndarray], site: np.ndarray) -> object:
    from sklearn.cross_decomposition import PLSRegression
    from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict

    model = PLSRegression(N_COMPONENTS)
    return [
        cross_val_predict(model, values, y, groups=site, cv=LeaveOneGroupOut()) for y in outcomes
    ]


JOBS = [
    Job("severity", "83 x 100", partial(contenders, 83, 100, 1, 1), 11, group="small"),
    Job("severity", "2,000 x 1,000", partial(contenders, 2_000, 1_000, 25, 80), 3),
]
