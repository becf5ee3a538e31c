"""Database rows -> data frames: the only module that knows both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import NamedTuple

import numpy as np
import pandas as pd
from django.db import connection
from django.db.models import QuerySet
from numpy.typing import NDArray
from psycopg import ClientCursor, Cursor

from analysis import pools
from analysis.membership import one_of
from analysis.models import Snapshot
from analysis.plans import AnalysisPlan
from analysis.pools import Pools
from cohorts.models import AssayBatch, AssayRow, Assessment, BatchFeature, Participant
from cohorts.models.sample import hours_between

HANDLING = ("haemolysis_index", "light_protected", "freeze_thaws")
OF_SAMPLE = ("participant_id", "collected_at", "spun_at", "fasting_hours", *HANDLING)
_PACKED = ("packed_values", "packed_flags")
_AT_ONCE = 200
_OF_COLUMN = {
    "feature": "feature__name",
    "source_name": "source_name",
    "hmdb": "feature__hmdb",
    "unit": "unit",
    "canonical_unit": "feature__canonical_unit",
    "factor": "factor",
    "lod": "lod",
    "ignored": "feature__ignored",
}


@dataclass(frozen=True)
class BatchFrame:
    """One assay batch, its study samples only.

    ``values`` and ``flags``: shape (n_rows, n_features); values in the reported unit.
    ``columns``: one row a feature: feature, source_name, hmdb, unit, canonical_unit, factor, lod.
    ``rows``: one row a sample: participant_id, spin_delay_hours, fasting_hours, and what else is
    recorded of its handling (`HANDLING`). For plans that correct by pooled QC samples, ``pools``
    has those of the batch, and ``rows`` the column injection_order.
    """

    batch_id: int
    site: str
    platform: str
    matrix: str
    scale: str
    columns: pd.DataFrame
    rows: pd.DataFrame
    values: NDArray[np.float64]
    flags: NDArray[np.uint8]
    pools: Pools | None = None


@dataclass(frozen=True)
class StudyFrames:
    """Everything that a run reads. ``people`` is indexed by participant id.

    ``answers``: for plans that compare language versions, the first answers to the outcome's items
    of each participant, scored as the instrument scores them, and the column ``language``.
    """

    people: pd.DataFrame
    batches: tuple[BatchFrame, ...]
    answers: pd.DataFrame = field(default_factory=pd.DataFrame)


def read(snapshot: Snapshot, plan: AnalysisPlan) -> StudyFrames:
    """The snapshot's rows as frames; ``outcome`` and ``depression`` are columns of people."""
    people = _people(snapshot)
    people["outcome"] = _scores(snapshot, plan.outcome, people)
    if plan.sensitivity:
        people["depression"] = _scores(snapshot, plan.depression, people)
    answers = _answers(snapshot, plan) if plan.language_check else pd.DataFrame()
    batches = batches_of(snapshot, with_pools=bool(plan.qc_correction))
    return StudyFrames(people=people, batches=tuple(batches), answers=answers)


def _people(snapshot: Snapshot) -> pd.DataFrame:
    rows = (
        Participant.objects.filter(pk__in=snapshot.participant_ids)
        .select_related("site")
        .order_by("pk")
    )
    frame = pd.DataFrame(
        {
            "participant_id": p.pk,
            "site": p.site.code,
            "code": p.code,
            "person": str(p.person or ""),
            "group": p.group,
            "sex": p.sex,
            "age_years": p.age_at_enrolment,
            "drug_free": p.drug_free,
            **{
                f"variable:{name}": value
                for name, value in p.variables.items()
                if not isinstance(value, str)  # a day or a word is on record, and no number
            },
        }
        for p in rows
    )
    if frame.empty:
        names = [
            "participant_id",
            "site",
            "code",
            "person",
            "group",
            "sex",
            "age_years",
            "drug_free",
        ]
        frame = pd.DataFrame(columns=names)
    frame["age_years"] = frame["age_years"].astype(float)
    return frame.set_index("participant_id")


