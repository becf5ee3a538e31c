"""Effects of the group beside three covariates, with values missing at random."""

from functools import partial

import numpy as np

from analysis.stats.effects import fit_effects
from benchmarks.contenders import Contender, Job, installed
from benchmarks.r_peers import r_contender


def study(n: int, m: int, missing: float):
    """Values, group and covariates."""
    rng = np.random.default_rng(3)
    group, covariates = rng.integers(0, 2, n), rng.normal(size=(n, 3))
    values = rng.normal(size=(n, m)) + covariates[:, [0]]
    values[rng.random(values.shape) < missing] = np.nan
    return values, group, covariates


def contenders(n: int, m: int, missing: float, limma: float, statsmodels: float) -> list[Contender]:
    """Ours, limma, and a loop over features."""
    values, group, covariates = study(n, m, missing)
    part = min(m, 200)
    return [
        Contender("hikiproject", partial(fit_effects, values, group, covariates)),
        r_contender(
            "R limma",
            "limma",
            {"x": values, "group": group[:, None], "covariates": covariates},
            "design <- model.matrix(~ as.vector(group) + t(covariates))\n"
            "job <- function() eBayes(lmFit(x, design))",
            target=limma,
        ),
        Contender(
            "statsmodels, feature by feature",
            partial(_loop, values[:, :part], group, covariates),
            scale=m / part,
            target=statsmodels,
            why_not=installed("statsmodels.api"),
        ),
    ]


def _loop(values: np.ndarray, group: np.ndarray, covariates: np.ndarray) -> list[float]:
    from statsmodels.api import OLS

    design = np.column_stack([np.ones(len(group)), group, covariates])
    p = []
    for column in values.T:
        rows = ~np.isnan(column)
        p.append(OLS(column[rows], design[rows]).fit().pvalues[1])
    return p


JOBS = [
    Job(
        "effects",
        "83 x 100, 5% missing",
        partial(contenders, 83, 100, 0.05, 1, 1),
        21,
        group="small",
    ),
    Job("effects", "2,000 x 1,000, 5% missing", partial(contenders, 2000, 1000, 0.05, 20, 50), 7),
]
