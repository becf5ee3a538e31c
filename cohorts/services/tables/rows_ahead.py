"""Rows of a wide table that are stored while the rest of it is still being read and checked.

Inside the caller's transaction, on its way to a batch that is not there yet: the database holds a
row to its batch at the commit alone. Unless the check then finds that very table, they are undone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, cast

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray
from psycopg import Copy

from cohorts.ingest import people
from cohorts.ingest.assay_tables.assay_batches import CheckedBatch
from cohorts.ingest.assay_tables.assay_heads import HEAD_COLUMNS, TYPES, SampleType
from cohorts.ingest.assay_tables.values import MEASURED, MISSING
from cohorts.ingest.assays import CheckedAssays
from cohorts.ingest.checking import Checked
from cohorts.ingest.facts import SiteFacts
from cohorts.models import AssayBatch, Sample, Site
from cohorts.models.assay import pack_flags, pack_values
from cohorts.services.batches import assay_rows

MOST_BATCHES = 20
"""Of one table whose rows are stored ahead: one with more is stored once it is checked."""
Head = tuple[str, str | None, SampleType, int | None]
"""Label, sample code, type and injection order."""


@dataclass
class _Stored:
    """What is stored of one batch, under the id that it is to have."""

    batch_id: int
    heads: list[Head] = field(default_factory=list)
    flags: list[NDArray[np.uint8]] = field(default_factory=list)

    def is_of(self, batch: CheckedBatch) -> bool:
        heads = [(r.label, r.sample, r.sample_type, r.injection_order) for r in batch.rows]
        return heads == self.heads and np.array_equal(np.stack(self.flags), batch.flags)


class RowsAhead:
    """A `Taker` of rows; leaving it undoes them unless `settle` has found that they are right.

    ``batch_ids`` are then the ids that their batches are to have, by label.
    """

    def __init__(self, site: Site, facts: SiteFacts) -> None:
        self.batch_ids: dict[str, int] = {}
        self._site, self._facts = site, facts
        self._samples, self._spare_ids = dict[str, int](), list[int]()
        self._seen = set[tuple[str, str]]()
        self._stored, self._savepoint = dict[str, _Stored](), ""
        self._copying, self._copy = ExitStack(), cast(Copy | None, None)
        self._is_over = self._is_held = self._is_asked = False

    def take(self, cells: Mapping[str, list[str]], values: NDArray[np.float64]) -> None:
        """Store rows that may be there; from the first block on that holds another, none."""
        if self._is_over:
            return
        if self._copy is None:
            self._copy = self._begun()
        rows = self._rows(cells, len(values))
        if rows is None:
            self._is_over = True
            return
        flags = np.where(np.isnan(values), np.uint8(MISSING), np.uint8(MEASURED))
        for (stored, head, sample), row, marks in zip(rows, values, flags, strict=True):
            label, _, sample_type, order = head
            self._copy.write_row(
                (
                    stored.batch_id,
                    sample,
                    label,
                    sample_type,
                    order,
                    pack_values(row),
                    pack_flags(marks),
                )
            )
            stored.heads.append(head)
            stored.flags.append(marks)

    def hold(self) -> None:
        """What was told is what the check has found."""
        self._is_held = True

    def end(self) -> None:
        """No further row comes: other statements may run again.

        Whether each row's sample is there is asked now, while the table is still being checked,
        and not at the commit; the batch is not there yet.
        """
        self._copying.close()
        if self._copy is not None and not self._is_asked:
            self._is_asked = True
            with connection.cursor() as cursor:
                cursor.execute(f"SET CONSTRAINTS {assay_rows.key_to_samples()} IMMEDIATE")

    def settle(self, checked: Checked) -> None:
        """Keep the rows that are stored, where they are those of the checked batches."""
        self.end()
        is_whole = bool(self._savepoint) and self._is_held and not self._is_over
        if not is_whole or not isinstance(checked, CheckedAssays):
            return
        labels = [batch.label for batch in checked.batches]
        if set(labels) == set(self._stored) and all(
            self._stored[batch.label].is_of(batch) for batch in checked.batches
        ):
            transaction.savepoint_commit(self._savepoint)
            self._savepoint = ""
            self.batch_ids = {label: self._stored[label].batch_id for label in labels}

    def _begun(self) -> Copy:
        known = Sample.objects.filter(site=self._site).values_list("code", "pk")
        self._samples = dict(known)
        self._savepoint = transaction.savepoint()
        with connection.cursor() as cursor:
            # No other statement runs while rows are copied, and no file says how many it has.
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
                [AssayBatch._meta.db_table, MOST_BATCHES],
            )
            self._spare_ids = [batch_id for (batch_id,) in reversed(cursor.fetchall())]
        return self._copying.enter_context(assay_rows.copying())

    def _rows(
        self, cells: Mapping[str, Sequence[str]], n_rows: int
    ) -> list[tuple[_Stored, Head, int | None]] | None:
        """Where each row goes; None where one may not be stored, or is not plain to read."""
        no_cells = [""] * n_rows
        columns = (cells.get(name, no_cells) for name in HEAD_COLUMNS)
        rows = []
        for label, kind, order, batch in zip(*columns, strict=True):
            stored, sample_type = self._batch(batch), TYPES.get(kind or "study")
            is_plain = not order or (order.isascii() and order.isdigit() and len(order) < 9)
            if stored is None or sample_type is None or not label or not is_plain:
                return None
            code, sample = None, None
            if sample_type == "study":
                code, sample = label, self._sample_once(label, batch)
                if sample is None:
                    return None
            rows.append((stored, (label, code, sample_type, int(order) if order else None), sample))
        return rows

    def _batch(self, label: str) -> _Stored | None:
        if label not in self._stored and self._spare_ids:
            self._stored[label] = _Stored(self._spare_ids.pop())
        return self._stored.get(label)

    def _sample_once(self, code: str, batch: str) -> int | None:
        """Its id, unless it has a row in the batch already or may have none."""
        if (code, batch) in self._seen or code not in self._facts.samples:
            return None
        self._seen.add((code, batch))
        # Of somebody who has withdrawn no value is written, not even to be undone.
        person = self._facts.samples[code].participant
        refused = people.refusal(person, self._facts, scope=people.MEASURED, suggest=False)
        return None if refused else self._samples.get(code)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._copying.__exit__(kind, error, trace)
        finally:
            if self._savepoint:
                transaction.savepoint_rollback(self._savepoint)
