"""The same figures by another road: statsmodels, scipy and plain numpy, from the raw files alone.

Nothing here imports the project: these functions are what a statistician would type in a notebook
to check it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import optimize, special, stats


def log2_filled(values: pd.Series) -> pd.Series:
    """Log2 with zeros at half of the smallest positive value."""
    positive = values[values > 0]
    return np.log2(values.where(values > 0, positive.min() / 2))


def adjusted_difference(values: pd.Series, case: pd.Series, covariates: pd.DataFrame) -> dict:
    """OLS of the values on case and covariates; Hedges g with its exact small-sample factor."""
    table = pd.concat([values.rename("y"), case.rename("case"), covariates], axis=1).dropna()
    design = sm.add_constant(table.drop(columns="y").astype(float))
    fit = sm.OLS(table["y"].astype(float), design).fit()
    df, n = fit.df_resid, len(table)
    j = np.exp(special.gammaln(df / 2) - special.gammaln((df - 1) / 2)) / np.sqrt(df / 2)
    g = j * fit.params["case"] / np.sqrt(fit.scale)
    return {
        "estimate": fit.params["case"],
        "se": fit.bse["case"],
        "df": df,
        "p": fit.pvalues["case"],
        "n_case": int((table["case"] == 1).sum()),
        "n_control": int((table["case"] == 0).sum()),
        "hedges_g": g,
        "hedges_g_variance": fit.normalized_cov_params.loc["case", "case"] + g**2 / (2 * n),
    }


def reml_hksj(g: np.ndarray, variance: np.ndarray) -> dict:
    """Random effects: tau2 by maximising the restricted likelihood, Hartung-Knapp interval."""
    k = len(g)

    def minus_log_likelihood(tau2: float) -> float:
        w = 1 / (variance + tau2)
        mu = (w * g).sum() / w.sum()
        return 0.5 * (np.log(variance + tau2).sum() + np.log(w.sum()) + (w * (g - mu) ** 2).sum())

    found = optimize.minimize_scalar(
        minus_log_likelihood,
        bounds=(0, 10 * (g.var() + variance.max())),
        method="bounded",
        options={"xatol": 1e-12},
    )
    tau2 = 0.0 if minus_log_likelihood(0.0) <= found.fun else float(found.x)
    w = 1 / (variance + tau2)
    mu = (w * g).sum() / w.sum()
    q = (w * (g - mu) ** 2).sum() / (k - 1)
    se = np.sqrt(max(q, 1.0) / w.sum())  # never narrower than the plain interval
    half = stats.t.ppf(0.975, k - 1) * se
    w0 = 1 / variance
    cochran = (w0 * (g - (w0 * g).sum() / w0.sum()) ** 2).sum()
    return {
        "estimate": mu,
        "se": se,
        "ci_low": mu - half,
        "ci_high": mu + half,
        "tau2": tau2,
        "q_statistic": cochran,
        "p": 2 * stats.t.sf(abs(mu) / se, k - 1),
    }
