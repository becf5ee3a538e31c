"""What the API's answers cost: a poll, a list of results, a large table as a stream.

Run: `python -m benchmarks.serving [ROUNDS]`. One server process (granian, as `serve` starts it)
answers for this project, for a bare Django view and for Django REST framework's ModelSerializer;
one client asks over one kept connection, the contenders in turn, round after round.
"""

from __future__ import annotations

import http.client
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import psutil

from benchmarks.database import empty_database

ROUNDS, POLLS = 15, 200
N_RESULTS, N_SAMPLES, N_FEATURES = 1_000, 2_000, 1_000
LIMIT_OF_A_POLL = 1.5  # beside a bare Django view
COMMITS, PACED = ", a commit before each", ", 100 a second with a commit a second"
PACED_SECONDS = 10


class Asker:
    """One kept connection to the server."""

    def __init__(self, port: int, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._headers = {"Authorization": f"Bearer {key}"}

    def __call__(self, path: str, expected: int = 200, **headers: str) -> Any:
        """The answer's headers and the bytes of its body, which is read and not kept."""
        self._connection.request("GET", path, headers={**self._headers, **headers})
        answer, n_bytes = self._connection.getresponse(), 0
        while piece := answer.read(1 << 20):
            n_bytes += len(piece)
        if answer.status != expected:
            raise SystemExit(f"{path}: {answer.status}, not {expected}")
        return answer.headers, n_bytes


def fill() -> tuple[str, str, dict[int, int]]:
    """A key, the address of a run, and batches by their number of samples."""
    import numpy as np
    import pandas as pd
    from django.db import connection
    from django.utils import timezone

    from analysis.models import Plan, Run, RunTable
    from benchmarks.serving_app import COUNTS, NUMBERS, ResultRow
    from cohorts.models import ApiToken
    from tests import factories as make

    now, rng = timezone.now(), np.random.default_rng(1)
    plan = Plan.objects.create(study=make.StudyFactory(), name="p", data={"case": ["a"]})
    run = Run.objects.create(
        plan=plan, state="published", key="k", published_at=now, released_at=now
    )
    frame = pd.DataFrame(rng.uniform(0.01, 1, (N_RESULTS, len(NUMBERS))), columns=list(NUMBERS))
    frame = frame.assign(**dict.fromkeys(COUNTS, 40), stratum="all", reason="")
    frame.insert(0, "feature", [f"feature {n}" for n in range(N_RESULTS)])
    RunTable.of(run, "pooled", frame).save()
    with connection.schema_editor() as editor:
        editor.create_model(ResultRow)
    ResultRow.objects.bulk_create(ResultRow(**row) for row in frame.to_dict("records"))
    batches = {n: _batch(n, rng).pk for n in (N_SAMPLES // 10, N_SAMPLES, N_SAMPLES * 5)}
    _, key = ApiToken.objects.issue(make.user_with("CD"), "benchmark")
    return key, f"/api/v1/runs/{run.pk}", batches


def _batch(n_samples: int, rng: Any) -> Any:
    import numpy as np

    from cohorts.models import AssayRow, Feature
    from cohorts.models.assay import BatchFeature, pack_flags, pack_values
    from tests import factories as make

    batch = make.AssayBatchFactory(site=make.SiteFactory(code="BEN"))
    names = [f"feature {n}" for n in range(N_FEATURES)]
    Feature.objects.bulk_create([Feature(name=name) for name in names], ignore_conflicts=True)
    known = dict(Feature.objects.values_list("name", "pk"))
    BatchFeature.objects.bulk_create(
        BatchFeature(batch=batch, position=at, feature_id=known[name], source_name=name, unit="uM")
        for at, name in enumerate(names)
    )
    flags = pack_flags(np.zeros(N_FEATURES, dtype=np.uint8))
    rows = (
        AssayRow(
            batch=batch,
            label=f"QC {n}",
            sample_type="qc",
            packed_values=pack_values(rng.lognormal(size=N_FEATURES)),
            packed_flags=flags,
        )
        for n in range(n_samples)
    )
    AssayRow.objects.bulk_create(rows, batch_size=500)
    return batch


@contextmanager
def server() -> Iterator[tuple[int, int]]:
    """Port and process of a server with one worker, ended at the end."""
    from django.db import connection

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = connection.settings_dict
    url = "postgres://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**settings)
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1", "--blocking-threads", "1"]
    command += ["--no-ws", "--log-level", "error", "benchmarks.serving_app:application"]
    running = subprocess.Popen(
        command, env={**os.environ, "DATABASE_URL": url, "HIKI_RATE_PER_MINUTE": "1000000"}
    )
    try:
        _wait_for(port)
        yield port, running.pid
    finally:
        running.terminate()
        running.wait()


def _wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit("The server did not start within a minute.")


def measure(ask: Asker, run: str, batches: dict[int, int], rounds: int) -> dict[str, float]:
    """Median seconds of each contender."""
    tag = ask(run)[0]["ETag"]
    ask(f"{run}/pooled")
    values = f"/api/v1/assay-batches/{batches[N_SAMPLES]}/values?format="
    turns: dict[str, tuple[int, Callable[[], object]]] = {
        "bare Django view": (POLLS, lambda: ask("/beside/empty")),
        "poll, 304": (POLLS, lambda: ask(run, 304, **{"If-None-Match": tag})),
        f"bare Django view{COMMITS}": (POLLS, lambda: ask("/beside/empty")),
        f"poll, 304{COMMITS}": (POLLS, lambda: ask(run, 304, **{"If-None-Match": tag})),
        "1,000 results, ModelSerializer": (2, lambda: ask("/beside/rows")),
        "1,000 results, ours": (2, lambda: ask(f"{run}/pooled")),
        "1,000 results, ours, unchanged": (POLLS, _again(ask, f"{run}/pooled")),
        "2,000 x 1,000 as CSV": (1, lambda: ask(f"{values}csv")),
        "2,000 x 1,000 as Parquet": (1, lambda: ask(f"{values}parquet")),
    }
    found: dict[str, list[float]] = {}
    for _ in range(rounds + 1):
        for what, (times, work) in turns.items():
            commits = what.endswith(COMMITS)
            for _ in range(times):
                if commits:
                    commit()
                began = time.perf_counter()
                work()
                found.setdefault(what, []).append(time.perf_counter() - began)
    # The first round warms the server.
    return {what: median(taken[turns[what][0] :]) for what, taken in found.items()}


def commit() -> None:
    """Somebody writes something that no run rests on."""
    from django.utils import timezone

    from cohorts.models import User

    if not User.objects.update(last_login=timezone.now()):
        raise SystemExit("Nobody is there to write about.")


def paced(ask: Asker, run: str) -> dict[str, float]:
    """Median seconds of 100 requests a second, while once a second somebody commits."""
    tag = ask(run)[0]["ETag"]
    contenders = {
        "bare Django view": lambda: ask("/beside/empty"),
        "poll, 304": lambda: ask(run, 304, **{"If-None-Match": tag}),
    }
    found: dict[str, list[float]] = {f"{what}{PACED}": [] for what in contenders}
    start = time.perf_counter()
    for turn in range(PACED_SECONDS * 100):
        if turn % 100 == 0:
            commit()
        for what, work in contenders.items():
            began = time.perf_counter()
            work()
            found[f"{what}{PACED}"].append(time.perf_counter() - began)
        time.sleep(max(0.0, start + (turn + 1) / 100 - time.perf_counter()))
    return {what: median(taken) for what, taken in found.items()}


def _again(ask: Asker, path: str) -> Callable[[], object]:
    tag = ask(path)[0]["ETag"]
    return lambda: ask(path, 304, **{"If-None-Match": tag})


def memory(ask: Asker, pid: int, batches: dict[int, int]) -> dict[str, float]:
    """MiB by which the server's largest process grows over a stream of each size."""
    found = {}
    for form in ("csv", "parquet"):
        for n_samples, batch in sorted(batches.items()):
            before = _rss(pid)
            _, n_bytes = ask(f"/api/v1/assay-batches/{batch}/values?format={form}")
            what = f"{form}, {n_samples:,} samples, {n_bytes / 2**20:.0f} MiB sent"
            found[what] = _rss(pid) - before
    return found


def _rss(pid: int) -> float:
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return max(process.memory_info().rss for process in family) / 2**20


def main() -> int:
    """Print medians and ratios; 1 where a poll costs more than its share of a bare view."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    os.environ["HIKI_SECRET_KEY"] = secrets.token_urlsafe(50)
    with empty_database():
        key, run, batches = fill()
        with server() as (port, pid):
            ask = Asker(port, key)
            ask("/beside/empty")
            grown = memory(ask, pid, batches)
            taken = measure(ask, run, batches, rounds) | paced(ask, run)
    for what, seconds in taken.items():
        print(f"{seconds * 1e3:10.2f} ms  {what}")
    polls = [
        taken[f"poll, 304{way}"] / taken[f"bare Django view{way}"] for way in ("", COMMITS, PACED)
    ]
    listed = taken["1,000 results, ModelSerializer"] / taken["1,000 results, ours"]
    told = ", ".join(f"{ratio:.2f}" for ratio in polls)
    print(f"ratios of medians: a poll takes of a bare view {told} (limit {LIMIT_OF_A_POLL})")
    print(f"ratio of medians: ModelSerializer takes {listed:.2f} times our list")
    for what, mebibytes in grown.items():
        print(f"{mebibytes:10.1f} MiB more resident: {what}")
    return int(max(polls) > LIMIT_OF_A_POLL)


if __name__ == "__main__":
    sys.exit(main())
