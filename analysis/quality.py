"""What QC pools, blanks and gaps say of one batch, held against the study's limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from django.utils.translation import gettext_noop
from numpy.typing import NDArray

from analysis.stats.qc import SCALES, qc_rsd_percent
from cohorts.models import AssayBatch, AssayRow, ValueFlag
from cohorts.sentences import Sentence

Type = AssayRow.Type


@dataclass(frozen=True)
class FeatureQuality:
    """One column; percentages are None where too few injections say anything."""

    feature: str
    rsd_percent: float | None
    blank_percent: float | None
    missing_percent: float | None
    fails: tuple[str, ...]


@dataclass(frozen=True)
class QualityReport:
    """``drift``: injection order and the median over features of value / median QC, in percent."""

    n_study: int
    n_qc: int
    n_blank: int
    rsd_limit_percent: float
    blank_limit_percent: float
    missing_limit_percent: float
    features: tuple[FeatureQuality, ...]
    drift: tuple[tuple[int, float], ...]

    @property
    def failing(self) -> tuple[FeatureQuality, ...]:
        return tuple(each for each in self.features if each.fails)


def report_of(batch: AssayBatch) -> QualityReport:
    """Read a batch and judge each of its columns."""
    names = list(batch.columns.order_by("position").values_list("feature__name", flat=True))
    rows = list(batch.rows.order_by("injection_order", "pk"))
    shape = (len(rows), len(names))
    flags = np.array([row.flags for row in rows], dtype=np.uint8).reshape(shape)
    values = np.array([row.values for row in rows], dtype=float).reshape(shape)
    values = np.where(flags == ValueFlag.MEASURED, values, np.nan)
    kinds = np.array([row.sample_type for row in rows], dtype=object)
    rsd = _rsd(values, kinds == Type.QC, batch.scale)
    blank = _blank_percent(values, kinds, batch.scale)
    missing = _percent_missing(flags[kinds == Type.STUDY])
    study = batch.site.study
    limits = (study.qc_rsd_percent, study.qc_blank_percent, study.qc_missing_percent)
    return QualityReport(
        n_study=int((kinds == Type.STUDY).sum()),
        n_qc=int((kinds == Type.QC).sum()),
        n_blank=int((kinds == Type.BLANK).sum()),
        rsd_limit_percent=limits[0],
        blank_limit_percent=limits[1],
        missing_limit_percent=limits[2],
        features=tuple(
            _judged(name, numbers, limits)
            for name, *numbers in zip(names, rsd, blank, missing, strict=True)
        ),
        drift=_drift(values, rows, batch.scale),
    )


_OVER = (
    gettext_noop("RSD of QC pools %(found)s %%, over %(limit)s %%"),
    gettext_noop("blank against QC %(found)s %%, over %(limit)s %%"),
    gettext_noop("missing %(found)s %%, over %(limit)s %%"),
)


def _judged(name: str, numbers: list[float], limits: tuple[float, float, float]) -> FeatureQuality:
    fails = tuple(
        Sentence(word, {"found": f"{number:.0f}", "limit": f"{limit:g}"})
        for word, number, limit in zip(_OVER, numbers, limits, strict=True)
        if number > limit
    )
    told = [round(float(number), 2) if np.isfinite(number) else None for number in numbers]
    return FeatureQuality(name, told[0], told[1], told[2], fails)


def _rsd(values: NDArray[np.float64], is_qc: NDArray[np.bool_], scale: str) -> NDArray[np.float64]:
    if not is_qc.any() or scale not in SCALES:
        return np.full(values.shape[1], np.nan)
    return np.asarray(qc_rsd_percent(values[is_qc], np.full(is_qc.sum(), True), scale=scale))


def _blank_percent(
    values: NDArray[np.float64], kinds: NDArray[np.object_], scale: str
) -> NDArray[np.float64]:
    """Mean blank over mean QC pool; a blank in which nothing was found counts as nothing."""
    blanks, pools = values[kinds == Type.BLANK], values[kinds == Type.QC]
    found = np.full(values.shape[1], np.nan)
    if not len(blanks) or scale != AssayBatch.Scale.RAW:
        return found
    measured = np.flatnonzero((~np.isnan(pools)).any(axis=0))
    level = np.nanmean(pools[:, measured], axis=0)
    some = level > 0
    mean_blank = np.nan_to_num(blanks[:, measured]).mean(axis=0)
    found[measured[some]] = 100 * mean_blank[some] / level[some]
    return found


def _percent_missing(flags: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Below the detection limit is not missing."""
    if not len(flags):
        return np.full(flags.shape[1], np.nan)
    return np.asarray(100 * (flags == ValueFlag.MISSING).mean(axis=0))


def _drift(
    values: NDArray[np.float64], rows: list[AssayRow], scale: str
) -> tuple[tuple[int, float], ...]:
    """Of QC pools with an injection order, on the raw scale."""
    at = [
        number
        for number, row in enumerate(rows)
        if row.sample_type == Type.QC and row.injection_order is not None
    ]
    pools = values[at]
    measured = (~np.isnan(pools)).any(axis=0)
    if scale != AssayBatch.Scale.RAW or not measured.any():
        return ()
    level = np.nanmedian(pools[:, measured], axis=0)
    ratio = pools[:, measured][:, level > 0] / level[level > 0]
    return tuple(
        (int(rows[number].injection_order or 0), round(100 * float(np.nanmedian(each)), 2))
        for number, each in zip(at, ratio, strict=True)
        if not np.isnan(each).all()
    )
