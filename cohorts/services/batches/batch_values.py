"""All values of a batch, row by row from the database, so that its size costs no memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from django.db.models import QuerySet

from cohorts.language.sentences import say
from cohorts.models import AssayBatch, AssayRow, BatchFeature, RecordReading, User, ValueFlag
from cohorts.spreadsheets import text_only

HEAD = ("sample", "sample_type", "injection_order")
PIECE_BYTES = 1_000_000
GROUP_BYTES = 8_000_000  # of a group of rows in Parquet
# Empty in every form; below detection is not missing, so it has a word of its own.
EMPTY = (ValueFlag.MISSING, ValueFlag.EXCLUDED)
BELOW = "<LOD"


@dataclass(frozen=True)
class BatchValues:
    """A table as sites send it: a row a sample, a column a feature in its reported unit."""

    batch: AssayBatch
    columns: tuple[str, ...]
    n_rows: int
    sample_type: str = ""  # of these alone

    @property
    def names(self) -> tuple[str, ...]:
        return (*HEAD, *self.columns)

    @property
    def schema(self) -> pa.Schema:
        """For Parquet: numbers that were measured, and beside them what stands behind each."""
        kinds = (pa.string(), pa.string(), pa.int64())
        head = [pa.field(name, kind) for name, kind in zip(HEAD, kinds, strict=True)]
        values = [pa.field(name, pa.float64()) for name in self.columns]
        return pa.schema([*head, *values, pa.field("value_flags", pa.binary())])

    def for_csv(self) -> Iterator[pa.RecordBatch]:
        """As a site would send them: `<0.5` or `<LOD` below detection, nothing where missing."""
        for rows in self._pieces(PIECE_BYTES):
            values, flags = _matrices(rows)
            columns = [_as_sent(values[:, at], flags[:, at]) for at in range(len(self.columns))]
            yield pa.RecordBatch.from_arrays([*_head(rows, safe=True), *columns], self.names)

    def for_parquet(self) -> Iterator[pa.RecordBatch]:
        """Null where nothing was measured; ``value_flags`` has a byte a column."""
        schema = self.schema
        for rows in self._pieces(GROUP_BYTES):
            values, flags = _matrices(rows)
            columns = [
                pa.array(values[:, at], mask=flags[:, at] != ValueFlag.MEASURED)
                for at in range(len(self.columns))
            ]
            behind = pa.array([bytes(row.packed_flags) for row in rows], pa.binary())
            head = _head(rows, safe=False)
            yield pa.RecordBatch.from_arrays([*head, *columns, behind], schema=schema)

    def _pieces(self, n_bytes: int) -> Iterator[list[AssayRow]]:
        size = max(1, n_bytes // (9 * max(1, len(self.columns))))
        piece: list[AssayRow] = []
        # A cursor of the server: neither it nor we hold the table.
        rows = _rows(self.batch, self.sample_type).order_by("pk")
        for row in rows.iterator(min(size, 1_000)):
            piece.append(row)
            if len(piece) == size:
                yield piece
                piece = []
        if piece:
            yield piece


def read(batch: AssayBatch, *, by: User, sample_type: str = "") -> BatchValues:
    """The batch's values, after it is written down that ``by`` reads them."""
    found = BatchFeature.objects.filter(batch=batch).order_by("position")
    columns = tuple(
        f"{name} [{unit}]" if unit else name
        for name, unit in found.values_list("source_name", "unit")
    )
    n_rows = _rows(batch, sample_type).count()
    RecordReading.objects.create(
        read_by=by,
        site=batch.site,
        what=say("values of batch %(number)s", number=batch.pk),
        n_rows=n_rows,
    )
    return BatchValues(batch, columns, n_rows, sample_type)


def _rows(batch: AssayBatch, sample_type: str) -> QuerySet[AssayRow]:
    rows: QuerySet[AssayRow] = AssayRow.objects.filter(batch=batch)
    return rows.filter(sample_type=sample_type) if sample_type else rows


def _matrices(rows: Sequence[AssayRow]) -> tuple[np.ndarray, np.ndarray]:
    return np.vstack([row.values for row in rows]), np.vstack([row.flags for row in rows])


def _head(rows: Sequence[AssayRow], *, safe: bool) -> list[pa.Array]:
    labels = [text_only(row.label) if safe else row.label for row in rows]
    return [
        pa.array(labels, pa.string()),
        pa.array([row.sample_type for row in rows], pa.string()),
        pa.array([row.injection_order for row in rows], pa.int64()),
    ]


def _as_sent(values: np.ndarray, flags: np.ndarray) -> pa.Array:
    if (flags == ValueFlag.MEASURED).all():
        return pa.array(values)
    return pa.array([_cell(v, f) for v, f in zip(values.tolist(), flags, strict=True)], pa.string())


def _cell(value: float, flag: int) -> str | None:
    if flag in EMPTY:
        return None
    if flag == ValueFlag.BELOW_LOD:
        return f"<{value!r}" if value == value else BELOW  # NaN: no limit is known
    return repr(value)
