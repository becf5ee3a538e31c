"""From an accepted table to the published run: real database, broker, sweeper and worker.

``python -m benchmarks.latency PEOPLE FEATURES SITES [--permutations N] [--trees N] [--workers N]
[--times N]`` in the project's own environment. After the first run one more batch of ten people
comes at the first site; with ``--times`` several come, one after another, and the median is told.
``--speed-up`` compares one worker with two instead, in turn, on a plan of permutations.
"""

from __future__ import annotations

import argparse
import os
import statistics
import threading
import time
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import django
import numpy as np
import psutil

from hikiproject import testing

PATIENCE_SECONDS = 900


def settings_of(asked: argparse.Namespace) -> dict[str, Any]:
    return {
        "case": ["hikikomori"],
        "control": ["healthy_control"],
        "n_trees": asked.trees,
        "permutations": asked.permutations,
        "outcome": "",
    }


def add_people(site: Any, n: int, n_features: int, rng: np.random.Generator) -> None:
    """A batch of new consenting people of a site, and the change that says so, in one go."""
    from django.db import transaction

    from cohorts import models
    from cohorts.models.assay import pack_flags, pack_values
    from tests import factories as make

    with transaction.atomic():
        batch = make.AssayBatchFactory(site=site)
        names = [f"feature {number}" for number in range(n_features)]
        models.Feature.objects.bulk_create(
            [models.Feature(name=name) for name in names], ignore_conflicts=True
        )
        known = {one.name: one for one in models.Feature.objects.filter(name__in=names)}
        models.BatchFeature.objects.bulk_create(
            models.BatchFeature(
                batch=batch, position=at, feature=known[name], source_name=name, unit="relative"
            )
            for at, name in enumerate(names)
        )
        people = [
            make.ParticipantFactory.build(
                site=site,
                group=("hikikomori", "healthy_control")[at % 2],
                sex=("male", "female")[at // 2 % 2],
                age_years=float(rng.integers(18, 60)),
            )
            for at in range(n)
        ]
        people = models.Participant.objects.bulk_create(people)
        models.Consent.objects.bulk_create(
            make.ConsentFactory.build(participant=person) for person in people
        )
        samples = models.Sample.objects.bulk_create(
            make.SampleFactory.build(participant=person, site=site) for person in people
        )
        flags = pack_flags(np.zeros(n_features, dtype=np.uint8))
        models.AssayRow.objects.bulk_create(
            (
                models.AssayRow(
                    batch=batch,
                    sample=sample,
                    label=sample.code,
                    packed_values=pack_values(np.exp(rng.normal(size=n_features))),
                    packed_flags=flags,
                )
                for sample in samples
            ),
            batch_size=1000,
        )
        models.Change.objects.record(
            study=site.study, site=site, kind="assays", counts={"rows": n}, cause="benchmark"
        )


def long_ago() -> None:
    """Make the changes so far an hour old: the next table comes alone, as most do."""
    from django.db.models.functions import Now

    from cohorts.models import Change

    Change.objects.update(recorded_at=Now() - timedelta(hours=1))


def published_after(accepted: float, n_before: int, pause: float = 0.02) -> Any:
    """The run that the accepted table led to, once it is published; its seconds."""
    from analysis.models import Run

    while time.monotonic() - accepted < PATIENCE_SECONDS:
        runs = Run.objects.exclude(state__in=("queued", "running")).order_by("-queued_at")
        if len(runs) > n_before:
            if runs[0].state != "published":
                raise SystemExit(f"The run is {runs[0].state}: {runs[0].failure}")
            return runs[0], time.monotonic() - accepted
        time.sleep(pause)
    raise SystemExit("No run was published in time.")


def cpu_of(pid: int) -> float:
    """Processor seconds of a worker and its children so far."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(sum(process.cpu_times()[:2]) for process in family)


def others_busy(pids: list[int]) -> float:
    """Processor seconds so far of all other processes of the machine, the database's too."""
    times = psutil.cpu_times()
    return times.user + times.nice + times.system - sum(cpu_of(pid) for pid in pids)


class PeakTogether:
    """The most memory that a worker and its children have had at one time, in MiB (PSS).

    What several of them share counts once: each is charged its part of it.
    """

    def __init__(self, pid: int) -> None:
        self._worker, self._ending = psutil.Process(pid), threading.Event()
        self.mib, self.parts = 0.0, [0.0]
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        parts = [0.0]
        while not self._ending.wait(0.2):
            family = [self._worker, *self._worker.children(recursive=True)]
            with suppress(psutil.NoSuchProcess):  # ended as we looked
                parts = [one.memory_full_info().pss / 2**20 for one in family]
            if sum(parts) > self.mib:
                self.mib, self.parts = sum(parts), parts

    def told(self) -> str:
        self._ending.set()
        self._thread.join()
        parts = ", ".join(f"{part:.0f}" for part in sorted(self.parts, reverse=True))
        return f"most memory of all worker processes together: {self.mib:.0f} MiB ({parts})"


def peak_mib(pid: int) -> float:
    """The most memory that any one process of this worker has had."""
    peaks = []
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines()
        peaks += [int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM")]
    return max(peaks)


def tell(name: str, run: Any, seconds: float, cpu: float) -> None:
    waited = (run.started_at - run.queued_at).total_seconds()
    computed = (run.published_at - run.started_at).total_seconds()
    until_queued, load = seconds - computed - waited, os.getloadavg()[0]
    print(f"{name}: {seconds:.2f} s from accepted to published, load {load:.1f}:")
    print(f"  {until_queued:.2f} s until queued, {waited:.2f} s queued, {computed:.2f} s computing")
    print(f"  worker's processor time {cpu:.2f} s")
    for step in run.summary["reused"]:
        kept = f"{step['reused']} of {step['total']} kept"
        print(f"  {step['step']:16}{step['seconds']:9.2f} s, {kept}")
    began = ", ".join(f"{step} {at:.2f}" for step, at in run.steps)
    print(f"  steps began at (s): {began}", flush=True)


def measure(asked: argparse.Namespace) -> None:
    from analysis.models import Plan
    from analysis.services import freshness
    from hikiproject.processes import Processes
    from tests import factories as make

    rng = np.random.default_rng(1)
    study = make.StudyFactory()
    with Processes.start(["sweeper", "worker"], concurrency=asked.workers) as running:
        running.wait_until_ready()
        sites = [make.SiteFactory(study=study, code=f"S{at:02}") for at in range(asked.sites)]
        for site in sites:
            add_people(site, asked.people // asked.sites, asked.features, rng)
        Plan.objects.create(study=study, name="bench", data=settings_of(asked))
        accepted = time.monotonic()
        freshness.nudge()
        worker = running.pid("worker")
        peak, used = PeakTogether(worker), cpu_of(worker)
        tell("first run", *published_after(accepted, 0), cpu_of(worker) - used)
        taken = []
        for n in range(asked.times):
            long_ago()
            add_people(sites[0], 10, asked.features, rng)
            accepted, used = time.monotonic(), cpu_of(worker)
            run, seconds = published_after(accepted, 1 + n)
            taken.append(seconds)
            tell(f"batch {n + 1}", run, seconds, cpu_of(worker) - used)
        if taken:
            print(f"median of {len(taken)} batches: {statistics.median(taken):.2f} s")
        print(f"peak of a worker process: {peak_mib(running.pid('worker')):.0f} MiB")
        print(peak.told())


def speed_up(asked: argparse.Namespace) -> None:
    """Seconds of the permutations with one worker and with a second one, in turn."""
    from analysis.models import Plan
    from analysis.services import runs
    from analysis.services.bell import ring
    from hikiproject.processes import Processes
    from tests import factories as make

    rng, study = np.random.default_rng(1), make.StudyFactory()
    found: dict[int, list[float]] = {1: [], 2: []}
    with Processes.start(["sweeper", "worker"], concurrency=1) as running:
        running.wait_until_ready()
        for at in range(asked.sites):
            site = make.SiteFactory(study=study, code=f"S{at:02}")
            add_people(site, asked.people // asked.sites, asked.features, rng)
        for turn in range(2 * asked.times):
            n_workers = 1 + turn % 2
            data = settings_of(asked) | {"strata": ["all"], "seed": turn}
            plan = Plan.objects.create(
                study=study, name="bench", version=turn + 1, data=data, followed=False
            )
            with ExitStack() as stack:
                if n_workers == 2:
                    stack.enter_context(second := Processes.start(["worker"], concurrency=1))
                    second.wait_until_ready()
                run = runs.request(plan, cause="benchmark")
                pids = [running.pid("worker"), *([second.pid("worker")] if n_workers == 2 else [])]
                began, before = time.monotonic(), others_busy(pids)
                ring("analysis.execute", str(run.pk))
                # The run itself tells its seconds; who asks often takes a processor's share.
                run, _ = published_after(time.monotonic(), turn, pause=0.5)
                others = (others_busy(pids) - before) / (time.monotonic() - began)
            steps = {step["step"]: step["seconds"] for step in run.summary["reused"]}
            found[n_workers].append(steps["permutations"])
            took = f"{steps['permutations']:.2f} s, all others took {others:.2f} processors"
            print(f"{n_workers} worker(s): {took}", flush=True)
    medians = {n: statistics.median(seconds) for n, seconds in found.items()}
    print(f"{medians[1]:.2f} s by one, {medians[2]:.2f} s by two: {medians[1] / medians[2]:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("people", "features", "sites"):
        parser.add_argument(name, type=int)
    parser.add_argument("--permutations", type=int, default=0)
    parser.add_argument("--trees", type=int, default=300)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--speed-up", action="store_true")
    asked = parser.parse_args()
    testing.enter()  # a state folder of its own
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hikiproject.settings")
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("flush", interactive=False, verbosity=0)
    speed_up(asked) if asked.speed_up else measure(asked)


if __name__ == "__main__":
    main()
