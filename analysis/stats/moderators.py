"""Whether what sets cohorts apart (a site's covariate, a kind of site) goes with their effects."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from analysis.stats.errors import UnusableData
from analysis.stats.labels import site_names
from analysis.stats.meta import COVERAGE, TESTS, checked_effects, pool_effects, two_sided_p
from analysis.stats.mixed_effects import MixedFit, fit_mixed
from analysis.stats.newton import MAX_STEPS
from analysis.stats.tables import LARGEST, real_numbers

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

TOO_FEW = "as many coefficients as cohorts, or more: nothing is left to judge them by"
NOT_VARYING = "a covariate does not vary among the cohorts that measured it with any weight"
UNCONVERGED = f"tau2 did not settle within {MAX_STEPS} steps: use DL, or check the variances"
ON_THE_LINE = "the cohorts lie on the line: plain Hartung-Knapp finds no error in them; use hksj"
ONE_SUBGROUP = "only one subgroup measured it: there is no difference to test"


@dataclass(frozen=True)
class MetaRegression:
    """Effects as a line in the cohorts' covariates.

    Arrays of shape (1 + n_covariates, n_features), the intercept first; the units are the effect's
    over the covariate's. ``tau2`` to ``n_cohorts`` have shape (n_features,): ``tau2`` is what the
    covariates leave between cohorts and ``i2`` as in `PooledEffects`;
    ``q_residual`` is the weighted square around the fixed-effects line, chi-squared on ``df`` =
    n_cohorts - 1 - n_covariates. ``q_moderators`` tests all covariates at once: F on n_covariates
    and df, or chi-squared on n_covariates with test z.
    """

    coefficient: Floats
    se: Floats
    ci_low: Floats
    ci_high: Floats
    p: Floats
    tau2: Floats
    i2: Floats
    q_residual: Floats
    q_residual_p: Floats
    q_moderators: Floats
    q_moderators_p: Floats
    df: Floats
    n_cohorts: Counts
    reason: tuple[str, ...]
    tau2_method: str
    test: str


def meta_regression(
    estimates: ArrayLike,
    variances: ArrayLike,
    covariates: ArrayLike,
    *,
    tau2: str = "REML",
    test: str = "hksj",
) -> MetaRegression:
    """Mixed-effects meta-regression of each feature on covariates of the cohorts [1]_.

    Parameters
    ----------
    estimates, variances : array-likes of shape (n_cohorts, n_features)
        As for `pool_effects`.
    covariates : array-like of shape (n_cohorts,) or (n_cohorts, n_covariates)
        A number a cohort, e.g. mean age in years. A cohort with a NaN here is left out, which
        ``n_cohorts`` shows.
    tau2 : FE, DL, PM, ML or REML
    test : hksj, hksj_plain, t or z
        As for `pool_effects`; Hartung-Knapp for regression is [2]_. With FE both become z.

    Raises
    ------
    UnusableData
        As `pool_effects`; covariates of another shape, infinite or none.

    References
    ----------
    .. [1] Thompson and Sharp 1999,
       doi:10.1002/(SICI)1097-0258(19991030)18:20<2693::AID-SIM235>3.0.CO;2-V
    .. [2] Knapp and Hartung 2003, doi:10.1002/sim.1482
    """
    if test not in TESTS:
        raise UnusableData(f'test "{test}" is not known; use one of {", ".join(TESTS)}.')
    if tau2 == "FE" and test in ("hksj", "hksj_plain"):
        test = "z"
    y, v = checked_effects(estimates, variances)
    columns = _covariates(covariates, len(y))
    known = np.isfinite(columns).all(axis=1, keepdims=True)
    y, v = np.where(known, y, np.nan), np.where(known, v, np.nan)
    fit = fit_mixed(y, v, np.where(known, columns, 0.0), tau2)
    return _regression(fit, columns.shape[1], tau2, test)


def _covariates(covariates: ArrayLike, n_cohorts: int) -> Floats:
    columns = real_numbers(covariates, "Covariates")
    if columns.ndim == 1:
        columns = columns[:, None]
    if columns.ndim != 2 or len(columns) != n_cohorts or not columns.shape[1]:
        raise UnusableData(
            f"Covariates have the shape {columns.shape}: give a row for each of the "
            f"{n_cohorts} cohorts and a column for each covariate."
        )
    if (np.abs(columns) > LARGEST).any():
        cohort, column = np.argwhere(np.abs(columns) > LARGEST)[0]
        raise UnusableData(
            f"Covariate {column} of cohort {cohort} (counted from 0) is infinite or above 1e150: "
            "give a number, or NaN to leave the cohort out."
        )
    return columns


def _regression(fit: MixedFit, n_covariates: int, method: str, test: str) -> MetaRegression:
    scale = _scale(fit, test)
    se = np.sqrt(fit.covariance_diagonal * scale)
    test_df = np.where(np.isnan(fit.df) | (test != "z"), fit.df, np.inf)
    upper = (1 + COVERAGE) / 2
    quantile = np.where(np.isinf(test_df), special.ndtri(upper), special.stdtrit(test_df, upper))
    joint, joint_p = _joint(fit.moderators / scale, n_covariates, test_df)
    return MetaRegression(
        coefficient=fit.coefficient,
        se=se,
        ci_low=fit.coefficient - quantile * se,
        ci_high=fit.coefficient + quantile * se,
        p=two_sided_p(fit.coefficient / se, np.broadcast_to(test_df, se.shape)),
        tau2=fit.tau2,
        i2=_i2(fit, method),
        q_residual=fit.q_residual,
        q_residual_p=special.chdtrc(fit.df, fit.q_residual),
        q_moderators=joint,
        q_moderators_p=joint_p,
        df=fit.df,
        n_cohorts=fit.n_cohorts,
        reason=_reasons(fit, n_covariates, scale),
        tau2_method=method,
        test=test,
    )


def _scale(fit: MixedFit, test: str) -> Floats:
    """What Hartung-Knapp multiplies the variances by; NaN where plain Hartung-Knapp would say 0."""
    if test == "hksj":
        return np.maximum(1.0, fit.scatter)
    if test == "hksj_plain":
        return np.where(fit.on_the_line, np.nan, fit.scatter)
    return np.ones(len(fit.df))


def _reasons(fit: MixedFit, n_covariates: int, scale: Floats) -> tuple[str, ...]:
    reasons = np.full(len(fit.df), "", dtype=object)
    reasons[np.isnan(scale)] = ON_THE_LINE
    reasons[~fit.converged] = UNCONVERGED
    reasons[fit.deficient] = NOT_VARYING
    reasons[fit.n_cohorts <= n_covariates + 1] = TOO_FEW
    return tuple(reasons)


def _i2(fit: MixedFit, method: str) -> Floats:
    """I2 in percent, by the definition in `PooledEffects`."""
    if method != "FE":
        return 100 * fit.tau2 / (fit.tau2 + fit.typical)
    q = fit.q_residual
    i2: Floats = 100 * np.maximum(q - fit.df, 0.0) / np.where(q > 0, q, 1.0)
    return i2


def _joint(squares: Floats, n_covariates: int, df: Floats) -> tuple[Floats, Floats]:
    """The test of all covariates at once and its p: F, or chi-squared where df is infinite."""
    normal = np.isinf(df)
    joint = np.where(normal, squares, squares / n_covariates)
    by_f = special.fdtrc(n_covariates, np.where(normal, 1.0, df), joint)
    p: Floats = np.where(normal, special.chdtrc(n_covariates, squares), by_f)
    return joint, p


@dataclass(frozen=True)
class SubgroupDifference:
    """Subgroups of cohorts against each other.

    ``estimate`` to ``n_cohorts`` have shape (n_subgroups, n_features), in the order of ``labels``,
    NaN where no cohort of the subgroup has the feature, ``tau2`` where only one has. ``q_between``
    is chi-squared on ``df``, the subgroups that have the feature less one.
    """

    labels: tuple[str, ...]
    estimate: Floats
    se: Floats
    tau2: Floats
    n_cohorts: Counts
    q_between: Floats
    df: Floats
    p: Floats
    reason: tuple[str, ...]


def subgroup_difference(
    estimates: ArrayLike, variances: ArrayLike, subgroup: Sequence[str], *, tau2: str = "REML"
) -> SubgroupDifference:
    """Pool each subgroup of cohorts with its own tau2 and compare them [1]_.

    The test is normal theory, as is usual for Q between: with few cohorts in a subgroup it finds
    somewhat too much, and a subgroup of one cohort enters with its own error only.

    Parameters
    ----------
    estimates, variances, tau2
        As for `pool_effects`.
    subgroup : sequence of n_cohorts labels

    Raises
    ------
    UnusableData
        As `pool_effects`; another number of labels, or one label only.

    References
    ----------
    .. [1] Borenstein and Higgins 2013, doi:10.1007/s11121-013-0377-7
    """
    y, v = checked_effects(estimates, variances)
    names = site_names(subgroup, len(y), "subgroup")
    labels = tuple(str(label) for label in np.unique(names))
    if len(labels) < 2:
        raise UnusableData("All cohorts are in one subgroup: give at least two labels.")
    parts = [pool_effects(y[names == a], v[names == a], tau2=tau2, test="z") for a in labels]
    estimate = np.array([part.estimate for part in parts])
    se = np.array([part.se for part in parts])
    between = pool_effects(estimate, se**2, tau2="FE")
    several = between.n_cohorts >= 2
    return SubgroupDifference(
        labels=labels,
        estimate=estimate,
        se=se,
        tau2=np.array([part.tau2 for part in parts]),
        n_cohorts=np.array([part.n_cohorts for part in parts]),
        q_between=between.q_statistic,
        df=np.where(several, between.n_cohorts - 1.0, np.nan),
        p=between.q_p,
        reason=tuple(np.where(several, "", ONE_SUBGROUP).tolist()),
    )
