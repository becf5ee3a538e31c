"""Rows of a wide table that are stored while the rest of it is still being read and checked.

Inside the caller's transaction, on its way to a batch that is not there yet: the database holds a
row to its batch at the commit alone. Unless the check then finds that very table, they are undone.
"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import date
from types import TracebackType
from typing import Self, cast

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray
from psycopg import Copy

from cohorts.ingest import people
from cohorts.ingest.assays import CheckedAssays
from cohorts.ingest.checking import Checked
from cohorts.ingest.facts import SiteFacts
from cohorts.ingest.values import MEASURED, MISSING
from cohorts.models import AssayBatch, AssayRow, Sample, Site
from cohorts.models.assay import pack_flags, pack_values
from cohorts.services import assay_rows


class RowsAhead:
    """A `Taker` of rows; leaving it undoes them unless `settle` has found that they are right.

    ``batch_id`` is then the id that their batch is to have.
    """

    def __init__(self, site: Site) -> None:
        self.batch_id: int | None = None
        self._site, self._facts = site, SiteFacts(site.code, date.min)
        self._samples, self._labels = dict[str, int](), list[str]()
        self._flags = list[NDArray[np.uint8]]()
        self._reserved, self._savepoint = 0, ""
        self._copying, self._copy = ExitStack(), cast(Copy | None, None)
        self._is_over = self._is_held = False

    def knowing(self, facts: SiteFacts) -> SiteFacts:
        """Whose samples may have rows is told by the facts that the check has too."""
        self._facts = facts
        return facts

    def take(self, labels: list[str], values: NDArray[np.float64]) -> None:
        """Store rows, each of another sample that may have them; from the first other on, none."""
        if self._is_over:
            return
        if self._copy is None:
            self._copy = self._begun()
        samples = [self._samples.pop(label, None) for label in labels]
        if None in samples or not all(map(self._may_have_rows, labels)):
            self._is_over = True
            return
        flags = np.where(np.isnan(values), np.uint8(MISSING), np.uint8(MEASURED))
        for sample, label, row, marks in zip(samples, labels, values, flags, strict=True):
            head = (self._reserved, sample, label, AssayRow.Type.STUDY.value, None)
            self._copy.write_row((*head, pack_values(row), pack_flags(marks)))
        self._labels += labels
        self._flags.append(flags)

    def hold(self) -> None:
        """What was told is what the check has found."""
        self._is_held = True

    def settle(self, checked: Checked) -> None:
        """Keep the rows that are stored, where they are those of the one checked batch."""
        self._copying.close()
        is_whole = bool(self._savepoint) and self._is_held and not self._is_over
        if not is_whole or not isinstance(checked, CheckedAssays) or len(checked.batches) != 1:
            return
        [batch] = checked.batches
        heads = [(head.label, head.sample, head.injection_order) for head in batch.rows]
        if heads != [(label, label, None) for label in self._labels]:
            return
        if np.array_equal(np.concatenate(self._flags), batch.flags):
            transaction.savepoint_commit(self._savepoint)
            self._savepoint, self.batch_id = "", self._reserved

    def _begun(self) -> Copy:
        known = Sample.objects.filter(site=self._site).values_list("code", "pk")
        self._samples = dict(known)
        self._savepoint = transaction.savepoint()
        with connection.cursor() as cursor:
            table = AssayBatch._meta.db_table
            cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, 'id'))", [table])
            [self._reserved] = cursor.fetchone()
        return self._copying.enter_context(assay_rows.copying())

    def _may_have_rows(self, code: str) -> bool:
        sample = self._facts.samples.get(code)
        if sample is None:
            return False
        # Of somebody who has withdrawn no value is written, not even to be undone.
        return (
            people.refusal(sample.participant, self._facts, scope=people.MEASURED, suggest=False)
            is None
        )

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
