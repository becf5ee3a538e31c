"""How much of a table is site, batch or group: before harmonisation and after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh
from sklearn.metrics import silhouette_score

from analysis.stats.errors import UnusableData
from analysis.stats.labels import Labels, site_names
from analysis.stats.qc import qc_rsd_percent
from analysis.stats.tables import as_array, finite_table, refuse_no_count

Floats = npt.NDArray[np.float64]

# A spread this small beside the values is rounding, not variation.
_DUST = 1e-12


@dataclass(frozen=True)
class Explained:
    """Share of each feature's variance between the levels of one factor, (n_features,).

    ``eta_squared`` is from 0 to 1; its expectation grows with the number of levels. ``adjusted``
    is free of that: around 0, and below it half of the time, where the factor explains nothing
    [1]_. NaN for a feature that is constant, seen at one level alone, or has as many levels as
    values; ``n`` says how many values it has.

    References
    ----------
    .. [1] Kelley 1935, doi:10.1073/pnas.21.9.554
    """

    eta_squared: Floats
    adjusted: Floats
    n: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Components:
    """Principal components: ``scores`` (n_samples, k) without unit, ``explained`` (k,) shares."""

    scores: Floats
    explained: Floats
    n_features: int


@dataclass(frozen=True)
class Diagnosis:
    """One table seen by its factors ("site", "batch", "group", those that were given).

    ``silhouette`` is from -1 to 1: near 1 the levels of the factor are apart, at 0 they overlap;
    NaN where the samples have one level, or each its own. ``qc_rsd_percent`` (n_features,) is
    None without QC samples.
    """

    explained: Mapping[str, Explained]
    silhouette: Mapping[str, float]
    components: Components
    qc_rsd_percent: Floats | None

    def summary(self) -> dict[str, float]:
        """Medians over features, and the silhouettes, by name; what cannot be had is left out."""
        numbers = {
            f"{factor}_{name}": _median(getattr(found, name))
            for factor, found in self.explained.items()
            for name in ("eta_squared", "adjusted")
        }
        numbers |= {f"{factor}_silhouette": s for factor, s in self.silhouette.items()}
        if self.qc_rsd_percent is not None:
            numbers["qc_rsd_percent"] = _median(self.qc_rsd_percent)
        return {name: number for name, number in numbers.items() if not np.isnan(number)}


@dataclass(frozen=True)
class Comparison:
    """The same samples before harmonisation and after it."""

    before: Diagnosis
    after: Diagnosis


def diagnose(
    values: npt.ArrayLike,
    site: npt.ArrayLike,
    *,
    batch: npt.ArrayLike | None = None,
    group: npt.ArrayLike | None = None,
    is_qc: npt.ArrayLike | None = None,
    scale: str = "ln",
    n_components: int = 2,
) -> Diagnosis:
    """What site, batch and group make of a table.

    Parameters
    ----------
    values : array of shape (n_samples, n_features)
        NaN is missing; logarithms, or whatever the analysis uses.
    site, batch, group : labels of shape (n_samples,)
        Batches are taken by their names alone: name those of two sites differently. Those of QC
        samples are not read: a pool has no group, and QC samples are in the RSD alone.
    is_qc : truth values of shape (n_samples,), optional
    scale : {"ln", "log2", "log10", "raw"}
        Scale of ``values``, for the RSD of QC samples.
    n_components : int
        Principal components wanted.

    Raises
    ------
    UnusableData
        Shapes that differ, infinite or no values, fewer than 2 samples that are not QC, or fewer
        than ``n_components`` components to be had.
    """
    data = finite_table(values)
    study = np.full(len(data), True)
    rsd = None
    if is_qc is not None:
        rsd = qc_rsd_percent(data, is_qc, scale=scale)
        study = ~np.asarray(is_qc, dtype=bool)
        if not study.any():
            raise UnusableData("None of the samples is a study sample: check the QC marks.")
    given = {"batch": batch, "group": group}
    factors = {"site": _labels_of(site, study, "site")} | {
        name: _labels_of(labels, study, name)
        for name, labels in given.items()
        if labels is not None
    }
    components = principal_components(data[study], n_components)
    return Diagnosis(
        explained={
            name: variance_explained(data[study], labels) for name, labels in factors.items()
        },
        silhouette={name: silhouette(data[study], labels) for name, labels in factors.items()},
        components=components,
        qc_rsd_percent=rsd,
    )


def compare(
    before: npt.ArrayLike,
    after: npt.ArrayLike,
    site: npt.ArrayLike,
    *,
    batch: npt.ArrayLike | None = None,
    group: npt.ArrayLike | None = None,
    is_qc: npt.ArrayLike | None = None,
    scale: str = "ln",
    n_components: int = 2,
) -> Comparison:
    """Diagnose two versions of one table; parameters and refusals as for `diagnose`."""
    shapes = as_array(before, "Values").shape, as_array(after, "Values").shape
    if shapes[0] != shapes[1]:
        raise UnusableData(
            f"Before has the shape {shapes[0]} and after {shapes[1]}: give the same samples and "
            "features in one order."
        )
    one, two = (
        diagnose(
            values,
            site,
            batch=batch,
            group=group,
            is_qc=is_qc,
            scale=scale,
            n_components=n_components,
        )
        for values in (before, after)
    )
    return Comparison(one, two)


def variance_explained(values: npt.ArrayLike, labels: npt.ArrayLike) -> Explained:
    """Between-level over total sum of squares of each feature, over the values that it has.

    Raises
    ------
    UnusableData
        Shapes that differ, no samples or features, or infinite values.
    """
    data = finite_table(values)
    names, codes = np.unique(
        site_names(labels, len(data), "level of the factor"), return_inverse=True
    )
    member = (codes == np.arange(len(names))[:, None]).astype(np.float64)
    seen = ~np.isnan(data)
    counts = member @ seen
    n = seen.sum(axis=0)
    # Around the feature's mean first: a large level would swallow the digits of squares.
    centred = np.where(seen, data, 0.0)
    centred -= np.where(seen, centred.sum(axis=0) / np.maximum(n, 1), 0.0)
    total = (centred**2).sum(axis=0)
    between = ((member @ centred) ** 2 / np.maximum(counts, 1)).sum(axis=0)
    levels = (counts > 0).sum(axis=0)
    largest = np.abs(np.where(seen, data, 0.0)).max(axis=0)
    possible = (total > n * (_DUST * largest) ** 2) & (levels > 1) & (n > levels)
    eta = np.full(data.shape[1], np.nan)
    eta[possible] = np.minimum(between[possible] / total[possible], 1.0)
    freedom = np.where(possible, (n - 1) / np.maximum(n - levels, 1), np.nan)
    return Explained(eta, 1 - (1 - eta) * freedom, n)


def silhouette(values: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Mean silhouette of the samples by their labels [1]_, over standardised features.

    Gaps count as the feature's mean. NaN where there is one label, or one a sample.

    References
    ----------
    .. [1] Rousseeuw 1987, doi:10.1016/0377-0427(87)90125-7
    """
    data = finite_table(values)
    names = site_names(labels, len(data), "level of the factor")
    if not 1 < len(np.unique(names)) < len(names):
        return float("nan")
    return float(silhouette_score(_standardised(data), names))


