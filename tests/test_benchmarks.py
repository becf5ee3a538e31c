"""The table of times says who took part, who could not, and whether a target was reached."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from itertools import groupby
from pathlib import Path

import pytest

import benchmarks
from benchmarks import formats
from benchmarks.contenders import WARM_CALLS, Contender, Job, Timing, measure, rows
from benchmarks.runner import measuring_environment
from benchmarks.worker import kernels


def refuses() -> None:
    raise MemoryError("6.6 GB are too much")


def test_a_peer_that_cannot_take_part_is_told_in_words_and_stops_nobody():
    found = [
        Contender("ours", lambda: None),
        Contender("absent", why_not="sva is not installed"),
        Contender("fails", refuses),
        Contender("last", lambda: None),
    ]
    job = Job("combat", "2 x 2", lambda: found, rounds=3)
    timings, peak = measure(job)
    told = {row[2]: row[4] for row in rows(job, timings, peak)}
    assert told["absent"] == "sva is not installed"
    assert told["fails"] == "MemoryError: 6.6 GB are too much"
    assert [len(timing.seconds) for timing in timings] == [4, 0, 0, 4]


def test_each_round_another_one_begins_and_is_called_until_it_is_warm():
    called: list[str] = []
    found = [Contender(name, partial(called.append, name)) for name in "abc"]
    measure(Job("combat", "2 x 2", lambda: found, rounds=2))
    turns = [name for name, _ in groupby(called[3:])]
    assert "".join(called[:3] + turns) == "abcbcacab"
    assert called.count("a") == 1 + 2 * WARM_CALLS


def test_the_last_call_of_a_turn_counts_and_a_slower_contender_has_two():
    quick, slow = iter([0.3, 0.2, *range(2, 10)]), iter([2.0, 1.0, 0.9])
    found = [Contender("quick", seconds=lambda: next(quick) / 100)]
    found.append(Contender("slow", seconds=lambda: next(slow)))
    timings, _ = measure(Job("combat", "2 x 2", lambda: found, rounds=1))
    assert [timing.seconds[1:] for timing in timings] == [[0.08], [0.9]]


def timed(seconds: float, **options: float) -> Timing:
    return Timing(Contender("one", lambda: None, **options), [9.0, seconds, seconds])


def test_the_target_is_a_multiple_of_our_time_and_the_limit_one_of_the_floor():
    job = Job("pooling", "all", list)
    timings = [timed(1.0), timed(0.5, scale=20, target=10), timed(0.25, limit=3)]
    table = [row[4:] for row in rows(job, timings, None)]
    assert table == [
        ("1", "", ""),
        ("10 times", ">= 10", "yes"),
        ("ours takes 4.00 of it", "<= 3", "no"),
    ]


def test_memory_is_asked_in_inputs():
    job = Job("combat", "1", lambda: [Contender("ours", lambda: bytearray(2_000_000))], 1, 1e6)
    _, peak = measure(job)
    assert peak is not None
    assert 1.9 < peak < 2.2


def test_older_kernels_that_the_environment_names_are_left_out_unless_they_are_to_be_kept():
    named = {"OPENBLAS_CORETYPE": "Haswell", "PATH": "/bin"}
    given, set_aside = measuring_environment(named, keep_core_type=False)
    assert "OPENBLAS_CORETYPE" not in given
    assert (set_aside, given["PATH"], given["OPENBLAS_NUM_THREADS"]) == ("Haswell", "/bin", "1")
    given, set_aside = measuring_environment(named, keep_core_type=True)
    assert (given["OPENBLAS_CORETYPE"], set_aside) == ("Haswell", "")


def test_the_line_below_the_table_says_which_kernels_were_set_aside():
    used = [{"version": "0.3.31", "architecture": "SkylakeX"}]
    plain = "OpenBLAS of numpy and scipy: 0.3.31 for SkylakeX."
    assert kernels(used, "") == kernels(used, "skylakex") == plain
    assert kernels(used, "Haswell").startswith(f"{plain} OPENBLAS_CORETYPE=Haswell is set and was")


PROGRAMS = [
    path.stem
    for path in sorted(Path(benchmarks.__file__).parent.glob("*.py"))
    if '__name__ == "__main__"' in path.read_text()
]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_benchmark_can_be_asked_for_before_django_is_set_up(name):
    asked = subprocess.run(
        [sys.executable, "-c", f"import benchmarks.{name}"],
        env={each: value for each, value in os.environ.items() if "DJANGO" not in each},
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr[-500:]


def test_every_form_of_a_table_is_read_whole_before_it_is_timed():
    found = formats.measure(6, 4)
    assert {"XLSX", "ODS", "mwTab", "mzTab-M", "ISA-Tab"} <= found.keys()
    assert min(found.values()) > 0
