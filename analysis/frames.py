"""Database rows -> data frames: the only module that knows both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.models import Snapshot
from analysis.plans import AnalysisPlan
from cohorts.models import AssayBatch, AssayRow, Assessment, BatchFeature, Participant

HANDLING = ("haemolysis_index", "light_protected", "freeze_thaws")


@dataclass(frozen=True)
class BatchFrame:
    """One assay batch, its study samples only.

    ``values`` and ``flags``: shape (n_rows, n_features); values in the reported unit.
    ``columns``: one row a feature: feature, source_name, hmdb, unit, canonical_unit, factor, lod.
    ``rows``: one row a sample: participant_id, spin_delay_hours, and what else is recorded of its
    handling (`HANDLING`).
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
    """Everything that a run reads. ``people`` is indexed by participant id."""

    people: pd.DataFrame
    batches: tuple[BatchFrame, ...]


def read(snapshot: Snapshot, plan: AnalysisPlan) -> StudyFrames:
    """The snapshot's rows as frames; the outcome of the plan is the column ``outcome``."""
    people = _people(snapshot)
    people["outcome"] = _outcome(snapshot, plan, people)
    return StudyFrames(people=people, batches=tuple(_batches(snapshot)))


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


def _outcome(snapshot: Snapshot, plan: AnalysisPlan, people: pd.DataFrame) -> pd.Series:
    """The plan's outcome: a variable of participants, or an instrument's first score of each."""
    variable = f"variable:{plan.outcome}"
    if variable in people:
        return people[variable].astype(float)
    scores = Assessment.objects.filter(
        pk__in=snapshot.assessment_ids, instrument__code=plan.outcome, score__isnull=False
    ).order_by("-assessed_on", "-pk")
    # Later rows are overwritten by earlier ones: the first assessment is the one at baseline.
    first = dict(scores.values_list("participant_id", "score"))
    return pd.Series(people.index.map(first), index=people.index, dtype=float)


def _batches(snapshot: Snapshot) -> list[BatchFrame]:
    rows = (
        AssayRow.objects.filter(pk__in=snapshot.assay_row_ids)
        .select_related("sample")
        .order_by("batch_id", "sample__collected_at", "pk")
    )
    by_batch: dict[int, list[AssayRow]] = {}
    for row in rows:
        by_batch.setdefault(row.batch_id, []).append(row)
    batches = AssayBatch.objects.filter(pk__in=by_batch).select_related("site").order_by("pk")
    columns = _columns(list(by_batch))
    return [_batch(batch, columns[batch.pk], by_batch[batch.pk]) for batch in batches]


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


def _batch(batch: AssayBatch, columns: pd.DataFrame, rows: list[AssayRow]) -> BatchFrame:
    samples = [row.sample for row in rows if row.sample is not None]  # study rows have one
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
                "participant_id": [sample.participant_id for sample in samples],
                "spin_delay_hours": pd.Series(
                    [sample.spin_delay_hours for sample in samples], dtype=float
                ),
                **{
                    name: pd.Series([getattr(sample, name) for sample in samples], dtype=float)
                    for name in HANDLING
                },
            }
        ),
        values=np.vstack([row.values for row in rows])[:, kept],
        flags=np.vstack([row.flags for row in rows])[:, kept],
    )
