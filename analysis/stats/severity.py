"""Does blood follow the severity of withdrawal? Partial least squares on a score."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.stats.errors import UnusableData
from analysis.stats.labels import site_names
from analysis.stats.pls import FEW_OUTCOMES, Pls, fit_pls
from analysis.stats.pls_folds import FoldProducts
from analysis.stats.site_groups import Group, deal_sites
from analysis.stats.tables import LARGEST, real_numbers, refuse_no_count, refuse_too_large

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MIN_SAMPLES = 10
LEAST_SQUARES = 1e-250
MIN_SITES = 3
N_FOLDS = 10
LEAVE_ONE_SITE_OUT = "leave-one-site-out"
TEN_FOLD = "10-fold"


@dataclass(frozen=True)
class Severity:
    """A PLS model of a severity score, and how it does on samples that it has not seen.

    ``r2`` is the share of the outcome's variance that the model of all samples explains, ``q2``
    the share that cross-validated predictions explain (below 0: worse than the mean).
    ``q2_within_sites`` is the same for differences between people of one left-out site, which no
    unlike mean severity of sites can spoil; None with other folds. ``rmsee`` =
    sqrt(RSS / (n - 1 - n_components)) and ``rmsecv`` = sqrt(PRESS / n) are in the outcome's unit.
    ``spearman_rho2`` is the square of ``spearman_rho``, the rank correlation of the outcome and
    its cross-validated prediction; where rho is below 0 the model has failed, however large the
    square. ``vip`` (n_features,) has a mean square of 1 over the features that vary; constant ones
    have 0, and so have all where the model explains nothing. ``predicted_cv`` (n rows as given) is
    NaN for rows without an outcome. ``p_permutation`` is the chance of a q2 as high with the
    outcome permuted (within sites where sites are given), None without permutations. ``groups`` are
    the sites that were left out together, nothing where each was left out by itself.
    """

    r2: float
    q2: float
    q2_within_sites: float | None
    rmsee: float
    rmsecv: float
    spearman_rho: float
    spearman_rho2: float
    vip: Floats
    n_components: int
    n_samples: int
    p_permutation: float | None
    predicted_cv: Floats
    folds: str
    groups: tuple[Group, ...] = ()


@dataclass(frozen=True)
class _Scaling:
    """Medians for gaps, means and standard deviations, learnt from training samples only."""

    median: Floats
    mean: Floats
    deviation: Floats

    def apply(self, values: Floats) -> Floats:
        scaled = values - self.mean
        # A gap is the training median: filled after the shift, which spares a copy of all values.
        np.copyto(scaled, self.median - self.mean, where=np.isnan(values))
        scaled /= self.deviation
        return scaled


def fit_severity(
    values: ArrayLike,
    outcome: ArrayLike,
    *,
    site: ArrayLike | None = None,
    n_components: int = 2,
    rng: np.random.Generator | None = None,
    n_permutations: int = 0,
    most_folds: int | None = None,
) -> Severity:
    """Fit PLS regression [1]_ and test it on left-out sites, or on tenths of the samples.

    Features are autoscaled and their gaps filled with medians, both learnt inside each training
    set. Values are otherwise taken as they are: where laboratories differ, give values that
    `analysis.stats.classify.standardise_by_site` or ComBat has made comparable.

    Parameters
    ----------
    values : array-like of shape (n_samples, n_features)
        On the scale of the analysis (logarithms); NaN is missing.
    outcome : array-like of shape (n_samples,)
        The severity score, e.g. the HQ-25 total; rows where it is NaN are left out.
    site : array-like of shape (n_samples,), optional
        With 3 sites or more each is left out in turn; else samples are dealt into 10 folds.
    n_components : int
    rng : Generator, optional
        Shuffles the 10 folds and permutes. Without it folds are dealt in the order of the rows.
    n_permutations : int
        Permutations of the outcome behind ``p_permutation``.
    most_folds : int, optional
        With more sites than that, so many groups of sites are left out in turn.

    Raises
    ------
    UnusableData
        Shapes that do not fit, fewer than 10 samples with an outcome, an outcome or all features
        constant, fewer than 1 component or more than a training set allows, permutations without
        ``rng``.

    References
    ----------
    .. [1] Wold, Sjoestroem and Eriksson 2001, doi:10.1016/S0169-7439(01)00155-1
    """
    x, y, sites, known = _checked(values, outcome, site)
    refuse_no_count(n_permutations, "Permutations", least=0)
    refuse_no_count(n_components, "Components")
    if n_permutations and rng is None:
        raise UnusableData("Permutations are drawn: give rng, a seeded numpy Generator.")
    groups = _groups(sites, most_folds)
    fold, kind = _folds(len(y), sites, groups, rng)
    smallest = len(y) - int(np.bincount(fold).max())
    if not 1 <= n_components <= smallest - 2:
        raise UnusableData(
            f"{n_components} components for training sets of {smallest} samples: "
            f"ask for 1 to {max(smallest - 2, 1)}."
        )
    outcomes = _with_permutations(y, sites, rng, n_permutations)
    predicted = _cross_validate(x, outcomes, fold, n_components)
    q2 = 1 - ((outcomes - predicted) ** 2).sum(axis=0) / _squares(y)
    rss, vip = _whole_model(x, y, n_components)
    rho = _rank_correlation(y, predicted[:, 0])
    predicted_cv = np.full(len(known), np.nan)
    predicted_cv[known] = predicted[:, 0]
    return Severity(
        r2=1 - rss / _squares(y),
        q2=float(q2[0]),
        q2_within_sites=_q2_within(sites, y, predicted[:, 0])
        if sites is not None and kind == LEAVE_ONE_SITE_OUT
        else None,
        rmsee=float(np.sqrt(rss / (len(y) - 1 - n_components))),
        rmsecv=float(np.sqrt(((y - predicted[:, 0]) ** 2).mean())),
        spearman_rho=rho,
        spearman_rho2=rho**2,
        vip=vip,
        n_components=n_components,
        n_samples=len(y),
        p_permutation=_p_of_first(q2) if n_permutations else None,
        predicted_cv=predicted_cv,
        folds=kind,
        groups=groups if any(len(group) > 1 for group in groups) else (),
    )


def _checked(
    values: ArrayLike, outcome: ArrayLike, site: ArrayLike | None
) -> tuple[Floats, Floats, NDArray[np.str_] | None, Bools]:
    """Values, outcome and sites of the samples with an outcome, and which samples these are."""
    x, y = real_numbers(values), real_numbers(outcome, "The outcome")
    sites = None if site is None else site_names(site, y.size)
    if x.ndim != 2 or y.shape != x.shape[:1] or (sites is not None and sites.shape != y.shape):
        raise UnusableData(
            f"Values have the shape {x.shape}, with an outcome of {y.shape} and sites of "
            f"{None if sites is None else sites.shape}: give one row, outcome and site a sample."
        )
    if np.fmax.reduce(np.abs(y), initial=0.0) > LARGEST:
        raise UnusableData("The outcome is infinite or above 1e150: correct it or set it to NaN.")
    refuse_too_large(x)
    known = ~np.isnan(y)
    x, y = x[known], y[known]
    if len(y) < MIN_SAMPLES:
        raise UnusableData(
            f"A severity model needs at least {MIN_SAMPLES} samples with an outcome, got {len(y)}."
        )
    # Of a tiny outcome no square is left.
    if _squares(y) <= LEAST_SQUARES:
        raise UnusableData(
            f"The outcome is {y[0]:g} for all {len(y)} samples, or almost: nothing to model."
        )
    if np.isinf(_learn_scaling(x).deviation).all():
        raise UnusableData("No feature varies between the samples: nothing to model with.")
    return x, y, None if sites is None else sites[known], known


def _groups(sites: NDArray[np.str_] | None, most_folds: int | None) -> tuple[Group, ...]:
    """The groups of sites that are left out; none with too few sites."""
    if sites is None:
        return ()
    codes, counts = np.unique(sites, return_counts=True)
    if len(codes) < MIN_SITES:
        return ()
    people = {str(code): (int(n),) for code, n in zip(codes, counts, strict=True)}
    return deal_sites(people, most_folds)


def _folds(
    n_samples: int,
    sites: NDArray[np.str_] | None,
    groups: tuple[Group, ...],
    rng: np.random.Generator | None,
) -> tuple[NDArray[np.intp], str]:
    if sites is not None and groups:
        number = {code: at for at, group in enumerate(groups) for code in group}
        return np.array([number[code] for code in sites.tolist()]), LEAVE_ONE_SITE_OUT
    dealt = np.arange(n_samples) % N_FOLDS
    return (dealt if rng is None else rng.permutation(dealt)), TEN_FOLD


def _with_permutations(
    y: Floats, sites: NDArray[np.str_] | None, rng: np.random.Generator | None, n: int
) -> Floats:
    """The outcome in column 0, its permutations after it: within sites, whose levels differ."""
    outcomes = np.repeat(y[:, None], 1 + n, axis=1)
    if rng is None:
        return outcomes
    strata = [np.arange(len(y))]
    if sites is not None:
        strata = [np.flatnonzero(sites == code) for code in np.unique(sites)]
    for rows in strata:
        outcomes[rows, 1:] = rng.permuted(outcomes[rows, 1:], axis=0)
    return outcomes


def _learn_scaling(training: Floats) -> _Scaling:
    gaps = np.isnan(training)
    # Never measured in training: 0 everywhere, so that the model cannot use it.
    unmeasured, incomplete = gaps.all(axis=0), gaps.any(axis=0)
    median = np.zeros(training.shape[1])
    partly = incomplete & ~unmeasured
    median[partly] = np.nanmedian(training[:, partly], axis=0) if partly.any() else 0.0
    filled = np.where(gaps, median, training) if incomplete.any() else training
    mean = filled.mean(axis=0)
    centred = filled - mean
    deviation = np.sqrt(np.einsum("ij,ij->j", centred, centred) / (len(filled) - 1))
    largest = np.maximum(filled.max(axis=0), -filled.min(axis=0))
    constant = unmeasured | (deviation <= 1e-12 * largest)
    return _Scaling(median, mean, np.where(constant, np.inf, deviation))


def _cross_validate(
    x: Floats, outcomes: Floats, fold: NDArray[np.intp], n_components: int
) -> Floats:
    """Predictions (n_samples, n_outcomes), each from models that did not see the sample."""
    predicted = np.empty_like(outcomes)
    shared = None
    many_samples = x.shape[1] <= len(x) - np.bincount(fold).max()
    if outcomes.shape[1] >= FEW_OUTCOMES and many_samples and not np.isnan(x).any():
        shared = FoldProducts.of(x, outcomes)
    for left_out in np.unique(fold):
        test, train = fold == left_out, fold != left_out
        found = None if shared is None else shared.predict(test, n_components)
        if found is None:
            known = x[train]
            scaling = _learn_scaling(known)
            model = fit_pls(scaling.apply(known), outcomes[train], n_components)
            found = model.predict(scaling.apply(x[test]))
        predicted[test] = found
    return predicted


def _whole_model(x: Floats, y: Floats, n_components: int) -> tuple[float, Floats]:
    """Residual sum of squares and VIP of the model of all samples."""
    scaled = _learn_scaling(x).apply(x)
    model = fit_pls(scaled, y[:, None], n_components)
    rss = float(((y - model.predict(scaled)[:, 0]) ** 2).sum())
    return rss, _vip(scaled, model)


def _vip(scaled: Floats, model: Pls) -> Floats:
    """Variable influence on projection: the root of the weighted mean of squared PLS weights."""
    n_varying = int((scaled != 0).any(axis=0).sum())
    total = model.explained.sum()
    # A model that explains nothing gives no feature an influence.
    mean_square = model.explained @ model.weights**2 / (total if total > 0 else 1.0)
    vip: Floats = np.sqrt(n_varying * mean_square)
    return vip


def _squares(values: Floats) -> float:
    return float(((values - values.mean()) ** 2).sum())


def _q2_within(site: NDArray[np.str_], y: Floats, predicted: Floats) -> float | None:
    """q2 of the differences between people of the same site; None where there are none."""
    sites = [site == code for code in np.unique(site)]
    total = sum(_squares(y[rows]) for rows in sites)
    missed = sum(_squares(y[rows] - predicted[rows]) for rows in sites)
    return 1 - missed / total if total > 0 else None


def _rank_correlation(observed: Floats, predicted: Floats) -> float:
    if np.ptp(predicted) == 0:
        return 0.0  # one prediction for everyone orders nobody
    ranks = stats.rankdata(np.column_stack([observed, predicted]), axis=0)
    return float(np.asarray(np.corrcoef(ranks, rowvar=False))[0, 1])


def _p_of_first(statistics: Floats) -> float:
    """The share of statistics at least as high as the first, itself counted (never 0)."""
    # Rounding must not let a permutation equal to the data fall just below it.
    at_least = statistics >= statistics[0] - 1e-12
    return float(at_least.mean())
