"""Rows of a wide table that go to the other end while the rest of the table is still being read.

What is told counts for nothing unless the answer says that it was all of the checked table.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedRWPair
from typing import Any, Protocol, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cohorts.ingest.assay_tables.assay_heads import HEAD_COLUMNS
from cohorts.ingest.assays import CheckedAssays
from cohorts.ingest.child import wire
from cohorts.ingest.child.memory import Shared
from cohorts.ingest.facts import SiteFacts
from cohorts.ingest.reading import AsNumbers

ROWS = "rows"
"""Before an answer: cells of the next rows, and the shape that the values of all will have."""
ALL_TOLD = "all told"
"""An answer "done", of which the rows told before are the one batch."""
Cells = dict[str, list[str]]
"""Text columns by their standard name; a wide table has no others than `HEAD_COLUMNS`."""


@dataclass(frozen=True)
class Asked:
    """What the child waits for once it has its file."""

    facts: SiteFacts | None
    wants_rows: bool


class Taker(Protocol):
    """Who is told of rows ahead of the answer."""

    def take(self, cells: Cells, values: NDArray[np.float64]) -> None:
        """The next rows, in their order; ``values`` of shape (n rows, n columns)."""

    def end(self) -> None:
        """All rows of the table were taken."""

    def hold(self) -> None:
        """The rows that were taken are those of the answer, and all of them."""


class Teller:
    """The child's end: values are written where the other end can see them.

    ``asked`` waits for what the other end sends after the file.
    """

    def __init__(
        self,
        connection: socket.socket,
        both: BufferedRWPair,
        memory: Shared,
        asked: Callable[[], Asked],
    ) -> None:
        self._connection, self._both, self._memory = connection, both, memory
        self._asked, self._waiting, self._n_read = asked, list[Cells](), 0
        self._is_heard, self._text_name = False, cast(Callable[[str], str], str)
        self._values: NDArray[np.float64] | None = None

    def as_numbers(self, text_name: Callable[[str], str]) -> AsNumbers:
        self._text_name = text_name
        return AsNumbers(text_name, self._room, self._tell)

    def facts(self) -> Any:
        """What the check must know; what is read by now is told once that has come."""
        asked = self._asked()
        if self._values is not None and self._n_read == len(self._values):
            self._flush()
        return asked.facts

    def has_told(self, checked: object) -> bool:
        """Whether all rows of the checked table were told, and their values stand as told."""
        if not isinstance(checked, CheckedAssays) or self._values is None or self._waiting:
            return False
        n_rows = sum(len(batch.rows) for batch in checked.batches)
        return n_rows == len(self._values) and all(
            self._memory.holds(batch.values.data) for batch in checked.batches
        )

    def _room(self, n_rows: int, n_columns: int) -> NDArray[np.float64]:
        room = self._memory.room(n_rows * n_columns * 8)
        if room is None:
            return np.empty((n_rows, n_columns))
        self._values = np.frombuffer(room, np.float64).reshape(n_rows, n_columns)
        return self._values

    def _tell(self, rows: pa.RecordBatch) -> None:
        cells = {self._text_name(name): rows.column(name).to_pylist() for name in rows.schema.names}
        if self._values is None or len(cells) < rows.num_columns or not _is_wide(cells):
            self._values = None
            return
        self._waiting.append(cells)
        self._n_read += rows.num_rows
        # The other end listens once it has sent the facts; before that, both would wait to write.
        if self._is_heard or select.select([self._connection], [], [], 0)[0]:
            self._flush()

    def _flush(self) -> None:
        self._is_heard = True
        if self._values is None or not self._asked().wants_rows:
            return
        for cells in self._waiting:
            wire.send(self._both, (ROWS, (cells, self._values.shape)))
        self._waiting.clear()


def _is_wide(cells: Cells) -> bool:
    return "sample" in cells and cells.keys() <= set(HEAD_COLUMNS)


class Told:
    """The other end: passes rows on as they are told."""

    def __init__(self, memory: Shared, taker: Taker | None) -> None:
        self._memory, self._taker, self._at = memory, taker, 0
        self._values: NDArray[np.float64] | None = None

    def pass_on(self, cells: Cells, shape: tuple[int, int]) -> None:
        """Raises EOFError for rows that nobody asked for, or that are more than were told of."""
        if self._values is None:
            [room] = self._memory.take([0], [8 * shape[0] * shape[1]])
            self._values = np.frombuffer(room, np.float64).reshape(shape)
        n_rows = len(cells["sample"])
        rows = self._values[self._at : self._at + n_rows]
        if self._taker is None or len(rows) < n_rows:
            raise EOFError
        self._at += n_rows
        self._taker.take(cells, rows)
        if self._at == shape[0]:
            self._taker.end()  # what is left to do with them is done while they are checked
