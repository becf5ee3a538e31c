"""Result tables read from the database by pieces, so that their size costs no memory."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from django.db.models import BinaryField
from django.db.models.functions import Length, Substr

from analysis.models import Run, RunTable
from analysis.models.results import rows_of_bits

READ_AHEAD_BYTES = 1 << 18
PIECE_ROWS = 20_000


class StoredFile(io.RawIOBase):
    """The Parquet file of a table as a file to seek in; the database sends what is read of it."""

    def __init__(self, table: int) -> None:
        super().__init__()
        self._rows = RunTable.objects.filter(pk=table).order_by()
        self._at = 0
        self._size: int = self._rows.values_list(Length("parquet"), flat=True).get()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        """As much as fits. RunTable.DoesNotExist where the table was deleted meanwhile."""
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        piece = Substr("parquet", self._at + 1, wanted, output_field=BinaryField())
        data = bytes(self._rows.values_list(piece, flat=True).get())
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


class StoredTable:
    """A result table of a run, read by pieces. RunTable.DoesNotExist where there is none."""

    def __init__(self, run: Run, name: str) -> None:
        rows = RunTable.objects.filter(run=run, name=name)
        self._table, self.n_rows, bits = rows.values_list("pk", "n_rows", "withheld").get()
        self.withheld = rows_of_bits(bits, self.n_rows)
        self.columns: list[str] = self._file().schema_arrow.names

    def pieces(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """Its rows in their order, numbered through; of ``columns`` those that it has.

        One piece at least, so that the columns are told.
        """
        asked = None if columns is None else [name for name in columns if name in self.columns]
        at, file = 0, self._file()
        if not self.n_rows:
            empty = file.schema_arrow.empty_table().to_pandas()
            yield empty if asked is None else empty[asked]
        # In this thread, which has the connection to the database.
        for batch in file.iter_batches(PIECE_ROWS, columns=asked, use_threads=False):
            frame = batch.to_pandas()
            frame.index = pd.RangeIndex(at, at + len(frame))
            at += len(frame)
            yield frame

    def _file(self) -> pq.ParquetFile:
        # Read as it is needed: by default the file would be fetched ahead, a row group at a time.
        file = StoredFile(self._table)
        return pq.ParquetFile(file, pre_buffer=False, buffer_size=READ_AHEAD_BYTES)
