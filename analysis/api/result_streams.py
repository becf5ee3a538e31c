"""Result tables as CSV and Parquet, a piece at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd
import pyarrow as pa

from cohorts.api.parquet import stream
from cohorts.api.renderers import neutralised


def counted(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows with counts as whole numbers, where they are told."""
    counts = [name for name in frame.columns if name.startswith("n_")]
    parts = [name for name in counts if not pd.api.types.is_integer_dtype(frame[name])]
    return frame.astype(dict.fromkeys(parts, "Int64")) if parts else frame


def csv(pieces: Iterable[pd.DataFrame], schema: pa.Schema) -> Iterator[bytes]:
    """A line of names, then the rows."""
    yield pd.DataFrame(columns=schema.names).to_csv(index=False).encode()
    for piece in pieces:
        yield neutralised(counted(piece)).to_csv(index=False, header=False).encode()


def parquet(pieces: Iterable[pd.DataFrame], schema: pa.Schema) -> Iterator[bytes]:
    """A row group a piece; every piece has the columns of ``schema``."""
    batches = (
        pa.RecordBatch.from_pandas(counted(piece), schema=schema, preserve_index=False)
        for piece in pieces
        if len(piece)
    )
    return stream(schema, batches)
