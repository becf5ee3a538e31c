"""What may be learnt from the training sites before a classifier sees them, and nothing more."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.stats.design import columns_of
from analysis.stats.errors import UnusableData
from analysis.stats.labels import site_names
from analysis.stats.roc import as_cases
from analysis.stats.tables import finite_table

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Scale = Literal["within_site", "training"]

# A feature that most training sites lack teaches a model which site a person is from.
SEEN_SHARE = 2 / 3
# Fewer people of a group than this teach nothing of it.
MIN_OF_GROUP = 5
# A standard deviation under this share of the largest value is rounding.
NOTHING_LEFT = 1e-12
# Learnt of so many features at a time: what that takes is several times what they take.
FEATURES_AT_ONCE = 128


@dataclass(frozen=True)
class SiteStudy:
    """Samples of several sites, ready to leave sites out.

    ``values`` (n_samples, n_features) are standardised by site with the scale ``within_site`` and
    as given with ``training``; ``covariates`` (n_samples, n_covariates), centred in the same way.
    NaN is missing in both.
    """

    names: tuple[str, ...]
    values: Floats
    is_case: Bools
    sites: NDArray[np.str_]
    codes: tuple[str, ...]
    covariates: Floats | None
    scale: Scale

    def rows(self, codes: frozenset[str]) -> Bools:
        """Which samples are of these sites."""
        return np.isin(self.sites, sorted(codes))

    def counts(self, code: str) -> tuple[int, int]:
        """Cases and controls of a site."""
        here = self.sites == code
        n_case = int(self.is_case[here].sum())
        return n_case, int(here.sum()) - n_case

    def there(self, code: str) -> Bools:
        """Features of which the site has a value."""
        return self._there[code]

    @cached_property
    def _there(self) -> dict[str, Bools]:
        # Asked of every site for every site that is left out: looked up in the values once.
        return {
            code: np.isfinite(self.values[self.sites == code]).any(axis=0) for code in self.codes
        }

    def usable(self, *left_out: frozenset[str]) -> Bools:
        """Features that two thirds of the other sites measured, and a site of each group."""
        tested = frozenset[str]().union(*left_out)
        share = np.mean([self.there(code) for code in self.codes if code not in tested], axis=0)
        usable: Bools = share >= SEEN_SHARE - 1e-9
        for group in left_out:
            usable &= np.any([self.there(code) for code in group], axis=0)
        return usable


@dataclass(frozen=True)
class Preparation:
    """What the training samples say of each used feature, applied alike to every sample.

    ``used`` (n_features,) marks the features; of these ``slopes`` (n_covariates, n_used) or None,
    ``mean`` and ``deviation`` (0 and 1 where each site is standardised by itself, infinite for a
    feature that does not vary), and ``median`` of the prepared training values, which fills gaps.
    """

    used: Bools
    slopes: Floats | None
    mean: Floats
    deviation: Floats
    median: Floats

    def apply(self, values: Floats, covariates: Floats | None = None) -> Floats:
        """Prepared values (n_samples, n_used) of values (n_samples, n_features), without gaps."""
        prepared = self.without_gaps_filled(values, covariates)
        np.copyto(prepared, self.median, where=np.isnan(prepared))
        return prepared

    def without_gaps_filled(self, values: Floats, covariates: Floats | None) -> Floats:
        """Prepared values that are NaN where a sample has no value."""
        prepared: Floats = values[:, self.used]
        if self.slopes is not None and covariates is not None:
            # A gap in a covariate counts as the mean, which is 0 here.
            prepared -= np.nan_to_num(covariates) @ self.slopes
        prepared -= self.mean
        prepared /= self.deviation
        return prepared


def read_study(
    values: ArrayLike | pd.DataFrame,
    labels: ArrayLike,
    site: ArrayLike,
    covariates: pd.DataFrame | ArrayLike | None = None,
    *,
    scale: Scale = "within_site",
) -> SiteStudy:
    """Check samples, labels and sites; take out what would give labels away through gaps.

    Where a site has a feature in one of its two groups alone, it counts as not having it.

    Raises
    ------
    UnusableData
        Shapes, labels or names of sites that do not fit, values or covariates that are not finite
        numbers, or fewer than 2 sites.
    """
    if scale not in get_args(Scale):
        raise UnusableData(f'No scale is called "{scale}": use one of {list(get_args(Scale))}.')
    is_case, sites = as_cases(labels), site_names(site, np.size(labels))
    names, raw = _named_values(values, len(is_case), len(sites))
    codes = tuple(sorted(set(sites.tolist())))
    if len(codes) < 2:
        raise UnusableData(
            f"Leaving a site out needs at least 2 sites, got {len(codes)}: {list(codes)}."
        )
    kept = _without_one_sided(raw, is_case, sites)
    beside = None if covariates is None else columns_of(covariates, len(is_case))
    if scale == "within_site":
        kept = standardise_by_site(kept, sites)
        beside = None if beside is None else centred_by_site(beside, sites)
    return SiteStudy(tuple(names), kept, is_case, sites, codes, beside, scale)


def learn_preparation(study: SiteStudy, train: Bools, used: Bools) -> Preparation:
    """Slopes on covariates, means, deviations and medians of the training samples alone."""
    rows, features = np.flatnonzero(train), np.flatnonzero(used)
    blocks = [
        _learn_some(study, rows, features[start : start + FEATURES_AT_ONCE])
        for start in range(0, max(len(features), 1), FEATURES_AT_ONCE)
    ]
    slopes, mean, deviation, median = zip(*blocks, strict=True)
    return Preparation(
        used,
        None if study.covariates is None else np.hstack(slopes),
        np.concatenate(mean),
        np.concatenate(deviation),
        np.concatenate(median),
    )


def _learn_some(
    study: SiteStudy, rows: NDArray[np.intp], features: NDArray[np.intp]
) -> tuple[Floats | None, Floats, Floats, Floats]:
    """Slopes, means, deviations and medians of some features."""
    raw = study.values[np.ix_(rows, features)]
    covariates = None if study.covariates is None else study.covariates[rows]
    slopes = None
    if covariates is not None:
        slopes = _slopes(raw, covariates, study.is_case[rows])
    zeros, ones = np.zeros(len(features)), np.ones(len(features))
    plain = Preparation(np.ones(len(features), dtype=bool), slopes, zeros, ones, zeros)
    adjusted = plain.without_gaps_filled(raw, covariates)
    mean, deviation = np.nanmean(adjusted, axis=0), np.nanstd(adjusted, axis=0)
    size = np.maximum(np.fmax.reduce(raw), -np.fmin.reduce(raw))
    # Constants, and what covariates explain in full: rounding leaves dust that trees would split.
    nothing = deviation <= NOTHING_LEFT * size
    if study.scale == "within_site":
        mean, deviation = zeros, ones
    deviation = np.where(nothing, np.inf, deviation)
    return slopes, mean, deviation, (_medians(adjusted) - mean) / deviation


def _medians(values: Floats) -> Floats:
    """Median of each column's numbers; sorting all columns beats numpy's nanmedian of each."""
    ordered = np.sort(values.T, axis=1)
    n, each = np.isfinite(values).sum(axis=0), np.arange(values.shape[1])
    median: Floats = (ordered[each, (n - 1) // 2] + ordered[each, n // 2]) / 2
    return median


def _slopes(values: Floats, covariates: Floats, is_case: Bools) -> Floats:
    """Slopes on the covariates, fitted beside the group so that its effect stays."""
    design = np.column_stack([np.nan_to_num(covariates), is_case, np.ones(len(is_case))])
    # A gap counts as the mean of its site or sample: it pulls the slope towards 0, no further.
    centre = np.nanmean(values, axis=0)
    slopes, *_ = np.linalg.lstsq(design, np.nan_to_num(values - centre), rcond=None)
    return np.asarray(slopes[: covariates.shape[1]])


def untestable(study: SiteStudy, tested: str, beside: frozenset[str] = frozenset()) -> str:
    """Why a site gets no AUC from the others; empty where it can be tested.

    ``beside`` are sites that are left out together with it.
    """
    left_out = beside | {tested}
    n_case, n_control = study.counts(tested)
    if min(n_case, n_control) < 2:
        return (
            f"{n_case} cases and {n_control} controls: an AUC needs at least 2 of each; "
            "the site serves to train the others"
        )
    training = study.is_case[~study.rows(left_out)]
    n_training_cases = int(training.sum())
    n_training_controls = len(training) - n_training_cases
    if min(n_training_cases, n_training_controls) < MIN_OF_GROUP:
        return (
            f"the other sites have {n_training_cases} cases and {n_training_controls} controls: "
            f"training needs at least {MIN_OF_GROUP} of each"
        )
    if not (study.usable(left_out) & study.there(tested)).any():
        return "no feature of this site is measured at two thirds of the other sites"
    return ""


def standardise_by_site(values: ArrayLike, site: ArrayLike) -> Floats:
    """Each feature to mean 0 and standard deviation 1 within each site; NaN stays NaN.

    Parameters
    ----------
    values : array-like of shape (n_samples, n_features)
    site : array-like of shape (n_samples,)

    Returns
    -------
    array of shape (n_samples, n_features) without unit; 0 where a site's values are all the same.
    """
    raw = finite_table(values)
    sites = site_names(site, len(raw))
    centred = centred_by_site(raw, sites)
    for code in np.unique(sites):
        rows = sites == code
        counts = np.isfinite(centred[rows]).sum(axis=0)
        squares = np.nansum(centred[rows] ** 2, axis=0)
        deviation = np.sqrt(squares / np.maximum(counts - 1, 1))
        # Rounding leaves dust around a constant: dividing by it would make noise of it.
        constant = deviation <= 1e-12 * np.abs(np.nan_to_num(raw[rows])).max(axis=0)
        centred[rows] = np.where(
            constant, centred[rows] * 0.0, centred[rows] / np.where(constant, 1.0, deviation)
        )
    return centred


def centred_by_site(values: Floats, sites: NDArray[np.str_]) -> Floats:
    """Values less their site's mean; NaN stays NaN."""
    centred = values.copy()
    for code in np.unique(sites):
        rows = sites == code
        counts = np.isfinite(values[rows]).sum(axis=0)
        centred[rows] -= np.nansum(values[rows], axis=0) / np.maximum(counts, 1)
    return centred


def _named_values(
    values: ArrayLike | pd.DataFrame, n_labels: int, n_sites: int
) -> tuple[list[str], Floats]:
    array = finite_table(values)
    if not len(array) == n_labels == n_sites:
        raise UnusableData(
            f"Values have the shape {array.shape}, with {n_labels} labels and {n_sites} sites: "
            "give one row, one label and one site a sample."
        )
    if isinstance(values, pd.DataFrame):
        return [str(name) for name in values.columns], array
    return [f"column {position}" for position in range(array.shape[1])], array


def _without_one_sided(values: Floats, is_case: Bools, sites: NDArray[np.str_]) -> Floats:
    """Values, missing where a site with both groups measured a feature in one of them alone."""
    kept = values.copy()
    for code in np.unique(sites):
        rows = sites == code
        case, control = rows & is_case, rows & ~is_case
        if case.any() and control.any():
            in_cases = np.isfinite(values[case]).any(axis=0)
            in_controls = np.isfinite(values[control]).any(axis=0)
            kept[np.ix_(rows, in_cases != in_controls)] = np.nan
    return kept
