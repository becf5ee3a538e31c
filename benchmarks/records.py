"""The records beside pandas: a table from upload to accepted rows, read back, and an erasure.

Run: `python -m benchmarks.records`. Wall-clock time of contenders in turn, round after round; the
child that parses and the database work for us and are in our time.
"""

from __future__ import annotations

import gc
import io
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median

import pandas as pd

from benchmarks import peers, runner
from benchmarks.database import empty_database, url_of_test_database
from benchmarks.files import N_FEATURES, N_SAMPLES, a_table

ROUNDS, N_BATCHES, PEER_VALUES, REST_SECONDS = 5, 1_000, 20_000, 0.5


def measure() -> dict[str, list[float]]:
    """Seconds of each round; needs an empty database."""
    from benchmarks.records_books import site_with_samples

    site, table = site_with_samples(N_SAMPLES), a_table(N_SAMPLES, N_FEATURES)
    found: dict[str, list[float]] = {}
    _as_served()
    for number in range(ROUNDS + 1):
        # Another file and another platform, or it would be what is there already, be it from an
        # earlier run.
        name = f"x{number}-{secrets.token_hex(4)}"
        content = table.replace(b"metabolite 0 ", f"metabolite {name} ".encode(), 1)
        turns: dict[str, Callable[[], object]] = {
            "pandas.read_csv": lambda content=content: pd.read_csv(io.BytesIO(content)),
            "upload to accepted rows": lambda sent=(content, name): _upload(site, *sent),
            # The first reading of new rows also marks them as committed, which is written.
            "the matrix read back, the first time": lambda: _matrix(site),
            "the matrix read back": lambda: _matrix(site),
        }
        for what, work in turns.items():
            time.sleep(REST_SECONDS)  # what the one before leaves running is no part of the next
            began = time.perf_counter()
            work()
            found.setdefault(what, []).append(time.perf_counter() - began)
    return {what: seconds[1:] for what, seconds in found.items()} | {
        f"erasure from {N_BATCHES:,} batches": [_erasure()]
    }


def _upload(site: object, content: bytes, platform: str) -> None:
    from cohorts.services import uploads
    from cohorts.services.tables.sent_tables import SentTable

    options = {"platform": platform, "matrix": "plasma"}
    sent = SentTable("assays", content, "t.csv", options)
    accepted = uploads.submit(site, sent, by=None)  # type: ignore[arg-type]
    assert accepted.status == "accepted", accepted.report


def _matrix(site: object) -> None:
    """The consented rows of the newest batch, as a run takes its snapshot and reads it."""
    from analysis import frames
    from analysis.membership import one_of
    from analysis.models import Snapshot
    from cohorts.models import AssayBatch, AssayRow, Participant

    people = Participant.objects.consenting_to(["metabolomics"], date(2026, 1, 1))
    theirs = one_of("sample__participant", list(people.values_list("pk", flat=True)))
    rows = AssayRow.objects.filter(theirs, batch=AssayBatch.objects.latest("pk"))
    snapshot = Snapshot(assay_row_ids=list(rows.values_list("pk", flat=True)))
    [batch] = frames.batches_of(snapshot)
    assert batch.values.shape == (N_SAMPLES, N_FEATURES)


def _erasure() -> float:
    """At a site whose one stored file is small: a large one is read and written again besides."""
    from benchmarks.records_books import person_in_batches, site_with_samples
    from cohorts.services.erasing import erasure

    due, at = person_in_batches(site_with_samples(N_SAMPLES, "NGO"), N_BATCHES)
    began = time.perf_counter()
    assert erasure.execute(due.pk, at=at) is not None
    return time.perf_counter() - began


def _import_export(python: Path) -> float:
    """Seconds of the peer, on the same server, for as many values as our table has."""
    done = subprocess.run(
        [str(python), "benchmarks/peer_import_export.py", str(PEER_VALUES)],
        cwd=runner.BASE,
        env={**os.environ, "DATABASE_URL": url_of_test_database()},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout) / PEER_VALUES * N_SAMPLES * N_FEATURES


def _as_served() -> None:
    """Hold what is loaded as the web server does, so that a full collection is no part of it."""
    gc.collect()
    gc.freeze()


def main() -> None:
    """Print the table."""
    python = peers.ensure(lambda line: print(line, file=sys.stderr, flush=True))
    with empty_database():
        found = measure()
        found["django-import-export, as many values"] = [_import_export(python)]
    parse = median(found["pandas.read_csv"])
    for what, seconds in found.items():
        print(
            f"{what:38} {median(seconds) * 1e3:10.1f} ms {median(seconds) / parse:8.2f} of pandas"
        )


if __name__ == "__main__":
    main()
