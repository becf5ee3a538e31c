"""Runs inside the peers' environment and prints the table of the jobs."""

import sys
from collections.abc import Sequence

from benchmarks.contenders import HEADER, Job, measure, rows


def jobs() -> list[Job]:
    """All jobs, the small before the large."""
    from benchmarks import combat, effects, forest, permutations, pooling, severity

    modules = (combat, effects, pooling, permutations, severity, forest)
    found = [job for module in modules for job in module.JOBS]
    return sorted(found, key=lambda job: job.group != "small")


def main(names: Sequence[str]) -> int:
    """Measure jobs whose name, group or size is among ``names``."""
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
        told = (f"{library['version']} for {library['architecture']}" for library in blas())
        print(f"\nOpenBLAS of numpy and scipy: {', '.join(told)}.", flush=True)
    return 0


def blas() -> list[dict[str, object]]:
    """The OpenBLAS libraries in use: their kernels, chosen by OPENBLAS_CORETYPE, decide much."""
    from threadpoolctl import threadpool_info

    return [library for library in threadpool_info() if library["internal_api"] == "openblas"]


def line(text: str) -> None:
    """One line of the table, at once."""
    print(f"|{text}|".replace("|", " | ").strip(), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
