"""What one new batch at one site costs a study of 5, 20 and 50 sites: time, and share reused.

``python -m benchmarks.refresh [N_SITES ...] [--people N]``, in the project's own environment,
without database: the steps of a run with what an earlier run has kept in memory.
"""

from __future__ import annotations

import argparse
import gc
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace

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
PLAN = AnalysisPlan(
    case=("hikikomori",), control=("healthy_control",), outcome="outcome", n_trees=10
)
WHOLE = "the whole run"


@dataclass
class Counted:
    """Processor seconds of a step, its pieces, and how many were kept from before."""

    seconds: float = 0.0
    asked: int = 0
    reused: int = 0


@dataclass
class InMemory:
    """Keeps the results of pieces as a run does, and counts them by the step that asks."""

    kept: dict[str, bytes] = field(default_factory=dict)
    leaves: Leaves = field(default_factory=Leaves)
    steps: dict[str, Counted] = field(default_factory=dict)
    _began: float = field(default_factory=time.process_time)

    def on_step(self, name: str, _share: float) -> None:
        """The processor time until now was the last step's: reading, asking and computing."""
        self.end()
        self.steps[name] = Counted()

    def total(self) -> Counted:
        """All steps together."""
        each = list(self.steps.values())
        return Counted(*(sum(column) for column in zip(*map(astuple, each), strict=True)))

    def end(self) -> None:
        """The step that is at work has ended."""
        now = time.process_time()
        if self.steps:
            next(reversed(self.steps.values())).seconds += now - self._began
        self._began = now

    def each(self, pieces: Sequence[Piece]) -> list[Tree]:
        step, results = next(reversed(self.steps.values())), []
        for piece in pieces:
            name = digest(piece, self.leaves, "")
            step.asked += 1
            step.reused += name in self.kept
            if name not in self.kept:
                self.kept[name] = packed_result(piece, self.leaves)
            result = unpack(self.kept[name])
            self.leaves.adopt(result, name)
            results.append(result)
        return results


def study(n_sites: int, n_people: int = PEOPLE) -> StudyFrames:
    """Sites with one batch each."""
    rng = np.random.default_rng(n_sites)
    n = n_sites * n_people
    site = np.repeat([f"S{number:02}" for number in range(n_sites)], n_people)
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


def main(sizes: Sequence[int], n_people: int) -> None:
    """Print a table: of each step the processor seconds of the first and of the second run."""
    gc.freeze()  # as workers do
    print("| sites | step | first run, CPU s | after one batch, CPU s | taken from the first run |")
    print("|---|---|---|---|---|")
    for n_sites in sizes:
        frames = study(n_sites, n_people)
        first = _timed(frames, {})
        second = _timed(with_new_batch(frames), first.kept)
        _print(n_sites, first.steps, second.steps)
        _print(n_sites, {WHOLE: first.total()}, {WHOLE: second.total()})


def _print(n_sites: int, first: Mapping[str, Counted], second: Mapping[str, Counted]) -> None:
    for name, before in first.items():
        after = second[name]
        share = f"{after.reused} of {after.asked}" if after.asked else ""
        told = f"{name} | {before.seconds:.2f} | {after.seconds:.2f} | {share}"
        print(f"| {n_sites} | {told} |", flush=True)


def _timed(frames: StudyFrames, kept: dict[str, bytes]) -> InMemory:
    steps = InMemory(dict(kept))
    compute(frames, PLAN, [], on_step=steps.on_step, steps=steps)
    steps.end()
    return steps


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="benchmarks.refresh")
    parser.add_argument("sizes", metavar="N_SITES", type=int, nargs="*", default=[5, 20, 50])
    parser.add_argument("--people", type=int, default=PEOPLE, help="of each site")
    asked = parser.parse_args()
    main(asked.sizes, asked.people)
