"""Permutation p values, raw and max-T, by Freedman and Lane beside three covariates."""

from functools import partial

import numpy as np

from analysis.stats.permutation import permute_effects
from benchmarks.contenders import Contender, Job, installed
from benchmarks.effects import study

# Matrix products at this share of their own speed.
SHARE = 0.6


def contenders(n: int, m: int, n_permutations: int, nilearn: float) -> list[Contender]:
    """Ours, the matrix products alone, and nilearn on a part of the permutations."""
    values, group, covariates = study(n, m, 0.0)
    part = min(n_permutations, 500)
    n_products = 1 + covariates.shape[1]
    return [
        Contender("hikiproject", partial(_ours, values, group, covariates, n_permutations)),
        Contender(
            f"its {n_products} matrix products alone, float64",
            partial(_products, values, n_products),
            scale=n_permutations / 256,
            limit=1 / SHARE if n_permutations >= 10_000 else None,
        ),
        Contender(
            "nilearn",
            partial(_nilearn, values, group, covariates, part),
            scale=n_permutations / part,
            target=nilearn,
            why_not=installed("nilearn.mass_univariate"),
        ),
    ]


def _ours(values: np.ndarray, group: np.ndarray, covariates: np.ndarray, count: int) -> object:
    rng = np.random.default_rng(1)
    return permute_effects(values, group, covariates, n_permutations=count, rng=rng)


def _products(values: np.ndarray, n_products: int) -> None:
    left = np.ones((256, len(values)))
    for _ in range(n_products):
        left @ values  # the product is the work


def _nilearn(values: np.ndarray, group: np.ndarray, covariates: np.ndarray, count: int) -> object:
    from nilearn.mass_univariate import permuted_ols

    return permuted_ols(
        group[:, None].astype(float), values, covariates, n_perm=count, random_state=1, n_jobs=1
    )


JOBS = [
    Job(
        "permutations",
        "1,000 of 83 x 100",
        partial(contenders, 83, 100, 1_000, 1),
        11,
        group="small",
    ),
    Job(
        "permutations", "10,000 of 2,000 x 1,000", partial(contenders, 2_000, 1_000, 10_000, 10), 3
    ),
]
