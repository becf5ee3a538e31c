"""What one new batch at one site costs a study of 5, 20 and 50 sites: time, and share reused.

``python -m benchmarks.refresh [N_SITES ...]``, in the project's own environment, without database:
the steps of a run with what an earlier run has kept in memory.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import django
import numpy as np
import pandas as pd

from hikiproject import testing

testing.enter()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hikiproject.settings")
django.setup()  # frames knows the database's rows too, though none is read here

from analysis.frames import BatchFrame, StudyFrames  # noqa: E402
from analysis.packing import Tree, unpack  # noqa: E402
from analysis.pipeline import compute  # noqa: E402
from analysis.plans import AnalysisPlan  # noqa: E402
from analysis.steps.pieces import Leaves, Piece, digest, packed_result  # noqa: E402

PEOPLE, FEATURES = 80, 300  # a site's people, half of them cases
PLAN = AnalysisPlan(case=("hikikomori",), control=("healthy_control",), n_trees=10)


@dataclass
class InMemory:
    """Keeps the results of pieces as a run does, and counts by kind."""

    kept: dict[str, bytes] = field(default_factory=dict)
    counts: dict[str, list[float]] = field(default_factory=dict)
    leaves: Leaves = field(default_factory=Leaves)

    def each(self, pieces: Sequence[Piece]) -> list[Tree]:
        results = []
        for piece in pieces:
            started, name = time.process_time(), digest(piece, self.leaves, "")
            tally = self.counts.setdefault(piece.kind, [0, 0, 0.0])
            tally[name in self.kept] += 1
            if name not in self.kept:
                self.kept[name] = packed_result(piece, self.leaves)
            result = unpack(self.kept[name])
            self.leaves.adopt(result, name)
            results.append(result)
            tally[2] += time.process_time() - started
        return results


def study(n_sites: int) -> StudyFrames:
    """Sites with one batch each."""
    rng = np.random.default_rng(n_sites)
    n = n_sites * PEOPLE
    site = np.repeat([f"S{number:02}" for number in range(n_sites)], PEOPLE)
    people = pd.DataFrame(
        {
            "site": site,
            "code": [f"P{number}" for number in range(n)],
            "group": np.tile(["hikikomori", "healthy_control"], n // 2),
            "sex": rng.choice(["male", "female"], n),
            "age_years": rng.integers(18, 60, n).astype(float),
            "drug_free": True,
            "outcome": rng.normal(50, 10, n),
        },
        index=pd.RangeIndex(n, name="participant_id"),
    )
    batches = [_batch(at, people.index[site == f"S{at:02}"], rng) for at in range(n_sites)]
    return StudyFrames(people=people, batches=tuple(batches))


def _batch(at: int, who: pd.Index, rng: np.random.Generator) -> BatchFrame:
    names = [f"feature {number}" for number in range(FEATURES)]
    empty = {"hmdb": "", "unit": "umol/L", "canonical_unit": "", "factor": np.nan, "lod": np.nan}
    return BatchFrame(
        batch_id=at,
        site=f"S{at:02}",
        platform="LC-MS/MS",
        matrix="plasma",
        scale="raw",
        columns=pd.DataFrame({"feature": names, "source_name": names, **empty}),
        rows=pd.DataFrame({"participant_id": who, "spin_delay_hours": np.nan}),
        values=np.exp(rng.normal(size=(len(who), FEATURES))),
        flags=np.zeros((len(who), FEATURES), dtype=np.uint8),
    )


def with_new_batch(frames: StudyFrames) -> StudyFrames:
    """The same study after ten more people at its first site."""
    new = np.arange(10) + len(frames.people)
    rows = frames.people.iloc[:10].set_axis(pd.Index(new, name="participant_id"))
    rows = rows.assign(code=[f"N{number}" for number in range(10)])
    batch = _batch(0, pd.Index(new), np.random.default_rng(7))
    people = pd.concat([frames.people, rows])
    return StudyFrames(people, (*frames.batches, replace(batch, batch_id=1000)))


def main(sizes: Sequence[int]) -> None:
    """Print a table: of each step the processor seconds of the first and of the second run."""
    print("| sites | step | first run, CPU s | after one batch, CPU s | taken from the first run |")
    print("|---|---|---|---|---|")
    for n_sites in sizes:
        frames = study(n_sites)
        first, whole = _timed(frames, {})
        second, again = _timed(with_new_batch(frames), first.kept)
        for kind, (_, _, seconds) in first.counts.items():
            computed, reused, later = second.counts[kind]
            share = f"{reused:.0f} of {computed + reused:.0f}"
            print(f"| {n_sites} | {kind} | {seconds:.2f} | {later:.2f} | {share} |")
        print(f"| {n_sites} | the whole run | {whole:.2f} | {again:.2f} | |", flush=True)


def _timed(frames: StudyFrames, kept: dict[str, bytes]) -> tuple[InMemory, float]:
    steps, started = InMemory(dict(kept)), time.process_time()
    compute(frames, PLAN, [], on_step=lambda _name, _share: None, steps=steps)
    return steps, time.process_time() - started


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [5, 20, 50])