def _scores(snapshot: Snapshot, name: str, people: pd.DataFrame) -> pd.Series:
    """A variable of participants, or an instrument's first score of each."""
    variable = f"variable:{name}"
    if variable in people:
        return people[variable].astype(float)
    scores = Assessment.objects.filter(
        pk__in=snapshot.assessment_ids, instrument__code=name, score__isnull=False
    ).order_by("-assessed_on", "-pk")
    # Later rows are overwritten by earlier ones: the first assessment is the one at baseline.
    first = dict(scores.values_list("participant_id", "score"))
    return pd.Series(people.index.map(first), index=people.index, dtype=float)


LANGUAGE = "language"


def _answers(snapshot: Snapshot, plan: AnalysisPlan) -> pd.DataFrame:
    """First answers to the items of the plan's outcome, those of reversed items turned round."""
    found = Assessment.objects.filter(
        pk__in=snapshot.assessment_ids, instrument__code=plan.outcome, instrument__n_items__gt=0
    ).exclude(items=[])
    rows = {
        row.participant_id: row
        for row in found.select_related("instrument").order_by("-assessed_on", "-pk")
    }
    frame = pd.DataFrame.from_dict(
        {who: _scored(row) for who, row in sorted(rows.items())}, orient="index"
    )
    return frame.rename_axis("participant_id")


def _scored(row: Assessment) -> dict[str, object]:
    scale, turned = row.instrument, set(row.instrument.reversed_items)
    ends = scale.item_min + scale.item_max
    answers: dict[str, object] = {
        f"item {number}": np.nan
        if answer is None
        else float(ends - answer if number in turned else answer)
        for number, answer in enumerate(row.items, start=1)
    }
    return answers | {LANGUAGE: row.language or "not stated"}


def batches_of(snapshot: Snapshot, *, with_pools: bool = False) -> list[BatchFrame]:
    """The snapshot's rows by batch, those of a batch in the order of their collection."""
    packed = {rows.heads[0].batch_id: rows for rows in _packed(snapshot.assay_row_ids)}
    batches = AssayBatch.objects.filter(pk__in=packed).select_related("site").order_by("pk")
    columns = _columns(list(packed))
    found = pools.read(list(packed)) if with_pools else {}
    frames = []
    for batch in batches:
        rows = _handling(packed[batch.pk].heads)
        if with_pools:
            rows["injection_order"] = _injections(packed[batch.pk].heads)
        frames.append(_batch(batch, columns[batch.pk], packed[batch.pk], rows, found.get(batch.pk)))
    return frames


class _Head(NamedTuple):
    """Whose and how a row was taken: fields as the query names them."""

    row_id: int
    batch_id: int
    participant_id: int
    collected_at: datetime | None
    spun_at: datetime | None
    fasting_hours: float | None
    haemolysis_index: float | None
    light_protected: bool | None
    freeze_thaws: int | None
    injection_order: int | None


class _Packed(NamedTuple):
    """A batch's rows: ``values`` and ``flags`` of shape (n_rows, n_columns)."""

    heads: list[_Head]
    values: NDArray[np.float64]
    flags: NDArray[np.uint8]


def _packed(row_ids: Sequence[int]) -> list[_Packed]:
    """Rows by batch, unpacked as they come: the server reads the next while these are taken."""
    by_batch = [list(group) for _, group in groupby(_heads(row_ids), attrgetter("batch_id"))]
    place = {
        head.row_id: (n, at) for n, heads in enumerate(by_batch) for at, head in enumerate(heads)
    }
    found: dict[int, _Packed] = {}
    n_read = 0
    for row_id, values, flags in _values(row_ids):
        n, at = place[row_id]
        if n not in found:
            shape = (len(by_batch[n]), len(flags))
            found[n] = _Packed(by_batch[n], np.empty(shape), np.empty(shape, np.uint8))
        found[n].values[at] = np.frombuffer(values, "<f8")
        found[n].flags[at] = np.frombuffer(flags, np.uint8)
        n_read += 1
    if n_read < len(place):
        raise LookupError(
            f"Of {len(place)} rows {len(place) - n_read} were deleted while they were read."
        )
    return [found[n] for n in range(len(by_batch))]