def principal_components(values: npt.ArrayLike, n_components: int = 2) -> Components:
    """Scores of the samples on the first components of the standardised features.

    Gaps count as the feature's mean; features without variation are left out. The sign of a
    component is the one that makes its largest loading positive.

    Raises
    ------
    UnusableData
        More components wanted than samples less one, or than features that vary.
    """
    refuse_no_count(n_components, "Principal components")
    table = _standardised(finite_table(values))
    most = min(len(table) - 1, table.shape[1])
    if not 1 <= n_components <= most:
        raise UnusableData(
            f"{n_components} components wanted of {len(table)} samples and {table.shape[1]} "
            f"features that vary: between 1 and {most} can be had."
        )
    scores, loadings = _strongest(table, n_components)
    largest = np.abs(loadings).argmax(axis=0)
    sign = np.sign(loadings[largest, np.arange(n_components)])
    explained = (scores**2).sum(axis=0) / (table**2).sum()
    return Components(scores * sign, explained, table.shape[1])


def _strongest(table: Floats, n: int) -> tuple[Floats, Floats]:
    """Scores (n_samples, n) and loadings (n_features, n) of the first components.

    Of the smaller of the two squares, since only a few components of thousands are wanted.
    """
    wide = table.shape[1] > table.shape[0]
    square = table @ table.T if wide else table.T @ table
    size = len(square)
    _, vectors = eigh(square, subset_by_index=[size - n, size - 1])
    vectors = vectors[:, ::-1]
    if not wide:
        return np.asarray(table @ vectors), vectors
    lengths = np.sqrt(np.maximum((vectors * (square @ vectors)).sum(axis=0), 0.0))
    return np.asarray(vectors * lengths), np.asarray(table.T @ vectors)


def _standardised(data: Floats) -> Floats:
    """Features that vary, with mean 0 and SD 1; gaps are 0."""
    measured = np.where(np.isnan(data), 0.0, 1.0)
    n = np.maximum(measured.sum(axis=0), 1)
    mean = np.nansum(data, axis=0) / n
    centred = np.where(measured > 0, data - mean, 0.0)
    sd = np.sqrt((centred**2).sum(axis=0) / np.maximum(n - 1, 1))
    varies = sd > _DUST * np.abs(np.nan_to_num(data)).max(axis=0)
    if not varies.any():
        raise UnusableData(
            f"None of {data.shape[1]} features varies over {len(data)} samples: nothing to see."
        )
    return np.asarray(centred[:, varies] / sd[varies], dtype=np.float64)


def _labels_of(labels: npt.ArrayLike, study: npt.NDArray[np.bool_], what: str) -> Labels:
    """Labels of the study samples; those of the others may be empty."""
    given = np.asarray(labels, dtype=object)
    if given.shape != study.shape:
        raise UnusableData(
            f"Labels of {what} have the shape {given.shape} for {len(study)} samples: one each."
        )
    return site_names(given[study], int(study.sum()), what)


def _median(numbers: Floats) -> float:
    known = numbers[~np.isnan(numbers)]
    return float(np.median(known)) if len(known) else float("nan")
