"""One model for all sites at once, to check the pooled effects of the two-stage analysis.

The sites' levels are drawn from one distribution (a random intercept); the effect of the group is
one for all of them. Where this and the pooled effect disagree, the sites differ in more than level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import ndtr

from analysis.stats.design import Covariates
from analysis.stats.effects import fitted
from analysis.stats.errors import UnusableData
from analysis.stats.labels import site_names
from analysis.stats.least_squares import basis_among

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

ONE_SITE = "measured at one site only: nothing says how sites vary"
NO_REPEAT = "no site has two samples: its level cannot be told from chance"
NO_REST = "no variation within the sites: nothing to compare the difference with"
SINGULAR = "the equations have no solution among the samples measured"

# Ratios of the sites' variance to the residual one that are tried before the best is refined.
_RATIOS = np.concatenate([[0.0], np.logspace(-8, 8, 65)])


@dataclass(frozen=True)
class MixedEffects:
    """Effects of the group over all sites; arrays have the shape (n_features,).

    ``estimate``, ``se``, ``site_sd`` and ``residual_sd`` are in the feature's unit. ``z`` and
    ``p`` (two-sided) are Wald's, which is too sure of itself below about 30 samples.
    ``at_bound`` says that the sites differ by no more than chance: their variance is 0, the
    least it can be, and the model is the one without sites. ``reason`` is "" where there is a
    fit; other features are NaN. ``n_left_out`` counts the samples that lack a covariate.
    """

    estimate: Floats
    se: Floats
    z: Floats
    p: Floats
    site_sd: Floats
    residual_sd: Floats
    at_bound: Bools
    n_case: Ints
    n_control: Ints
    n_sites: Ints
    reason: tuple[str, ...]
    adjusted_for: tuple[str, ...]
    dropped: tuple[str, ...]
    n_left_out: int


@dataclass(frozen=True)
class _Squares:
    """Squares and products (p + 1, p + 1) of columns and values, within and between sites.

    The columns are orthonormal, the group's last but one; ``size`` is its length. ``between``
    (n_sites, p + 1) are sums over each site divided by the root of its number ``n``.
    """

    within: Floats
    between: Floats
    n: Ints
    df: float
    size: float


def fit_mixed_effects(
    values: npt.ArrayLike,
    group: npt.ArrayLike,
    site: npt.ArrayLike,
    covariates: Covariates = None,
    *,
    method: str = "REML",
) -> MixedEffects:
    """Regress every feature on group and covariates with a random intercept of the site [1]_.

    Parameters
    ----------
    values, group, covariates
        As for ``fit_effects``, with the samples of all sites; the site is no covariate here.
    site : array of shape (n_samples,)
        Label of each sample's site.
    method : {"REML", "ML"}
        ``REML`` is not biased by the number of covariates.

    Raises
    ------
    UnusableData
        What ``fit_effects`` refuses, a sample without a site, one site only, or another method.

    References
    ----------
    .. [1] Laird and Ware 1982, doi:10.2307/2529876; the profile over one variance ratio is that
       of Bates et al. 2015, doi:10.18637/jss.v067.i01
    """
    if method not in ("REML", "ML"):
        raise UnusableData(f'No method is called "{method}": use "REML" or "ML".')
    found = fitted(values, group, covariates)
    codes = _site_codes(site, len(found.rows))[found.rows]
    m = found.data.shape[1]
    numbers = np.full((5, m), np.nan)
    n_sites = np.zeros(m, dtype=np.int64)
    words = list(found.effects.reason)
    for feature in range(m):
        rows = ~np.isnan(found.data[:, feature])
        n_sites[feature] = len(np.unique(codes[rows]))
        words[feature] = words[feature] or _too_few(codes[rows])
        if words[feature]:
            continue
        columns = basis_among(rows, found.model)
        squares = _squares(found.data[rows, feature], codes[rows], *columns, method)
        words[feature], numbers[:, feature] = _solved(squares)
    estimate, se, site_sd, residual_sd, at_bound = numbers
    return MixedEffects(
        estimate=estimate,
        se=se,
        z=estimate / se,
        p=2 * ndtr(-np.abs(estimate / se)),
        site_sd=site_sd,
        residual_sd=residual_sd,
        at_bound=at_bound == 1,
        n_case=found.effects.n_case,
        n_control=found.effects.n_control,
        n_sites=n_sites,
        reason=tuple(words),
        adjusted_for=found.effects.adjusted_for,
        dropped=found.effects.dropped,
        n_left_out=found.effects.n_left_out,
    )


def _site_codes(site: npt.ArrayLike, n_samples: int) -> Ints:
    """Sites as numbers from 0, in the order of their labels."""
    sites, codes = np.unique(site_names(site, n_samples), return_inverse=True)
    if len(sites) < 2:
        raise UnusableData(
            f"All samples are from the site {sites.tolist()}: a model across sites needs 2."
        )
    return codes


def _too_few(codes: Ints) -> str:
    sizes = np.bincount(codes)
    if (sizes > 0).sum() < 2:
        return ONE_SITE
    return NO_REPEAT if sizes.max() < 2 else ""


def _squares(
    y: Floats, codes: Ints, basis: Floats, direction: Floats, size: float, method: str
) -> _Squares:
    # The model is free of level and unit: so are the squares, whatever these are.
    centred = y - y.mean()
    columns = np.column_stack([basis, direction, centred])
    _, codes = np.unique(codes, return_inverse=True)
    n = np.bincount(codes)
    sums = np.array([np.bincount(codes, weights=column) for column in columns.T]).T
    rest = columns - (sums / n[:, None])[codes]
    n_fixed = columns.shape[1] - 1
    return _Squares(
        within=rest.T @ rest,
        between=sums / np.sqrt(n)[:, None],
        n=n,
        df=len(y) - (n_fixed if method == "REML" else 0),
        size=size,
    )


def _solved(squares: _Squares) -> tuple[str, Floats]:
    """Estimate, its error, SD of sites, residual SD and 1 at the bound; or why there are none."""
    try:
        ratio = _best_ratio(squares)
        lower = _factor(squares, np.array([ratio]))[0]
    except np.linalg.LinAlgError:
        return SINGULAR, np.full(5, np.nan)
    if ratio > _RATIOS[-2]:
        return NO_REST, np.full(5, np.nan)
    residual_sd = lower[-1, -1] / np.sqrt(squares.df)
    estimate = lower[-1, -2] / lower[-2, -2] / squares.size
    se = residual_sd / lower[-2, -2] / squares.size
    return "", np.array([estimate, se, residual_sd * np.sqrt(ratio), residual_sd, ratio == 0])


def _best_ratio(squares: _Squares) -> float:
    """The ratio of variances with the largest likelihood; 0 where none beats the bound."""
    tried = _criterion(squares, _RATIOS)
    best = int(np.argmin(tried))
    if best in (0, len(_RATIOS) - 1):
        return float(_RATIOS[best])
    ends = np.log(_RATIOS[best]) + np.array([-1, 1]) * np.log(_RATIOS[2] / _RATIOS[1])
    refined = minimize_scalar(
        lambda log_ratio: float(_criterion(squares, np.exp([log_ratio]))[0]),
        bounds=tuple(ends),
        method="bounded",
        options={"xatol": 1e-10},
    )
    # A dip below the bound that is smaller than rounding is none.
    return float(np.exp(refined.x)) if refined.fun < tried[0] - 1e-10 else 0.0


def _criterion(squares: _Squares, ratios: Floats) -> Floats:
    """Minus twice the profiled log-likelihood of each ratio, up to a constant."""
    logs = np.log(np.diagonal(_factor(squares, ratios), axis1=1, axis2=2))
    sites = np.log1p(ratios[:, None] * squares.n).sum(axis=1)
    criterion: Floats = 2 * squares.df * logs[:, -1] + sites
    if squares.df < squares.n.sum():  # REML
        criterion += 2 * logs[:, :-1].sum(axis=1)
    return criterion


def _factor(squares: _Squares, ratios: Floats) -> Floats:
    """Cholesky factors of the squares at each ratio: what is between sites counts the less."""
    share = 1 / (1 + ratios[:, None] * squares.n)
    between = np.einsum("rs,sa,sb->rab", share, squares.between, squares.between)
    factors: Floats = np.linalg.cholesky(squares.within + between)
    return factors
