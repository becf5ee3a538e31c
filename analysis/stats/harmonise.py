"""Methods by which a plan may bring sites to one level, behind one interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from analysis.stats.combat import fit_combat
from analysis.stats.design import Covariates
from analysis.stats.errors import UnusableData
from analysis.stats.harmonise_refusals import one_sided, refuse_confounded, refuse_small_or_flat
from analysis.stats.labels import Labels, site_names
from analysis.stats.tables import finite_table, refuse_no_count

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# A spread this small beside the values is rounding, not variation.
_DUST = 1e-12


class Adjustment(Protocol):
    """What a method has learnt: values in, values of the same shape out."""

    def apply(self, values: Floats, site: Labels, covariates: Covariates, /) -> Floats:
        """Adjusted values; sites and features are those of the fit."""


class Harmoniser(Protocol):
    """A named method. It keeps nothing: all that it learns is in the model that ``fit`` returns."""

    @property
    def name(self) -> str:
        """As a plan writes it."""

    def fit(
        self, values: npt.ArrayLike, site: npt.ArrayLike, covariates: Covariates = None
    ) -> HarmoniserModel:
        """Learn from training rows; see `Method.fit`."""


@dataclass(frozen=True)
class HarmoniserModel:
    """A fitted method; nothing but its ``apply`` adjusts, and nothing makes it learn again.

    ``notes`` are sentences on what the method cannot do at which site.
    """

    method: str
    sites: tuple[str, ...]
    n_samples: tuple[int, ...]
    n_features: int
    notes: tuple[str, ...]
    adjustment: Adjustment

    def apply(
        self, values: npt.ArrayLike, site: npt.ArrayLike, covariates: Covariates = None
    ) -> Floats:
        """Values of known sites, adjusted; shape (n_samples, n_features), NaN stays NaN.

        Raises
        ------
        UnusableData
            A site or feature that the model was not fitted on, another number of features, or,
            for ComBat, covariates other than those of the fit.
        """
        data = finite_table(values)
        if data.shape[1] != self.n_features:
            raise UnusableData(
                f"The model has {self.n_features} features and the values {data.shape[1]}: give "
                "the features it was fitted on, in their order."
            )
        labels = site_names(site, len(data))
        unknown = sorted(set(labels.tolist()) - set(self.sites))
        if unknown:
            raise UnusableData(
                f"Sites {unknown} are unknown to this model (it knows {list(self.sites)}): refit "
                "with them, or standardise them by themselves and say so."
            )
        return self.adjustment.apply(data, labels, covariates)


@dataclass(frozen=True)
class Method:
    """A harmoniser of this registry; ``min_samples`` is what each site must bring."""

    name: str
    min_samples: int

    def fit(
        self, values: npt.ArrayLike, site: npt.ArrayLike, covariates: Covariates = None
    ) -> HarmoniserModel:
        """Learn from training rows what there is to take out of each site.

        Parameters
        ----------
        values : array of shape (n_samples, n_features)
            Usually logarithms; NaN is missing.
        site : labels of shape (n_samples,)
        covariates : DataFrame, array of shape (n_samples, n_covariates), or None
            What must stay in the values: group, age, sex. ComBat keeps their effect by its model
            and needs them without gaps; the others cannot, and only look whether a site
            determines them.

        Raises
        ------
        UnusableData
            Empty, infinite or misshaped values; names that differ in case or spaces alone; and,
            unless the method is "none", which changes nothing: a site with fewer than
            ``min_samples`` samples, with no measured value or with features that do not vary,
            and covariates confounded with site.
        """
        data = finite_table(values)
        labels = site_names(site, len(data))
        notes: tuple[str, ...] = ()
        if self.name != "none":
            refuse_small_or_flat(data, labels, self.min_samples)
            refuse_confounded(covariates, labels)
        if self.name in _CENTRES_SITES:
            notes = tuple(one_sided(covariates, labels, self.name))
        sites, n = np.unique(labels, return_counts=True)
        return HarmoniserModel(
            method=self.name,
            sites=tuple(str(name) for name in sites),
            n_samples=tuple(int(count) for count in n),
            n_features=data.shape[1],
            notes=notes,
            adjustment=_FITS[self.name](data, labels, covariates),
        )


def harmoniser(name: str, *, min_samples: int = 3) -> Harmoniser:
    """The method that a plan calls ``name``.

    "combat", "combat_mean_only" and "combat_nonparametric" are those of `fit_combat`; the second
    leaves part of a large shift, as sva lets a site's mean weigh as one observation. "site_z"
    gives each feature mean 0 and SD 1 at each site, "pareto" divides by the root of the SD instead
    [1]_, so that units stay visible and sites whose SD differ stay different. "quantile" gives
    each sample the mean distribution of the training samples [2]_, whatever its site. "none"
    returns the values.

    Raises
    ------
    UnusableData
        An unknown name, or fewer than 2 samples a site, of which no spread can be had.

    References
    ----------
    .. [1] van den Berg et al. 2006, doi:10.1186/1471-2164-7-142
    .. [2] Bolstad et al. 2003, doi:10.1093/bioinformatics/19.2.185
    """
    if name not in _FITS:
        raise UnusableData(f'No harmonisation is called "{name}": use one of {list(METHODS)}.')
    refuse_no_count(min_samples, "Samples of a site, which must show a spread", least=2)
    return Method(name, min_samples)


@dataclass(frozen=True)
class _SiteScale:
    """Mean and divisor of each feature at each site, (n_sites, n_features).

    The mean is NaN where the site measured nothing, the divisor infinite where nothing varied:
    what is known of such values is that they are the site's usual ones, which is 0.
    """

    sites: Labels
    mean: Floats
    divisor: Floats

    def apply(self, values: Floats, site: Labels, covariates: Covariates, /) -> Floats:
        codes = np.searchsorted(self.sites, site)
        new = np.argwhere(~np.isnan(values) & np.isnan(self.mean)[codes])
        if len(new):
            row, feature = new[0]
            raise UnusableData(
                f"Feature {feature} was not measured at site {site[row]} when this was fitted: "
                "refit with these rows."
            )
        return (values - self.mean[codes]) / self.divisor[codes]


@dataclass(frozen=True)
class _Quantiles:
    """The distribution that every sample gets: ``values`` (n_features,) in ascending order."""

    values: Floats

    def apply(self, values: Floats, site: Labels, covariates: Covariates, /) -> Floats:
        n = _measured_in_each(values)[:, None]
        rank = rankdata(values, axis=1, nan_policy="omit")
        grid = np.linspace(0, 1, len(self.values))
        adjusted: Floats = np.interp((rank - 1) / (n - 1), grid, self.values)
        return adjusted


class _Unchanged:
    def apply(self, values: Floats, site: Labels, covariates: Covariates, /) -> Floats:
        return values.copy()


def _fit_scale(data: Floats, labels: Labels, covariates: Covariates, *, power: float) -> Adjustment:
    sites = np.unique(labels)
    mean, divisor = np.full((2, len(sites), data.shape[1]), np.nan)
    for number, name in enumerate(sites):
        rows = data[labels == name]
        some = ~np.isnan(rows).all(axis=0)
        rows = rows[:, some]
        n = (~np.isnan(rows)).sum(axis=0)
        mean[number, some] = np.nanmean(rows, axis=0)
        sd = np.sqrt(np.nanvar(rows, axis=0) * n / np.maximum(n - 1, 1))
        flat = sd <= _DUST * np.nanmax(np.abs(rows), axis=0)
        divisor[number, some] = np.where(flat, np.inf, sd**power)
    return _SiteScale(sites, mean, divisor)


def _fit_quantiles(data: Floats, labels: Labels, covariates: Covariates) -> Adjustment:
    grid = np.linspace(0, 1, data.shape[1])
    # NaN sorts last, so that the measured values of a row come first.
    ordered = np.sort(data, axis=1)
    for row, n in enumerate(_measured_in_each(data)):
        if n < len(grid):
            ordered[row] = np.interp(grid, np.linspace(0, 1, n), ordered[row, :n])
    return _Quantiles(ordered.mean(axis=0))


def _fit_combat(
    data: Floats, labels: Labels, covariates: Covariates, *, parametric: bool, mean_only: bool
) -> Adjustment:
    return fit_combat(data, labels, covariates, parametric=parametric, mean_only=mean_only)


_Fit = Callable[[Floats, Labels, Covariates], Adjustment]
_FITS: Mapping[str, _Fit] = {
    "combat": partial(_fit_combat, parametric=True, mean_only=False),
    "combat_mean_only": partial(_fit_combat, parametric=True, mean_only=True),
    "combat_nonparametric": partial(_fit_combat, parametric=False, mean_only=False),
    "site_z": partial(_fit_scale, power=1.0),
    "pareto": partial(_fit_scale, power=0.5),
    "quantile": _fit_quantiles,
    "none": lambda data, labels, covariates: _Unchanged(),
}
_CENTRES_SITES = ("site_z", "pareto")
METHODS = tuple(_FITS)


def _measured_in_each(values: Floats) -> npt.NDArray[np.int64]:
    n: npt.NDArray[np.int64] = (~np.isnan(values)).sum(axis=1)
    few = np.flatnonzero(n < 2)
    if len(few):
        raise UnusableData(
            f"{len(few)} samples have fewer than 2 measured values, the first in row {few[0]}: "
            "no distribution can be made of them; leave them out."
        )
    return n
