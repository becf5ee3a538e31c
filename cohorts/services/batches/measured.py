"""What was measured of people, each value beside the reference ranges that hold for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cohorts import ranges
from cohorts.language.sentences import say
from cohorts.models import (
    AssayBatch,
    AssayRow,
    BatchFeature,
    Participant,
    RecordReading,
    ReferenceRange,
    User,
    ValueFlag,
)
from cohorts.ranges import Bounds

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

# A number stands behind these flags.
_SAID = (ValueFlag.MEASURED, ValueFlag.BELOW_LOD)


@dataclass(frozen=True)
class Measured:
    """``value`` is in ``unit`` as sent, ``canonical`` in ``canonical_unit`` (None: not converted).

    ``side`` is below, within or above; empty where no range holds or nothing can be said.
    """

    row: AssayRow
    column: BatchFeature
    flag: ValueFlag
    value: float | None
    canonical: float | None
    bounds: tuple[Bounds, ...]
    side: str

    @property
    def outside(self) -> bool:
        return self.side in ("below", "above")

    @property
    def in_canonical(self) -> str:
        """For people: four significant digits; empty where nothing is converted."""
        if self.canonical is None:
            return ""
        less = "<" if self.flag == ValueFlag.BELOW_LOD else ""
        return f"{less}{self.canonical:.4g}"

    @property
    def reported(self) -> str:
        """As the site sent it; empty where nothing was measured."""
        if self.flag == ValueFlag.MEASURED:
            return f"{self.value:g}"
        if self.flag == ValueFlag.BELOW_LOD:
            return "<LOD" if self.value is None else f"<{self.value:g}"
        return ""


def of_person(person: Participant, *, user: User | AnonymousUser) -> list[Measured]:
    """What the user may read of the person, by feature, the newest batch first."""
    seen = AssayRow.objects.visible_to(user).filter(
        sample__participant=person, batch__status=AssayBatch.Status.ACCEPTED
    )
    rows = list(seen.select_related("batch", "sample__participant").order_by("-batch", "pk"))
    columns = BatchFeature.objects.filter(batch__in={row.batch_id for row in rows})
    found = beside_ranges(rows, columns.select_related("feature"))
    return sorted(found, key=lambda each: each.column.feature.name.casefold())


def of_column(column: BatchFeature, rows: Sequence[AssayRow], *, by: User) -> list[Measured]:
    """One feature of some rows of a batch; who reads them is written down."""
    batch = column.batch
    RecordReading.objects.create(
        read_by=by,
        site_id=batch.site_id,
        what=say("values of batch %(number)s", number=batch.pk),
        n_rows=len(rows),
    )
    return beside_ranges(rows, [column])


def beside_ranges(rows: Iterable[AssayRow], columns: Iterable[BatchFeature]) -> list[Measured]:
    """The values of rows that bring their batch and their sample's participant."""
    of_batch: dict[int, list[BatchFeature]] = {}
    for column in columns:
        of_batch.setdefault(column.batch_id, []).append(column)
    features = {c.feature_id for held in of_batch.values() for c in held}
    known = ReferenceRange.objects.bounds(features)
    return [
        _measured(row, column, known.get(column.feature_id, ()))
        for row in rows
        for column in of_batch.get(row.batch_id, ())
    ]


def _measured(row: AssayRow, column: BatchFeature, known: Sequence[Bounds]) -> Measured:
    flag = ValueFlag(row.flags[column.position])
    number = float(row.values[column.position])
    value = number if np.isfinite(number) and flag in _SAID else None
    # Logarithms and peak areas are compared with nothing.
    factor = column.factor if row.batch.scale == AssayBatch.Scale.RAW else None
    canonical = None if factor is None or value is None else value * factor
    bounds = () if factor is None else _holding(row, known)
    side = ""
    if canonical is not None:
        judge = ranges.side_of if flag == ValueFlag.MEASURED else ranges.side_of_limit
        side = judge(canonical, bounds)
    return Measured(row, column, flag, value, canonical, bounds, side)


def _holding(row: AssayRow, known: Sequence[Bounds]) -> tuple[Bounds, ...]:
    if row.sample is None or not known:
        return ()
    person = row.sample.participant
    day = row.sample.collected_at.date() if row.sample.collected_at else None
    age = ranges.age_on(
        day, enrolled_on=person.enrolled_on, age_at_enrolment=person.age_at_enrolment
    )
    return ranges.holding(
        known,
        platform=row.batch.platform,
        matrix=row.batch.matrix,
        sex=person.sex,
        age_years=age,
    )
