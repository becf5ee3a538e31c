"""What QC pools, blanks and gaps say of one batch, held against its acceptance limits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from django.utils.translation import gettext_noop
from numpy.typing import NDArray

from cohorts import access, qc
from cohorts.language.sentences import Sentence, say
from cohorts.models import AcceptanceLimits, AssayBatch, AssayRow, Query, User, ValueFlag
from cohorts.services import queries
from cohorts.services.queries import Finding

Type = AssayRow.Type
RULE = "qc"
LONGEST_LISTED = 5


@dataclass(frozen=True)
class Limits:
    """In percent. ``failing`` is the share of features over a limit that a batch may have.

    ``of`` says whose they are: study, platform or batch.
    """

    rsd: float
    blank: float
    missing: float
    failing: float
    of: str


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
    limits: Limits
    features: tuple[FeatureQuality, ...]
    drift: tuple[tuple[int, float], ...]

    @property
    def failing(self) -> tuple[FeatureQuality, ...]:
        return tuple(each for each in self.features if each.fails)

    @property
    def accepted(self) -> bool | None:
        """Whether no more features fail than may; None without pools and blanks."""
        if not (self.n_qc or self.n_blank) or not self.features:
            return None
        return 100 * len(self.failing) <= self.limits.failing * len(self.features)


def limits_of(batch: AssayBatch) -> Limits:
    """Those of the batch, else of its platform; what is left empty there is the study's."""
    study, own = batch.site.study, AcceptanceLimits.objects.of(batch)
    said = {
        name: getattr(study, f"qc_{name}_percent")
        for name in ("rsd", "blank", "missing", "failing")
    }
    if own is None:
        return Limits(**said, of="study")
    for name in said:
        value = getattr(own, f"{name}_percent")
        said[name] = said[name] if value is None else value
    return Limits(**said, of="batch" if own.batch_id else "platform")


def report_of(batch: AssayBatch) -> QualityReport:
    """Read a batch and judge each of its columns."""
    names = list(batch.columns.order_by("position").values_list("feature__name", flat=True))
    rows = list(batch.rows.order_by("injection_order", "pk"))
    shape = (len(rows), len(names))
    flags = np.frombuffer(b"".join(row.packed_flags for row in rows), np.uint8).reshape(shape)
    values = np.frombuffer(b"".join(row.packed_values for row in rows), "<f8").reshape(shape)
    values = np.where(flags == ValueFlag.MEASURED, values, np.nan)
    kinds = np.array([row.sample_type for row in rows], dtype=object)
    pools, raw = values[kinds == Type.QC], batch.scale == AssayBatch.Scale.RAW
    blanks = values[kinds == Type.BLANK] if raw else values[:0]
    numbers = (
        qc.rsd_percent(pools, scale=batch.scale),
        qc.blank_percent(blanks, pools),
        _percent_missing(flags[kinds == Type.STUDY]),
    )
    limits = limits_of(batch)
    return QualityReport(
        n_study=int((kinds == Type.STUDY).sum()),
        n_qc=len(pools),
        n_blank=int((kinds == Type.BLANK).sum()),
        limits=limits,
        features=tuple(
            _judged(name, list(of_feature), limits)
            for name, *of_feature in zip(names, *numbers, strict=True)
        ),
        drift=_drift(values, rows) if raw else (),
    )


def report_for(user: User, batch: AssayBatch) -> QualityReport:
    """The report as this reader may have it."""
    report = report_of(batch)
    return report if access.may(user, "assay", "R", batch.site_id) else _coarse(report)


def _coarse(report: QualityReport) -> QualityReport:
    """For an analyst: what pools and blanks say; of people only a count to the nearest 5.

    A share of missing values is a count of people, so it is left out.
    """
    features = tuple(
        _judged(
            each.feature,
            [np.nan if x is None else x for x in (each.rsd_percent, each.blank_percent, None)],
            report.limits,
        )
        for each in report.features
    )
    return replace(report, n_study=5 * round(report.n_study / 5), features=features)


def recheck(batch: AssayBatch) -> list[Query]:
    """Ask about a batch outside its acceptance limits; close that once it is not any more.

    In the transaction that stores or voids the batch, or that changes the limits.
    """
    return queries.recheck(RULE, batch.site, _findings(batch), batch=batch)


def _findings(batch: AssayBatch) -> list[Finding]:
    controls = AssayRow.objects.filter(batch=batch).exclude(sample_type=Type.STUDY)
    # Most tables bring neither pools nor blanks, and large ones are not read twice for nothing.
    if batch.status != AssayBatch.Status.ACCEPTED or not controls.exists():
        return []
    report = report_of(batch)
    if report.accepted is not False:
        return []
    failing = [each.feature for each in report.failing]
    more = len(failing) - LONGEST_LISTED
    listed = ", ".join(failing[:LONGEST_LISTED]) + (f", +{more}" if more > 0 else "")
    text = say(
        "%(n)s of %(n_features)s features are over a limit of QC, %(limit)s %% may be: %(listed)s. "
        "Is the batch to be used? No value was changed.",
        n=len(failing),
        n_features=len(report.features),
        limit=format(report.limits.failing, "g"),
        listed=listed,
    )
    return [Finding(batch, f"{len(failing)} of {len(report.features)}", text[:1000])]


_OVER = (
    gettext_noop("RSD of QC pools %(found)s %%, over %(limit)s %%"),
    gettext_noop("blank against QC %(found)s %%, over %(limit)s %%"),
    gettext_noop("missing %(found)s %%, over %(limit)s %%"),
)


def _judged(name: str, numbers: list[float], limits: Limits) -> FeatureQuality:
    fails = tuple(
        Sentence(word, {"found": f"{number:.0f}", "limit": f"{limit:g}"})
        for word, number, limit in zip(
            _OVER, numbers, (limits.rsd, limits.blank, limits.missing), strict=True
        )
        if number > limit
    )
    told = [round(float(number), 2) if np.isfinite(number) else None for number in numbers]
    return FeatureQuality(name, told[0], told[1], told[2], fails)


def _percent_missing(flags: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Below the detection limit is not missing."""
    if not len(flags):
        return np.full(flags.shape[1], np.nan)
    return np.asarray(100 * (flags == ValueFlag.MISSING).mean(axis=0))


def _drift(values: NDArray[np.float64], rows: list[AssayRow]) -> tuple[tuple[int, float], ...]:
    """Of QC pools with an injection order, on the raw scale."""
    at = [
        number
        for number, row in enumerate(rows)
        if row.sample_type == Type.QC and row.injection_order is not None
    ]
    levels = qc.drift_percent(values[at])
    return tuple(
        (int(rows[number].injection_order or 0), round(float(level), 2))
        for number, level in zip(at, levels, strict=True)
        if not np.isnan(level)
    )
