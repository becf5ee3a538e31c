"""A cohort with covariates and gaps, and two results that should be the same."""

import numpy as np
import pandas as pd

from analysis.stats.effects import Effects

FIELDS = ("estimate", "se", "df", "t", "p", "hedges_g", "hedges_g_variance")


def cohort(seed: int = 0, n: int = 60, m: int = 12, missing: float = 0.0):
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.arange(n) % 2)
    covariates = pd.DataFrame({"age": rng.normal(40, 9, n), "sex": rng.choice(["f", "m"], n)})
    values = rng.normal(1000, 2, (n, m)) + 0.1 * covariates[["age"]].to_numpy() + group[:, None]
    values[rng.random(values.shape) < missing] = np.nan
    return values, group, covariates


def same(one: Effects, other: Effects, rtol: float = 1e-7) -> None:
    assert one.reason == other.reason
    for name in FIELDS:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=rtol, atol=1e-9)
