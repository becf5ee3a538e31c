"""The command: prepare the peers, measure the jobs that are asked for, print the table."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import peers

BASE = Path(__file__).resolve().parent.parent
# One thread a library: the ratios are of methods, not of how many cores each one takes.
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def run(names: Sequence[str]) -> int:
    """Measure the named jobs (all without a name) and return the exit code."""
    python = peers.ensure(lambda line: print(line, file=sys.stderr, flush=True))
    return subprocess.run(
        [str(python), "-m", "benchmarks.worker", *names],
        cwd=BASE,
        env={**os.environ, **dict.fromkeys(ONE_THREAD, "1")},
        check=False,
    ).returncode
