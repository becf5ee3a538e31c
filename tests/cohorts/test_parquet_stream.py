"""Parquet files as streams: any reader reads them, and their size costs the server no memory."""

from __future__ import annotations

import http.client
import io
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cohorts.api import parquet, thrift
from tests.cohorts import wide_tables

SCHEMA = pa.schema(
    [
        *(("name", pa.string()), ("n", pa.int64()), ("told", pa.bool_()), ("flags", pa.binary())),
        *((f"値 {n}", pa.float64()) for n in range(20)),
    ]
)


def a_batch(seed: int, n_rows: int) -> pa.RecordBatch:
    rng = np.random.default_rng(seed)
    head = [
        pa.array([None if n % 3 == 0 else f"S-{seed}-{n}" for n in range(n_rows)], pa.string()),
        pa.array(rng.integers(-(2**62), 2**62, n_rows), mask=rng.random(n_rows) < 0.3),
        pa.array(rng.random(n_rows) < 0.5),
        pa.array([bytes([n % 256]) * n for n in range(n_rows)], pa.binary()),
    ]
    values = [pa.array(rng.normal(size=n_rows), mask=rng.random(n_rows) < 0.2) for _ in range(20)]
    return pa.RecordBatch.from_arrays([*head, *values], schema=SCHEMA)


@pytest.mark.parametrize("sizes", [[], [1], [0, 5], [300, 7, 40], [3] * 20])
def test_what_is_streamed_is_read_back(sizes):
    batches = [a_batch(seed, n_rows) for seed, n_rows in enumerate(sizes)]
    sent = io.BytesIO(b"".join(parquet.stream(SCHEMA, iter(batches))))
    file = pq.ParquetFile(sent)
    assert file.metadata.num_row_groups == len([n for n in sizes if n])
    assert file.read().equals(pa.Table.from_batches(batches, SCHEMA))
    for number, batch in enumerate(batch for batch in batches if batch.num_rows):
        assert file.read_row_group(number).equals(pa.Table.from_batches([batch]))


def test_rows_are_sent_as_each_group_is_full():
    made = []

    def batches():
        for seed in range(3):
            made.append(seed)
            yield a_batch(seed, 50)

    pieces = parquet.stream(SCHEMA, batches())
    assert (next(pieces), made) == (b"PAR1", [])
    for seed in range(3):
        assert len(next(pieces)) > 1_000
        assert made == list(range(seed + 1))


def test_a_footer_is_read_and_written_as_it_was():
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_batches([a_batch(1, 9)]), buffer)  # with all that can be said
    file = buffer.getvalue()
    footer = file[-8 - int.from_bytes(file[-8:-4], "little") : -8]
    assert thrift.struct(thrift.Reader(footer).struct()) == footer


# --- memory, of a server whose client reads slowly


@pytest.fixture(scope="module")
def server():
    """Port and process of a server of wide tables."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1", "--blocking-threads", "1", "--no-ws"]
    root = Path(__file__).parents[2]
    running = subprocess.Popen(
        [*command, "--log-level", "error", f"{wide_tables.__name__}:application"], cwd=root
    )
    try:
        until = time.monotonic() + 60
        with socket.socket() as probe:
            while probe.connect_ex(("127.0.0.1", port)) and time.monotonic() < until:
                time.sleep(0.1)
        yield port, psutil.Process(running.pid)
    finally:
        running.terminate()
        running.wait()


def most_while_sent(server, way: str, n_groups: int, pause: float = 0.0) -> float:
    """MiB of the server's largest process at most, while a client reads and pauses once."""
    port, process = server
    client = http.client.HTTPConnection("127.0.0.1", port)
    client.request("GET", f"/{way}/{n_groups}")
    answer, most, first = client.getresponse(), 0, True
    while answer.read(1 << 17):
        family = [process, *process.children(recursive=True)]
        most = max(most, *(each.memory_info().rss for each in family))
        time.sleep(pause if first else 0)
        first = False
    client.close()
    return most / 2**20


def test_ten_times_the_rows_take_no_more_memory_also_of_a_client_that_reads_slowly(server):
    most_while_sent(server, "ours", 4)  # what the first use needs once
    small = most_while_sent(server, "ours", 6)
    large = most_while_sent(server, "ours", 60, pause=1)
    assert large - small < 12
    assert most_while_sent(server, "usual", 60) - large > 40  # the test notices a file that is held
