"""What a run concluded, read where the run may be read."""

from __future__ import annotations

from collections.abc import Collection
from io import BytesIO
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq
from django.db import models
from django.utils.translation import gettext_lazy as _

from analysis.models.run import Run
from cohorts.models import User
from cohorts.models.scoping import ScopedQuerySet

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser


# A table is sent by pieces: a reader holds a group of rows at most.
GROUP_ROWS = 20_000
# What a release before this one, which does not know the column, leaves in it.
EMPTY = models.Value([], models.JSONField())


class ResultQuerySet(ScopedQuerySet[Any]):
    """Results are read through their run, so they are visible where it is."""

    resource = "released_result"

    def visible_to(self, user: User | AnonymousUser) -> Self:
        return self.filter(run__in=Run.objects.visible_to(user))


class RunTable(models.Model):
    """A result table as Parquet: read whole or by groups of rows, and never changed."""

    class Name(models.TextChoices):
        EFFECTS = "effects", _("effects by site")
        POOLED = "pooled", _("pooled effects")
        MODERATED = "moderated", _("moderated effects")
        ONE_STAGE = "one_stage", _("one model over all sites")
        SENSITIVITY = "sensitivity", _("sensitivity grid")

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="tables")
    name = models.CharField(max_length=20, choices=Name)
    n_rows = models.PositiveIntegerField()
    parquet = models.BinaryField()
    # A bit a row, written at its release: rows that beside an earlier release of the plan would
    # tell about a few people. Null where there are none.
    withheld = models.BinaryField(null=True)
    # What later releases are held beside, written at its release: whose people its rows rest on.
    people = models.BinaryField(null=True)

    objects: ClassVar = ResultQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(name="run_table_once", fields=["run", "name"])]

    def __str__(self) -> str:
        return f"{self.run} {self.get_name_display()}"

    @property
    def frame(self) -> pd.DataFrame:
        return frame_of(self.parquet)

    def columns(self, names: Collection[str]) -> pd.DataFrame:
        """Those of these columns that it has: a run of earlier code lacks some."""
        file = pq.ParquetFile(BytesIO(self.parquet))
        there = [name for name in file.schema_arrow.names if name in names]
        told: pd.DataFrame = file.read(there).to_pandas()
        return told

    @property
    def withheld_rows(self) -> npt.NDArray[np.bool_]:
        return rows_of_bits(self.withheld, self.n_rows)

    @classmethod
    def of(cls, run: Run, name: str, frame: pd.DataFrame) -> RunTable:
        """An unsaved table that holds ``frame``."""
        buffer = BytesIO()
        frame.to_parquet(buffer, index=False, compression="zstd", row_group_size=GROUP_ROWS)
        return cls(run=run, name=name, n_rows=len(frame), parquet=buffer.getvalue())


def frame_of(parquet: bytes | memoryview) -> pd.DataFrame:
    """A stored table as it was when it was stored."""
    return pd.read_parquet(BytesIO(parquet))


def rows_of_bits(bits: bytes | memoryview | None, n_rows: int) -> npt.NDArray[np.bool_]:
    """Which rows the bits mark."""
    if not bits:
        return np.zeros(n_rows, dtype=bool)
    return np.unpackbits(np.frombuffer(bits, dtype=np.uint8), count=n_rows).astype(bool)


def bits_of_rows(rows: npt.NDArray[np.bool_]) -> bytes | None:
    """The bits that mark these rows; none where there is nothing to mark."""
    return np.packbits(rows).tobytes() if rows.any() else None


class RunDocument(models.Model):
    """A result that is no table: classifier, severity, harmonisation, handling."""

    class Name(models.TextChoices):
        CLASSIFIER = "classifier", _("classifier")
        SEVERITY = "severity", _("severity model")
        HARMONISATION = "harmonisation", _("harmonisation")
        HANDLING = "handling", _("handling of the blood by site")
        NESTED = "nested", _("classifiers, settings chosen inside")
        TRANSPORT = "transport", _("a frozen model at other sites")
        LANGUAGES = "languages", _("comparing language versions")

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="documents")
    name = models.CharField(max_length=20, choices=Name)
    data = models.JSONField()
    # Pairs of part and site, written at its release: numbers that beside an earlier release of the
    # plan would tell about a few people.
    withheld = models.JSONField(default=list, db_default=EMPTY, blank=True)

    objects: ClassVar = ResultQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(name="run_document_once", fields=["run", "name"])]

    def __str__(self) -> str:
        return f"{self.run} {self.get_name_display()}"
