"""Database rows -> data frames: the only module that knows both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import numpy as np
import pandas as pd
from django.contrib.postgres.fields import ArrayField
from django.db import connection
from django.db.models import BigIntegerField, BooleanField, F, Func, Value
from numpy.typing import NDArray
from psycopg import ClientCursor, Cursor

from analysis.models import Snapshot
from analysis.plans import AnalysisPlan
from cohorts.models import AssayBatch, AssayRow, Assessment, BatchFeature, Participant
from cohorts.models.sample import hours_between

HANDLING = ("haemolysis_index", "light_protected", "freeze_thaws")
OF_SAMPLE = ("participant_id", "collected_at", "spun_at", "fasting_hours", *HANDLING)
_PACKED = ("packed_values", "packed_flags")


@dataclass(frozen=True)
class BatchFrame:
    """One assay batch, its study samples only.

    ``values`` and ``flags``: shape (n_rows, n_features); values in the reported unit.
    ``columns``: one row a feature: feature, source_name, hmdb, unit, canonical_unit, factor, lod.
    ``rows``: one row a sample: participant_id, spin_delay_hours, fasting_hours, and what else is
    recorded of its handling (`HANDLING`).
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
    return StudyFrames(people=people, batches=tuple(batches_of(snapshot)), answers=answers)


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


def batches_of(snapshot: Snapshot) -> list[BatchFrame]:
    """The snapshot's rows by batch, those of a batch in the order of their collection."""
    by_batch: dict[int, list[_Row]] = {}
    for row in _rows(snapshot.assay_row_ids):
        by_batch.setdefault(row.batch_id, []).append(row)
    batches = AssayBatch.objects.filter(pk__in=by_batch).select_related("site").order_by("pk")
    columns = _columns(list(by_batch))
    return [_batch(batch, columns[batch.pk], by_batch[batch.pk]) for batch in batches]


class _Row(NamedTuple):
    """Fields as the query names them."""

    batch_id: int
    participant_id: int
    collected_at: datetime | None
    spun_at: datetime | None
    fasting_hours: float | None
    haemolysis_index: float | None
    light_protected: bool | None
    freeze_thaws: int | None
    packed_values: bytes
    packed_flags: bytes


class _OneOf(Func):
    """Whether a number is in an array: a list of thousands is taken apart at every step."""

    template, arg_joiner, output_field = "%(expressions)s)", " = ANY(", BooleanField()


def _array(numbers: Sequence[int]) -> Value:
    return Value(list(numbers), ArrayField(BigIntegerField()))


def _rows(row_ids: Sequence[int]) -> list[_Row]:
    if not row_ids:
        return []
    names = ["batch_id", *(f"sample__{name}" for name in OF_SAMPLE), *_PACKED]
    found = AssayRow.objects.filter(_OneOf(F("pk"), _array(row_ids)), sample__isnull=False)
    found = found.order_by("batch_id", "sample__collected_at", "pk")
    query = found.values_list(*names).query.sql_with_params()
    connection.ensure_connection()
    with connection.wrap_database_errors, ClientCursor(connection.connection) as cursor:
        text = cursor.mogrify(*query)
    # Binary: as text the values would be twice as long, and be taken apart again.
    with connection.wrap_database_errors, Cursor(connection.connection) as cursor:
        return [_Row(*row) for row in cursor.execute(text.encode(), binary=True)]


def _columns(batch_ids: Sequence[int]) -> dict[int, pd.DataFrame]:
    names = [
        "batch_id",
        "feature__name",
        "source_name",
        "feature__hmdb",
        "unit",
        "feature__canonical_unit",
        "factor",
        "lod",
        "feature__ignored",
    ]
    found = BatchFeature.objects.filter(batch__in=batch_ids).order_by("batch_id", "position")
    frame = pd.DataFrame.from_records(found.values_list(*names), columns=names)
    frame.columns = frame.columns.str.removeprefix("feature__")
    frame = frame.rename(columns={"name": "feature"}).astype({"factor": float, "lod": float})
    return {
        int(str(batch_id)): part.drop(columns="batch_id").reset_index(drop=True)
        for batch_id, part in frame.groupby("batch_id")
    }


def _batch(batch: AssayBatch, columns: pd.DataFrame, rows: list[_Row]) -> BatchFrame:
    shape = (len(rows), len(columns))
    values = np.frombuffer(b"".join(row.packed_values for row in rows), "<f8").reshape(shape)
    flags = np.frombuffer(b"".join(row.packed_flags for row in rows), np.uint8).reshape(shape)
    kept = ~columns["ignored"].to_numpy(dtype=bool)  # what a data manager set aside is not read
    return BatchFrame(
        batch_id=batch.pk,
        site=batch.site.code,
        platform=batch.platform,
        matrix=batch.matrix,
        scale=batch.scale,
        columns=columns[kept].drop(columns="ignored").reset_index(drop=True),
        rows=pd.DataFrame(
            {
                "participant_id": [row.participant_id for row in rows],
                "spin_delay_hours": pd.Series(
                    [hours_between(row.collected_at, row.spun_at) for row in rows], dtype=float
                ),
                **{
                    name: pd.Series([getattr(row, name) for row in rows], dtype=float)
                    for name in ("fasting_hours", *HANDLING)
                },
            }
        ),
        values=values[:, kept],
        flags=flags[:, kept],
    )
