"""Effects whose residual variances borrow strength from all features of the panel.

With ten cases a feature's own variance is mostly chance; the variances of its neighbours say what
it can be. This is limma's ``eBayes``, written from its papers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr

from analysis.stats.design import Covariates
from analysis.stats.effects import fitted
from analysis.stats.errors import UnusableData
from analysis.stats.robust_prior import fit_prior_robustly
from analysis.stats.variance_prior import fit_prior

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Moderated:
    """Moderated tests of the group; arrays have the shape (n_features,).

    ``estimate`` and ``se`` are in the feature's unit, ``se`` from ``s2_post``, the variance drawn
    towards ``s2_prior`` as if this stood for ``df_prior`` more observations (infinite: the
    feature's own variance counts nothing). ``t`` and ``p`` (two-sided) have ``df_total`` degrees
    of freedom. ``reason`` is "" where there is a test; other features are NaN and were no part
    of the prior.
    """

    estimate: Floats
    se: Floats
    t: Floats
    p: Floats
    df_total: Floats
    df_prior: Floats
    s2_prior: Floats
    s2_post: Floats
    n_case: Ints
    n_control: Ints
    reason: tuple[str, ...]
    adjusted_for: tuple[str, ...]
    dropped: tuple[str, ...]
    n_left_out: int


def fit_moderated_effects(
    values: npt.ArrayLike,
    group: npt.ArrayLike,
    covariates: Covariates = None,
    *,
    trend: bool = False,
    robust: bool = False,
) -> Moderated:
    """Regress every feature on group and covariates, with moderated t tests [1]_.

    Parameters
    ----------
    values, group, covariates
        As for ``fit_effects``: any pattern of missing values.
    trend : bool
        The prior variance follows the features' average instead of being one for all: for
        logarithms whose noise grows towards the detection limit.
    robust : bool
        Features that vary far more than the others neither rule the prior nor trust it [2]_.

    Raises
    ------
    UnusableData
        What ``fit_effects`` refuses, or no feature at all with an estimate.

    References
    ----------
    .. [1] Smyth 2004, doi:10.2202/1544-6115.1027
    .. [2] Phipson et al. 2016, doi:10.1214/16-AOAS920
    """
    found = fitted(values, group, covariates)
    effects = found.effects
    usable = np.flatnonzero(~np.isnan(effects.estimate))
    if not len(usable):
        raise UnusableData(
            f'No feature has an estimate to moderate (the first says "{effects.reason[0]}"): send '
            "more samples."
        )
    df, variance = effects.df[usable], effects.residual_sd[usable] ** 2
    average = np.nanmean(found.data[:, usable], axis=0) if trend else None
    prior = (fit_prior_robustly if robust else fit_prior)(variance, df, average)
    posterior = _posterior(variance, df, prior.variance, prior.df)
    estimate = effects.estimate[usable]
    se = effects.se[usable] * np.sqrt(posterior / variance)
    # No variance can be known better than by all observations of the panel.
    df_total = np.minimum(df + prior.df, df.sum())

    def spread(numbers: Floats) -> Floats:
        whole = np.full(len(effects.estimate), np.nan)
        whole[usable] = numbers
        return whole

    return Moderated(
        estimate=effects.estimate,
        se=spread(se),
        t=spread(estimate / se),
        p=spread(2 * stdtr(df_total, -np.abs(estimate / se))),
        df_total=spread(df_total),
        df_prior=spread(prior.df),
        s2_prior=spread(prior.variance),
        s2_post=spread(posterior),
        n_case=effects.n_case,
        n_control=effects.n_control,
        reason=effects.reason,
        adjusted_for=effects.adjusted_for,
        dropped=effects.dropped,
        n_left_out=effects.n_left_out,
    )


def _posterior(variance: Floats, df: Floats, prior: Floats, prior_df: Floats) -> Floats:
    """Mean of own and prior variance, each weighted by its degrees of freedom."""
    certain = np.isinf(prior_df)
    weight = np.where(certain, 1.0, prior_df)
    mixed = (df * variance + weight * prior) / (df + weight)
    posterior: Floats = np.where(certain, prior, mixed)
    return posterior