def _heads(row_ids: Sequence[int]) -> Iterator[_Head]:
    """In the order in which rows are told: by batch, then as the samples were collected."""
    found = _study_rows(row_ids).order_by("batch_id", "sample__collected_at", "pk")
    of_sample = (f"sample__{name}" for name in OF_SAMPLE)
    names = ("pk", "batch_id", *of_sample, "injection_order")
    yield from map(_Head._make, found.values_list(*names))


def _values(row_ids: Sequence[int]) -> Iterator[tuple[int, bytes, bytes]]:
    """Numbers of rows with what they hold, in no order: sorting rows so wide would take files."""
    if not row_ids:
        return
    query = _study_rows(row_ids).order_by().values_list("pk", *_PACKED).query.sql_with_params()
    connection.ensure_connection()
    with connection.wrap_database_errors, ClientCursor(connection.connection) as cursor:
        text = cursor.mogrify(*query)
    # Binary: as text the values would be twice as long, and be taken apart again.
    with connection.wrap_database_errors, Cursor(connection.connection) as cursor:
        yield from cursor.stream(text.encode(), binary=True, size=_AT_ONCE)


def _study_rows(row_ids: Sequence[int]) -> QuerySet[AssayRow]:
    """Those of study samples: pools and blanks are nobody's."""
    rows: QuerySet[AssayRow] = AssayRow.objects.filter(one_of("pk", row_ids), sample__isnull=False)
    return rows


def _columns(batch_ids: Sequence[int]) -> dict[int, pd.DataFrame]:
    found = BatchFeature.objects.filter(batch__in=batch_ids).order_by("batch_id", "position")
    frames = {}
    for batch_id, rows in groupby(
        found.values_list("batch_id", *_OF_COLUMN.values()), itemgetter(0)
    ):
        _, *columns = zip(*rows, strict=True)
        frame = pd.DataFrame(dict(zip(_OF_COLUMN, columns, strict=True)))
        frames[batch_id] = frame.astype({"factor": float, "lod": float})
    return frames


def _batch(
    batch: AssayBatch,
    columns: pd.DataFrame,
    packed: _Packed,
    rows: pd.DataFrame,
    pooled: Pools | None,
) -> BatchFrame:
    values, flags = packed.values, packed.flags
    if values.shape[1] != len(columns):
        raise ValueError(
            f"Batch {batch.pk} has {len(columns)} columns, its rows {values.shape[1]}."
        )
    kept = ~columns["ignored"].to_numpy(dtype=bool)  # what a data manager set aside is not read
    if not kept.all():
        columns, values, flags = (
            columns[kept].reset_index(drop=True),
            values[:, kept],
            flags[:, kept],
        )
        pooled = pooled.of_features(kept) if pooled else None
    return BatchFrame(
        batch_id=batch.pk,
        site=batch.site.code,
        platform=batch.platform,
        matrix=batch.matrix,
        scale=batch.scale,
        columns=columns.drop(columns="ignored"),
        rows=rows,
        values=values,
        flags=flags,
        pools=pooled,
    )


def _handling(heads: Sequence[_Head]) -> pd.DataFrame:
    delays = [hours_between(head.collected_at, head.spun_at) for head in heads]
    return pd.DataFrame(
        {
            "participant_id": [head.participant_id for head in heads],
            "spin_delay_hours": pd.Series(delays, dtype=float),
            **{
                name: pd.Series([getattr(head, name) for head in heads], dtype=float)
                for name in ("fasting_hours", *HANDLING)
            },
        }
    )


def _injections(heads: Sequence[_Head]) -> NDArray[np.float64]:
    return np.array([head.injection_order for head in heads], dtype=float)
