"""The command: prepare the peers, measure the jobs that are asked for, print the table."""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import peers

BASE = Path(__file__).resolve().parent.parent
# One thread a library: the ratios are of methods, not of how many cores each one takes.
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
CORE_TYPE = "OPENBLAS_CORETYPE"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What both commands that measure may be asked."""
    parser.add_argument("jobs", nargs="*", metavar="JOB", help="name or group; all without one")
    parser.add_argument(
        "--keep-core-type",
        action="store_true",
        help=f"measure with the kernels that {CORE_TYPE} names, not with the processor's newest",
    )


def run(names: Sequence[str], *, keep_core_type: bool = False) -> int:
    """Measure the named jobs (all without a name) and return the exit code."""
    python = peers.ensure(lambda line: print(line, file=sys.stderr, flush=True))
    environment, set_aside = measuring_environment(os.environ, keep_core_type=keep_core_type)
    return subprocess.run(
        [str(python), "-m", "benchmarks.worker", "--set-aside", set_aside, *names],
        cwd=BASE,
        env=environment,
        check=False,
    ).returncode


def measuring_environment(
    environment: Mapping[str, str], *, keep_core_type: bool
) -> tuple[dict[str, str], str]:
    """What the measuring process gets, and the kernels that were asked for and are left out.

    By itself OpenBLAS takes the newest kernels that the processor has: any others that the
    environment names are those of an older one, and the table would not be of this machine.
    """
    given = {**environment, **dict.fromkeys(ONE_THREAD, "1")}
    return given, "" if keep_core_type else given.pop(CORE_TYPE, "")
