"""Pooling by REML with Hartung and Knapp's test."""

from functools import partial

import numpy as np

from analysis.stats.meta import pool_effects
from benchmarks.contenders import Contender, Job, installed
from benchmarks.r_peers import r_contender

METAFOR = """
one <- function(i) {
  keep <- !is.na(y[i, ])
  tryCatch(rma(y[i, keep], v[i, keep], method = "REML", test = "knha"), error = function(e) NULL)
}
job <- function() for (i in seq_len(nrow(y))) one(i)
"""


def contenders(m: int, k: int, missing: float, pymare: float, metafor: float) -> list[Contender]:
    """Ours, PyMARE (which needs complete data) and metafor on a part of the features."""
    rng = np.random.default_rng(5)
    v = rng.uniform(0.02, 0.2, (k, m))
    complete = rng.normal(0.3, np.sqrt(v + 0.05))
    y = np.where(rng.random((k, m)) < missing, np.nan, complete)
    lost = np.where(np.isnan(y), np.nan, v)
    part = min(m, 100)
    return [
        Contender("hikiproject", partial(pool_effects, y, lost)),
        Contender(
            "PyMARE, nothing missing",
            partial(_pymare, complete, v),
            target=pymare,
            why_not=installed("pymare.estimators"),
        ),
        r_contender(
            "R metafor, feature by feature",
            "metafor",
            {"y": y[:, :part], "v": lost[:, :part]},
            METAFOR,
            scale=m / part,
            target=metafor,
        ),
    ]


def _pymare(y: np.ndarray, v: np.ndarray) -> object:
    from pymare.estimators import VarianceBasedLikelihoodEstimator

    estimator = VarianceBasedLikelihoodEstimator(method="REML")
    return estimator.fit(y, v, np.ones((len(y), 1))).summary().get_fe_stats()


JOBS = [
    Job(
        "pooling",
        "100 features, 3 sites",
        partial(contenders, 100, 3, 0.0, 1, 1),
        21,
        group="small",
    ),
    Job("pooling", "1,000 features, 10 sites", partial(contenders, 1_000, 10, 0.0, 6, 1500), 15),
    Job(
        "pooling",
        "20,000 features, 20 sites, 5% missing",
        partial(contenders, 20_000, 20, 0.05, 2, 1500),
    ),
]
