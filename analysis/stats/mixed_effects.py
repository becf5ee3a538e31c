"""The linear model behind meta-regression: weighted least squares of many features at once.

Arrays are (n_cohorts, n_features), with design matrices (n_features, p, p) over the cohorts that
each feature has. An absent cohort has an infinite variance, hence weight 0, as in tau2.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.stats.errors import UnusableData
from analysis.stats.meta import ROUNDING
from analysis.stats.newton import Score, fall_through_zero

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

METHODS = ("FE", "DL", "PM", "ML", "REML")
# Under this share of the largest, a direction of the weighted design holds little but rounding.
DEFICIENT = 1e-12


@dataclass(frozen=True)
class MixedFit:
    """Coefficients (p, n_features), intercept first, with what tests need; the rest (n_features,).

    NaN where there are as many coefficients as cohorts, the design is deficient, or the search
    for tau2 did not end. ``scatter`` is y'Py / df and ``moderators`` the Wald square of all
    coefficients but the intercept; ``typical`` the typical variance df / tr P at tau2 0.
    """

    coefficient: Floats
    covariance_diagonal: Floats
    moderators: Floats
    tau2: Floats
    typical: Floats
    scatter: Floats
    q_residual: Floats
    df: Floats
    n_cohorts: NDArray[np.int64]
    deficient: Bools
    on_the_line: Bools
    converged: Bools


def fit_mixed(y: Floats, v: Floats, covariates: Floats, method: str) -> MixedFit:
    """Fit y = intercept + covariates + cohort's own deviation + error; NaN is an absent cohort.

    Raises
    ------
    UnusableData
        ``method`` is none of `METHODS`.
    """
    if method not in METHODS:
        raise UnusableData(
            f'tau2 "{method}" is not an estimator for regression; use one of {", ".join(METHODS)}.'
        )
    present = np.isfinite(y)
    n_cohorts = present.sum(axis=0)
    used: Bools = np.asarray(present.any(axis=1))
    z, back = _scaled(covariates, used)
    p = z.shape[1]
    enough = n_cohorts > p
    deficient = enough & _deficient(z, np.where(present, v, np.inf))
    fitted = enough & ~deficient
    model = _Model(z, np.where(present, y, 0.0)[:, fitted], np.where(present, v, np.inf)[:, fitted])
    numbers, converged = _fit(model, back, n_cohorts[fitted] - float(p), method)
    everything = np.full((len(numbers), len(fitted)), np.nan)
    everything[:, fitted] = np.where(converged, numbers, np.nan)
    settled = np.ones(len(fitted), dtype=bool)
    settled[fitted] = converged
    named = dict(zip(_ROWS, everything[2 * p :], strict=True))
    return MixedFit(
        coefficient=everything[:p],
        covariance_diagonal=everything[p : 2 * p],
        on_the_line=named.pop("on_the_line") == 1,
        n_cohorts=n_cohorts,
        deficient=deficient,
        converged=settled,
        **named,
    )


_ROWS = ("moderators", "tau2", "typical", "scatter", "q_residual", "df", "on_the_line")


@dataclass(frozen=True)
class _Model:
    """Design (n_cohorts, p), with estimates and variances of the features to be fitted."""

    z: Floats
    y: Floats
    v: Floats


@dataclass(frozen=True)
class _Line:
    """Weighted least squares of each feature, and u = Py."""

    weight: Floats
    inverse: Floats
    coefficient: Floats
    pulled: Floats
    residual: Floats


def _scaled(covariates: Floats, used: Bools) -> tuple[Floats, Floats]:
    """Columns of mean 0 and SD 1 behind an intercept, and the matrix that takes them back.

    A covariate such as a calendar year would otherwise cost half of the digits.
    """
    n = max(int(used.sum()), 1)
    mean = covariates[used].sum(axis=0) / n
    centred = np.where(used[:, None], covariates - mean, 0.0)
    sd = np.sqrt((centred**2).sum(axis=0) / n)
    sd = np.where(sd > DEFICIENT * np.abs(mean), sd, 1.0)
    z = np.column_stack([np.ones(len(covariates)), centred / sd])
    back = np.diag(np.concatenate([[1.0], 1 / sd]))
    back[0, 1:] = -mean / sd
    return z, back


def _deficient(z: Floats, v: Floats) -> Bools:
    """Whether a direction of the design has no weight behind it."""
    least = np.where(np.isfinite(v), v, 1.0).min(axis=0, initial=1.0)
    sizes = np.linalg.eigvalsh(_gram(z, least / v))
    deficient: Bools = sizes[:, 0] <= DEFICIENT * sizes[:, -1]
    return deficient


def _gram(z: Floats, weight: Floats) -> Floats:
    """Z'WZ of each feature, shape (n_features, p, p)."""
    p = z.shape[1]
    products = (z[:, :, None] * z[:, None, :]).reshape(len(z), p * p)
    gram: Floats = (weight.T @ products).reshape(-1, p, p)
    return gram


