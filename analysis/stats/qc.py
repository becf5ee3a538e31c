"""What pooled QC samples say of an assay: how exact it is, and how it drifted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.stats.errors import UnusableData
from analysis.stats.labels import site_names
from analysis.stats.loess import LEAST_NEIGHBOURS, loess_weights
from analysis.stats.qc_samples import (
    injection_positions,
    logs_of_qc,
    qc_marks,
    refuse_batches_without_qc,
    refuse_no_logarithms,
)
from analysis.stats.tables import finite_table, refuse_no_count

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

METHODS = ("median_ratio", "loess")
# Natural logarithms in one unit of each scale that values may come on.
_LN = {"ln": 1.0, "log2": float(np.log(2)), "log10": float(np.log(10))}
SCALES = ("raw", *_LN)
_LEAST_FOR_RSD = 3


@dataclass(frozen=True)
class QcCurve:
    """QC samples of one batch: injection order (n_qc,), ln of intensity (n_qc, n_features).

    NaN was not measured. ``median`` (n_features,) in ln;
    ``local`` marks the features whose level follows the order.
    """

    order: Floats
    logs: Floats
    median: Floats
    local: Bools

    def level(self, order: Floats, span: float) -> Floats:
        """Ln of the QC level at each position, shape (n_positions, n_features).

        Before the first and after the last QC that measured a feature the level stays where it
        was there: a line drawn on would leave the data that it was drawn from.
        """
        level = np.repeat(self.median[None, :], len(order), axis=0)
        patterns, members = np.unique(~np.isnan(self.logs), axis=1, return_inverse=True)
        for number, measured in enumerate(patterns.T):
            features = np.flatnonzero((members == number) & self.local)
            if len(features):
                x = self.order[measured]
                smoother = loess_weights(x, np.clip(order, x.min(), x.max()), span)
                level[:, features] = smoother @ self.logs[np.ix_(measured, features)]
        return level


@dataclass(frozen=True)
class QcModel:
    """Levels of the QC samples in each batch; its ``apply`` brings all samples to one level.

    ``target`` (n_features,) is the ln of that level, NaN where no QC sample measured the feature.
    ``fell_back`` (n_batches, n_features) marks where a batch's median had to serve because too
    few QC samples measured the feature for a curve; ``uncorrectable`` where none did, so that
    the batch's values come out as missing.
    """

    method: str
    span: float
    batches: tuple[str, ...]
    n_qc: tuple[int, ...]
    target: Floats
    curves: tuple[QcCurve, ...]
    fell_back: Bools
    uncorrectable: Bools

    def apply(
        self,
        values: npt.ArrayLike,
        batch: npt.ArrayLike,
        injection_order: npt.ArrayLike | None = None,
    ) -> Floats:
        """Values divided by the QC level at their place and batch, times the common level.

        NaN where either is missing.

        Parameters
        ----------
        values : array of shape (n_samples, n_features)
            Raw intensities or concentrations, QC samples among them or not.
        batch, injection_order : of shape (n_samples,)
            The order is needed by "loess" alone.

        Raises
        ------
        UnusableData
            An unknown batch, another number of features, or no injection order for a curve.
        """
        data = finite_table(values)
        if data.shape[1] != len(self.target):
            raise UnusableData(
                f"The QC model has {len(self.target)} features and the values {data.shape[1]}: "
                "give the features it was fitted on, in their order."
            )
        labels = site_names(batch, len(data), "batch")
        unknown = sorted({str(label) for label in labels} - set(self.batches))
        if unknown:
            raise UnusableData(
                f"Batches {unknown} have no QC in this model (it knows {list(self.batches)}): "
                "refit with their QC samples."
            )
        order = injection_positions(injection_order, len(data), needed=self.method == "loess")
        corrected = np.empty_like(data)
        for name, curve in zip(self.batches, self.curves, strict=True):
            rows = np.flatnonzero(labels == name)
            corrected[rows] = data[rows] * np.exp(self.target - curve.level(order[rows], self.span))
        return corrected


def fit_qc(
    values: npt.ArrayLike,
    is_qc: npt.ArrayLike,
    batch: npt.ArrayLike,
    injection_order: npt.ArrayLike | None = None,
    *,
    method: str = "loess",
    span: float = 1.0,
    min_qc: int = 5,
) -> QcModel:
    """Learn the level of every feature in every batch from the pooled QC samples alone.

    Parameters
    ----------
    values : array of shape (n_samples, n_features)
        Raw intensities or concentrations; NaN is missing. Only QC rows are read.
    is_qc : truth values of shape (n_samples,)
    batch : labels of shape (n_samples,)
    injection_order : numbers of shape (n_samples,), for "loess"
        Any increasing count or time within a batch.
    method : {"loess", "median_ratio"}
        A curve over the injection order inside each batch [1]_ (local lines with tricube weights
        [2]_ through the logarithms, without robustness iterations), or one ratio a batch.
    span : float
        Share of the batch's QC samples that each local line sees, at least 3 of them. With the
        few that a batch has, less than all follows the noise of single injections.
    min_qc : int
        QC samples of a batch that must have measured a feature for a curve; below that the
        median ratio serves.

    Raises
    ------
    UnusableData
        A batch without QC samples, QC values that are not positive, shapes that differ, or
        injection orders that are missing or used twice by QC samples of a batch.

    References
    ----------
    .. [1] Dunn et al. 2011, doi:10.1038/nprot.2011.335
    .. [2] Cleveland 1979, doi:10.1080/01621459.1979.10481038
    """
    if method not in METHODS:
        raise UnusableData(f'No QC correction is called "{method}": use one of {list(METHODS)}.')
    refuse_no_count(min_qc, "QC samples for a curve", least=LEAST_NEIGHBOURS)
    if not 0 < span <= 1:
        raise UnusableData(f"A span of {span} is no share of samples: give one up to 1, above 0.")
    data = finite_table(values)
    qc, labels = qc_marks(is_qc, len(data)), site_names(batch, len(data), "batch")
    order = injection_positions(injection_order, len(data), needed=method == "loess")
    names = tuple(str(name) for name in np.unique(labels))
    refuse_batches_without_qc(names, labels, qc)
    logs = logs_of_qc(data, qc)
    least = min_qc if method == "loess" else np.inf
    places = [np.flatnonzero(labels[qc] == name) for name in names]
    curves = tuple(
        _curve(name, order[qc][rows], logs[rows], least)
        for name, rows in zip(names, places, strict=True)
    )
    median = np.array([curve.median for curve in curves])
    counts = np.array([(~np.isnan(curve.logs)).sum(axis=0) for curve in curves])
    return QcModel(
        method=method,
        span=span,
        batches=names,
        n_qc=tuple(len(rows) for rows in places),
        target=_median(median),
        curves=curves,
        fell_back=(counts > 0) & (counts < min_qc) & (method == "loess"),
        uncorrectable=counts == 0,
    )


def qc_rsd_percent(values: npt.ArrayLike, is_qc: npt.ArrayLike, *, scale: str = "raw") -> Floats:
    """Relative standard deviation of each feature over the QC samples, in percent (n_features,).

    ``scale`` is that of ``values``: "raw", or "ln", "log2" or "log10", for which it is the RSD of
    the log-normal with that spread. NaN where fewer than 3 QC samples measured the feature, or
    where the mean of a raw one is not positive.
    """
    if scale not in SCALES:
        raise UnusableData(f'No RSD is known on the scale "{scale}": use one of {list(SCALES)}.')
    data = finite_table(values)
    qc = data[qc_marks(is_qc, len(data))]
    n = (~np.isnan(qc)).sum(axis=0)
    enough = np.flatnonzero(n >= _LEAST_FOR_RSD)
    rsd = np.full(data.shape[1], np.nan)
    mean, sd = np.nanmean(qc[:, enough], axis=0), np.nanstd(qc[:, enough], axis=0, ddof=1)
    if scale == "raw":
        positive = mean > 0
        rsd[enough[positive]] = 100 * sd[positive] / mean[positive]
    else:
        sd_ln = _LN[scale] * sd
        refuse_no_logarithms(sd_ln, enough, scale)
        rsd[enough] = 100 * np.sqrt(np.expm1(sd_ln**2))
    return rsd


def left_out_rsd_percent(
    values: npt.ArrayLike,
    is_qc: npt.ArrayLike,
    batch: npt.ArrayLike,
    injection_order: npt.ArrayLike | None = None,
    *,
    method: str = "loess",
    span: float = 1.0,
    min_qc: int = 5,
) -> Floats:
    """RSD in percent of QC samples that were each corrected by the others alone (n_features,).

    A curve through few QC samples flatters those it went through; this does not. A batch's only
    QC sample has no others and does not count. Parameters and refusals as for `fit_qc`, NaN as
    for `qc_rsd_percent`.
    """
    data = finite_table(values)
    qc, labels = np.flatnonzero(qc_marks(is_qc, len(data))), site_names(batch, len(data), "batch")
    order = injection_positions(injection_order, len(data), needed=method == "loess")
    pool, batches, places = data[qc], labels[qc], order[qc]
    whole = fit_qc(
        pool, np.full(len(qc), True), batches, places, method=method, span=span, min_qc=min_qc
    )
    least = min_qc if method == "loess" else np.inf
    corrected = np.full_like(pool, np.nan)
    for row, name in enumerate(batches):
        others = np.flatnonzero((batches == name) & (np.arange(len(qc)) != row))
        if len(others):
            curve = _curve(name, places[others], np.log(pool[others]), least)
            level = curve.level(places[[row]], span)[0]
            corrected[row] = pool[row] * np.exp(whole.target - level)
    return qc_rsd_percent(corrected, np.full(len(qc), True))


def _curve(name: str, order: Floats, logs: Floats, least: float) -> QcCurve:
    local = (~np.isnan(logs)).sum(axis=0) >= least
    if local.any() and len(np.unique(order)) < len(order):
        raise UnusableData(
            f"Two QC samples of batch {name} share an injection order: number the injections."
        )
    return QcCurve(order, logs, _median(logs), local)


def _median(rows: Floats) -> Floats:
    """Median down the columns, NaN where a column has no value."""
    some = ~np.isnan(rows).all(axis=0)
    median = np.full(rows.shape[1], np.nan)
    median[some] = np.nanmedian(rows[:, some], axis=0)
    return median
