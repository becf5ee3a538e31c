"""Runs inside the peers' environment and prints the table of the jobs."""

import argparse
import sys
from collections.abc import Mapping, Sequence

from benchmarks.contenders import HEADER, Job, measure, rows


def jobs() -> list[Job]:
    """All jobs, the small before the large."""
    from benchmarks import combat, effects, forest, permutations, pooling, severity

    modules = (combat, effects, pooling, permutations, severity, forest)
    found = [job for module in modules for job in module.JOBS]
    return sorted(found, key=lambda job: job.group != "small")


def main(names: Sequence[str], set_aside: str = "") -> int:
    """Measure jobs whose name, group or size is among ``names``.

    ``set_aside`` are the kernels of OpenBLAS that were asked for and left out.
    """
    from threadpoolctl import threadpool_limits

    known = jobs()
    chosen = [job for job in known if not names or {job.name, job.group, job.size} & set(names)]
    if not chosen:
        told = ", ".join(sorted({job.name for job in known} | {job.group for job in known} - {""}))
        print(f"No job {' '.join(names)}: name one or more of {told}.", file=sys.stderr)
        return 2
    line("|".join(HEADER))
    line("|".join("---" for _ in HEADER))
    with threadpool_limits(limits=1):
        for job in chosen:
            for row in rows(job, *measure(job)):
                line("|".join(row))
        print(f"\n{kernels(blas(), set_aside)}", flush=True)
    return 0


def kernels(libraries: Sequence[Mapping[str, object]], set_aside: str) -> str:
    """Which kernels the table was measured with, and which were asked for instead."""
    used = [f"{library['version']} for {library['architecture']}" for library in libraries]
    told = f"OpenBLAS of numpy and scipy: {', '.join(used)}."
    found = {str(library["architecture"]).casefold() for library in libraries}
    if not set_aside or found == {set_aside.casefold()}:
        return told
    return (
        f"{told} OPENBLAS_CORETYPE={set_aside} is set and was left out, for by itself OpenBLAS "
        "finds the newest that the processor has; --keep-core-type keeps it."
    )


def blas() -> list[dict[str, object]]:
    """The OpenBLAS libraries in use: their kernels, chosen by OPENBLAS_CORETYPE, decide much."""
    from threadpoolctl import threadpool_info

    return [library for library in threadpool_info() if library["internal_api"] == "openblas"]


def line(text: str) -> None:
    """One line of the table, at once."""
    print(f"|{text}|".replace("|", " | ").strip(), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--set-aside", default="")
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    sys.exit(main(given.names, given.set_aside))
