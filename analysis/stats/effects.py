"""The difference between cases and controls in each feature, within one cohort."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, stdtr

from analysis.stats.design import Covariates, Design, build_design
from analysis.stats.errors import UnusableData
from analysis.stats.gathering import Model, model_of
from analysis.stats.least_squares import Fit, fit_group
from analysis.stats.tables import real_numbers

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

TOO_FEW = "fewer than 2 {arm} measured ({n})"
CONSTANT = "constant: every measured value is the same"
DETERMINED = "the group is determined by the covariates among the samples measured"
NO_DF = "no residual degrees of freedom: more covariates than samples allow"
VANISHING = "values differ by too little for their squares: use a smaller unit"
EXACT_FIT = "no variation within the groups: nothing to compare the difference with"


@dataclass(frozen=True)
class Effects:
    """Effects of the group on every feature; arrays have the shape (n_features,).

    ``estimate``, ``se`` and ``residual_sd`` are in the feature's unit, ``t``, ``p`` (two-sided)
    and ``df`` belong to Student's test. ``hedges_g`` is free of unit; it is NaN where ``df`` is 1,
    for its correction has no value there. ``reason`` says why a feature has no estimate, and is
    "" where it has one. ``n_left_out`` counts the samples that lack a covariate.
    """

    estimate: Floats
    se: Floats
    df: Floats
    t: Floats
    p: Floats
    n_case: Ints
    n_control: Ints
    hedges_g: Floats
    hedges_g_variance: Floats
    residual_sd: Floats
    reason: tuple[str, ...]
    adjusted_for: tuple[str, ...]
    dropped: tuple[str, ...]
    n_left_out: int


@dataclass(frozen=True)
class Fitted:
    """Effects beside what they were computed from.

    ``rows`` (n_samples,) marks the samples with all covariates, whose values are ``data`` (NaN is
    missing).
    """

    effects: Effects
    fit: Fit
    model: Model
    data: Floats
    rows: Bools


def fit_effects(
    values: npt.ArrayLike, group: npt.ArrayLike, covariates: Covariates = None
) -> Effects:
    """Regress every feature on group and covariates by least squares.

    Parameters
    ----------
    values : array of shape (n_samples, n_features)
        Usually logarithms; NaN is missing, in any pattern. Each feature uses the samples in
        which it and all covariates are known.
    group : array of shape (n_samples,)
        1 for a case, 0 for a control.
    covariates : DataFrame, array of shape (n_samples, n_covariates), or None
        Numbers or categories. Constant, empty and redundant ones are left out and named.

    Returns
    -------
    Effects
        Hedges g is J(df) * estimate / residual_sd with the exact J [1]_; its variance is
        c_gg + g^2 / (2 n), c_gg being the group's diagonal of the inverse of X'X. A feature
        without an estimate is NaN and its ``reason`` says why: an arm under 2, which may be all
        of it (a stratum in which a site has nobody), no variation, no degree of freedom left.

    Raises
    ------
    UnusableData
        Shapes that do not fit, no feature, a group other than 0 or 1, or values that are infinite
        or no real numbers.

    References
    ----------
    .. [1] Hedges 1981, doi:10.3102/10769986006002107
    """
    return fitted(values, group, covariates).effects


def fitted(values: npt.ArrayLike, group: npt.ArrayLike, covariates: Covariates = None) -> Fitted:
    """``fit_effects`` with what it was computed from, for those who go on from there."""
    data, labels = _shaped(values, group)
    design = build_design(covariates, len(data))
    used = data
    if not design.rows.all():
        used, labels = data[design.rows], labels[design.rows]
    model = model_of(design, labels)
    fit = fit_group(used, model)
    if not np.isfinite(fit.total).all():
        _refuse_infinite(data)
    return Fitted(_effects_of(fit, design), fit, model, used, design.rows)


def checked(values: npt.ArrayLike, group: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Values (n_samples, n_features) and group (n_samples,) as floats; NaN is missing."""
    data, labels = _shaped(values, group)
    if np.isinf(data).any():
        _refuse_infinite(data)
    return data, labels


