"""Tables of cohorts' effects that several tests draw, and metafor's answers to some."""

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from tests.stats.r_reference import stored

METAFOR = stored("heterogeneity_metafor")


def column(values):
    return np.array(values, dtype=float)[:, None]


def known(value):
    """A number, or an array, of metafor's; null is NaN."""
    return np.array(value, dtype=float)


def named(row):
    """A sentence for pytest of what metafor was asked."""
    keys = ("table", "mods", "tau2_method", "test")
    return "-".join(row[key] for key in keys if key in row)


def finnish(real_data):
    """Log odds ratios of diabetes of 227 biomarkers in four cohorts, with their variances, and the
    authors' own pooled estimates and standard errors (Ahola-Olli et al. 2019)."""
    effects = pd.read_csv(real_data / "finnish_t2d_effects" / "effects.csv")
    estimate = effects.pivot(index="study", columns="feature_id", values="log_odds_ratio")
    se = effects.pivot(index="study", columns="feature_id", values="standard_error")
    cohorts = ["yfs", "finrisk1997", "dilgom", "nfbc"]
    published = estimate.loc["published_meta"], se.loc["published_meta"]
    return estimate.loc[cohorts].to_numpy(), se.loc[cohorts].to_numpy() ** 2, published


def simulated(n_cohorts, n_features, seed=1, missing=0.0):
    rng = np.random.default_rng(seed)
    variances = rng.uniform(0.005, 0.2, (n_cohorts, n_features))
    spread = rng.choice([0.0, 0.1, 0.4], n_features)
    estimates = 0.3 + rng.normal(size=variances.shape) * np.sqrt(variances + spread**2)
    gone = rng.random(variances.shape) < missing
    return np.where(gone, np.nan, estimates), np.where(gone, np.nan, variances)


@st.composite
def cohort_tables(draw, least=2):
    shape = draw(st.tuples(st.integers(least, 7), st.integers(1, 4)))
    numbers = st.floats(-3, 3, width=32)
    size = shape[0] * shape[1]
    estimates = draw(st.lists(numbers, min_size=size, max_size=size))
    logs = draw(st.lists(st.floats(-5, 1), min_size=size, max_size=size))
    gone = draw(st.lists(st.integers(0, 4), min_size=size, max_size=size))
    absent = np.reshape(gone, shape) == 0
    estimates, variances = np.reshape(estimates, shape), np.exp(np.reshape(logs, shape))
    return np.where(absent, np.nan, estimates), np.where(absent, np.nan, variances)
