"""Questions that a batch raises by itself; no value is changed."""

from __future__ import annotations

import numpy as np

from cohorts.language.sentences import say
from cohorts.models import AssayBatch, AssayRow, BatchFeature, Query, ReferenceRange, ValueFlag
from cohorts.services import queries
from cohorts.services.queries import Finding
from cohorts.suspicion import other_unit

RULE = "unit"


def recheck(batch: AssayBatch) -> list[Query]:
    """Ask about columns whose values fit their range only under another unit.

    In the transaction that stores or voids the batch: what a voided batch raised is closed.
    """
    found = _findings(batch) if batch.status == AssayBatch.Status.ACCEPTED else []
    return queries.recheck(RULE, batch.site, found, batch=batch)


def _findings(batch: AssayBatch) -> list[Finding]:
    if batch.scale != AssayBatch.Scale.RAW:
        return []
    hulls = ReferenceRange.objects.hulls()
    judged = BatchFeature.objects.filter(batch=batch, feature__in=hulls, factor__isnull=False)
    columns = list(judged.select_related("feature"))
    if not columns:
        return []
    rows = list(AssayRow.objects.filter(batch=batch, sample_type=AssayRow.Type.STUDY))
    if not rows:
        return []
    values = np.stack([row.values for row in rows])
    measured = np.stack([row.flags for row in rows]) == ValueFlag.MEASURED
    found = []
    for column in columns:
        seen = values[measured[:, column.position], column.position]
        finding = _finding(batch, column, seen, *hulls[column.feature_id])
        found += [finding] if finding else []
    return found


def _finding(
    batch: AssayBatch, column: BatchFeature, seen: np.ndarray, low: float, high: float
) -> Finding | None:
    feature = column.feature
    suspicion = other_unit(
        seen,
        unit=column.unit,
        canonical_unit=feature.canonical_unit,
        molar_mass=feature.molar_mass,
        low=low,
        high=high,
    )
    if suspicion is None:
        return None
    text = say(
        "%(source_name)s: %(n)s of %(n_values)s values, sent as %(unit)s, fit "
        "%(low)s-%(high)s %(canonical_unit)s only if they are %(other_unit)s. Which "
        "unit is right? No value was changed.",
        source_name=column.source_name,
        n=suspicion.n,
        n_values=suspicion.n_values,
        unit=column.unit,
        low=format(low, "g"),
        high=format(high, "g"),
        canonical_unit=feature.canonical_unit,
        other_unit=suspicion.unit,
    )
    return Finding(batch, f"{feature.pk}:{column.unit}:{suspicion.unit}", text[:1000])