def _line(model: _Model, tau2: Floats) -> _Line:
    weight = 1 / (model.v + tau2)
    inverse: Floats = np.linalg.inv(_gram(model.z, weight)).astype(np.float64, copy=False)
    moments = (weight * model.y).T @ model.z
    coefficient = np.einsum("fij,fj->fi", inverse, moments)
    residual = model.y - model.z @ coefficient.T
    return _Line(weight, inverse, coefficient, weight * residual, residual)


def _trace_p(model: _Model, line: _Line) -> Floats:
    inside = np.einsum("fij,fji->f", line.inverse, _gram(model.z, line.weight**2))
    trace: Floats = line.weight.sum(axis=0) - inside
    return trace


def _score(z: Floats, method: str) -> Score:
    """The likelihood's (or the generalised Q's) equation in tau2 for this design."""
    equation = {"PM": _paule_mandel, "ML": _ml, "REML": _reml}[method]

    def score(columns: tuple[Floats, ...], tau2: Floats) -> tuple[Floats, Floats]:
        y, v, df = columns
        return equation(_Model(z, y, v), tau2, df)

    return score


def _paule_mandel(model: _Model, tau2: Floats, df: Floats) -> tuple[Floats, Floats]:
    line = _line(model, tau2)
    return (line.pulled * line.residual).sum(axis=0) - df, -(line.pulled**2).sum(axis=0)


def _cubic(model: _Model, line: _Line) -> Floats:
    """y'PPPy of each feature."""
    leaning = (line.weight * line.pulled).T @ model.z
    inside = np.einsum("fi,fij,fj->f", leaning, line.inverse, leaning)
    cubic: Floats = (line.weight * line.pulled**2).sum(axis=0) - inside
    return cubic


def _ml(model: _Model, tau2: Floats, df: Floats) -> tuple[Floats, Floats]:
    line = _line(model, tau2)
    value = (line.pulled**2).sum(axis=0) - line.weight.sum(axis=0)
    return value, (line.weight**2).sum(axis=0) - 2 * _cubic(model, line)


def _reml(model: _Model, tau2: Floats, df: Floats) -> tuple[Floats, Floats]:
    line = _line(model, tau2)
    value = (line.pulled**2).sum(axis=0) - _trace_p(model, line)
    middle = line.inverse @ _gram(model.z, line.weight**2)
    cubes = np.einsum("fij,fji->f", line.inverse, _gram(model.z, line.weight**3))
    trace_pp = (line.weight**2).sum(axis=0) - 2 * cubes + np.einsum("fij,fji->f", middle, middle)
    return value, trace_pp - 2 * _cubic(model, line)


def _fit(model: _Model, back: Floats, df: Floats, method: str) -> tuple[Floats, Bools]:
    """Coefficients, their variances and the rows of `_ROWS`; and whether tau2 settled."""
    flat = _line(model, np.zeros(len(df)))
    q_residual = (flat.pulled * flat.residual).sum(axis=0)
    # A harmonic mean of the variances, which rounding must not carry past them.
    known = np.where(np.isfinite(model.v), model.v, np.nan)
    bounds = np.nanmin(known, axis=0), np.nanmax(known, axis=0)
    typical = df / np.clip(_trace_p(model, flat), df / bounds[1], df / bounds[0])
    moment = np.maximum((q_residual / df - 1) * typical, 0.0)
    tau2, converged = _tau2(model, df, moment, typical, method)
    line = _line(model, tau2)
    coefficient = line.coefficient @ back.T
    covariance = back @ line.inverse @ back.T
    slopes = line.coefficient[:, 1:]
    precision = np.linalg.inv(line.inverse[:, 1:, 1:])
    squares = (line.pulled * line.residual).sum(axis=0)
    rows = [
        *coefficient.T,
        *np.diagonal(covariance, axis1=1, axis2=2).T,
        np.einsum("fi,fij,fj->f", slopes, precision, slopes),
        tau2,
        typical,
        squares / df,
        q_residual,
        df,
        squares <= ROUNDING * (line.weight * model.y**2).sum(axis=0),
    ]
    return np.array(rows), converged


def _tau2(
    model: _Model, df: Floats, moment: Floats, typical: Floats, method: str
) -> tuple[Floats, Bools]:
    if method in ("FE", "DL"):
        return moment * (method == "DL"), np.ones(len(df), dtype=bool)
    power = 1 if method == "PM" else 2
    score = _score(model.z, method)
    roots = fall_through_zero(score, (model.y, model.v, df), moment, typical, power)
    if method == "PM":
        return roots.x, roots.converged
    # Where 0 is a second peak of the likelihood and the higher one, tau2 is 0.
    peaks = [_log_likelihood(model, at, method) for at in (np.zeros(len(df)), roots.x)]
    return np.where(peaks[0] >= peaks[1], 0.0, roots.x), roots.converged


def _log_likelihood(model: _Model, tau2: Floats, method: str) -> Floats:
    line = _line(model, tau2)
    marginal = np.where(np.isfinite(model.v), model.v + tau2, 1.0)
    deviance = np.log(marginal).sum(axis=0) + (line.pulled * line.residual).sum(axis=0)
    if method == "REML":
        deviance = deviance - np.linalg.slogdet(line.inverse)[1]
    log_likelihood: Floats = -deviance / 2
    return log_likelihood
