"""A server's application for `test_parquet_stream`: wide tables of as many groups as are asked for.

`/ours/N` sends them as the API does, `/usual/N` by Arrow's own writer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cohorts.api import parquet
from cohorts.api.streaming import Drain

N_COLUMNS, N_ROWS = 1_000, 10
SCHEMA = pa.schema([(f"feature {n}", pa.float64()) for n in range(N_COLUMNS)])


def batches(n_groups: int) -> Iterator[pa.RecordBatch]:
    for n in range(n_groups):
        values = np.random.default_rng(n).normal(size=(N_COLUMNS, N_ROWS))
        yield pa.RecordBatch.from_arrays([pa.array(row) for row in values], schema=SCHEMA)


def usual(n_groups: int) -> Iterator[bytes]:
    drain = Drain()
    with pq.ParquetWriter(drain, SCHEMA, **parquet.PLAIN) as writer:
        for batch in batches(n_groups):
            writer.write_batch(batch)
            yield drain.taken()
    yield drain.taken()


def application(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    _, way, n_groups = environ["PATH_INFO"].split("/")
    start_response("200 OK", [("Content-Type", "application/vnd.apache.parquet")])
    if way == "usual":
        return usual(int(n_groups))
    return parquet.stream(SCHEMA, batches(int(n_groups)))