def _shaped(values: npt.ArrayLike, group: npt.ArrayLike) -> tuple[Floats, Floats]:
    data, labels = real_numbers(values), real_numbers(group, "The group")
    if data.ndim != 2 or not data.shape[1]:
        raise UnusableData(
            f"Values need 2 dimensions (samples, features) and a feature, got {data.shape}."
        )
    if labels.shape != (len(data),):
        raise UnusableData(
            f"The group has the shape {labels.shape}, the values {data.shape}: one a sample."
        )
    strange = np.flatnonzero((labels != 0) & (labels != 1))
    if len(strange):
        raise UnusableData(
            f"Row {strange[0]} has the group {labels[strange[0]]}: use 1 for a case, 0 for a "
            "control, and leave other rows out."
        )
    return data, labels


def _refuse_infinite(data: Floats) -> NoReturn:
    infinite = np.argwhere(np.isinf(data))
    if len(infinite):
        row, feature = infinite[0]
        raise UnusableData(
            f"{len(infinite)} values are infinite, the first in row {row}, feature {feature}: "
            "was a logarithm taken of zero? Fill or leave them out first."
        )
    row, feature = np.unravel_index(np.nanargmax(np.abs(data)), data.shape)
    raise UnusableData(
        f"The value {data[row, feature]:g} in row {row}, feature {feature} is too large for its "
        "square: correct it, or use a larger unit."
    )


def _effects_of(fit: Fit, design: Design) -> Effects:
    """What a fit says of each feature, or why it says nothing."""
    n = fit.n_case + fit.n_control
    df = n - fit.rank - 1
    reason, usable = _reasons(fit, df)
    nan = np.where(usable, 0.0, np.nan)
    safe_df = np.where(usable, df, 1.0)
    sd = np.sqrt(np.where(usable, fit.rss, 1.0) / safe_df) + nan
    se = sd * np.sqrt(np.where(usable, fit.c_gg, 1.0))
    estimate = fit.estimate + nan
    t = estimate / se
    g = bias_correction(safe_df) * estimate / sd
    return Effects(
        estimate=estimate,
        se=se,
        df=df + nan,
        t=t,
        p=2 * stdtr(safe_df, -np.abs(t)),
        n_case=fit.n_case,
        n_control=fit.n_control,
        hedges_g=g,
        hedges_g_variance=fit.c_gg + g**2 / (2 * np.maximum(n, 1)),
        residual_sd=sd,
        reason=reason,
        adjusted_for=design.adjusted_for,
        dropped=design.dropped,
        n_left_out=int((~design.rows).sum()),
    )


def bias_correction(df: Floats) -> Floats:
    """J(df), which takes the small-sample bias out of a standardised difference; NaN at df 1."""
    enough = np.where(df > 1, df, 2.0)
    log_j = gammaln(enough / 2) - gammaln((enough - 1) / 2) - np.log(enough / 2) / 2
    return np.where(df > 1, np.exp(log_j), np.nan)


def _reasons(fit: Fit, df: Floats) -> tuple[tuple[str, ...], Bools]:
    """Why each feature has no estimate ("": it has one), and which have one."""
    checks = [
        (fit.n_case < 2, TOO_FEW.format(arm="cases", n="{n_case}")),
        (fit.n_control < 2, TOO_FEW.format(arm="controls", n="{n_control}")),
        (fit.constant, CONSTANT),
        (fit.vanishing, VANISHING),
        (~fit.separable, DETERMINED),
        (df < 1, NO_DF),
        (fit.exact, EXACT_FIT),
    ]
    words = [""] * len(df)
    usable = np.full(len(df), True)
    for failed, sentence in reversed(checks):
        usable &= ~failed
        for feature in np.flatnonzero(failed):
            words[feature] = sentence.format(
                n_case=fit.n_case[feature], n_control=fit.n_control[feature]
            )
    return tuple(words), usable
