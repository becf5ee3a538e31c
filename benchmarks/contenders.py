"""What a job measures, and the table that it gives."""

import contextlib
import importlib
import io
import time
import tracemalloc
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

# A contender that took longer than this is not run again. One that takes less is called anew in
# its turn, at least once and until it is warm, and the last call counts: while another one worked,
# caches went cold and memory went back to the system, and whoever came after the one that took
# most would pay for it.
SLOW_SECONDS = 4.0
WARM_CALLS, WARM_SECONDS = 8, 0.5


@dataclass(frozen=True)
class Contender:
    """One way to do a job.

    ``call`` does it, or is one that knows its own ``seconds`` (R). ``scale`` multiplies its time
    where only a part of the job is done. ``target`` is how many times longer than ours it should
    take at least; for a floor, such as copying the array, ``limit`` is how many times as long as
    it ours may take at most. ``why_not`` says why it could not take part.
    """

    name: str
    call: Callable[[], object] | None = None
    seconds: Callable[[], float] | None = None
    scale: float = 1.0
    target: float | None = None
    limit: float | None = None
    why_not: str = ""


@dataclass(frozen=True)
class Job:
    """A job at one size: ``contenders`` makes the data and everybody's calls, ours first."""

    name: str
    size: str
    contenders: Callable[[], Sequence[Contender]]
    rounds: int = 5
    memory_of: float | None = None  # bytes of the input, where the peak of ours is asked
    group: str = ""


@dataclass
class Timing:
    """Seconds of the rounds of one contender."""

    contender: Contender
    seconds: list[float] = field(default_factory=list)
    failure: str = ""

    @property
    def median(self) -> float:
        """Median in seconds of the whole job."""
        return median(self.seconds[1:] or self.seconds) * self.contender.scale


def measure(job: Job) -> tuple[list[Timing], float | None]:
    """Time all contenders in turn, round after round; the peak memory of ours in inputs."""
    timings = [Timing(contender) for contender in job.contenders()]
    running = [timing for timing in timings if not timing.contender.why_not]
    # The first round warms up: it counts only for a contender that has no second.
    for number in range(job.rounds + 1):
        # Another one begins each round: whoever came after a process of its own, in which the
        # core had gone to sleep, would pay for that every time.
        first = number % max(len(running), 1)
        for timing in running[first:] + running[:first]:
            if timing.seconds and timing.seconds[0] > SLOW_SECONDS and timing is not timings[0]:
                continue
            try:
                timing.seconds.append(_turn(timing))
            except Exception as error:  # noqa: BLE001  a peer's failure is a result of its own
                timing.failure = f"{type(error).__name__}: {error}"[:160]
                running.remove(timing)
    return timings, _peak(timings[0].contender, job.memory_of)


def _turn(timing: Timing) -> float:
    taken = [_once(timing.contender)]
    if timing.seconds and timing.seconds[0] <= SLOW_SECONDS:
        taken.append(_once(timing.contender))
        while len(taken) < WARM_CALLS and sum(taken) < WARM_SECONDS:
            taken.append(_once(timing.contender))
    return taken[-1]


def _once(contender: Contender) -> float:
    if contender.seconds is not None:
        return contender.seconds()
    assert contender.call is not None
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        contender.call()
        return time.perf_counter() - start


def _peak(ours: Contender, size: float | None) -> float | None:
    if size is None or ours.call is None:
        return None
    tracemalloc.start()
    ours.call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / size


HEADER = ("job", "size", "contender", "time", "beside ours", "target", "reached")


def rows(job: Job, timings: list[Timing], peak: float | None) -> list[tuple[str, ...]]:
    """Lines of the table."""
    ours = timings[0].median
    table = []
    for place, timing in enumerate(timings):
        head = (job.name, job.size) if place == 0 else ("", "")
        if timing.contender.why_not or timing.failure:
            why = timing.contender.why_not or timing.failure
            table.append((*head, timing.contender.name, "-", why, "", ""))
            continue
        table.append(
            (*head, timing.contender.name, duration(timing.median), *_verdict(timing, ours))
        )
    if peak is not None:
        reached = "yes" if peak <= 1.1 else "no"
        table.append(
            ("", "", "memory of ours, its output in it", "", f"{peak:.2f} inputs", "<= 1", reached)
        )
    return table


def _verdict(timing: Timing, ours: float) -> tuple[str, str, str]:
    contender, ratio = timing.contender, timing.median / ours
    if contender.limit is not None:
        took = 1 / ratio
        reached = "yes" if took <= contender.limit else "no"
        return f"ours takes {took:.2f} of it", f"<= {contender.limit:.3g}", reached
    if contender.target is None:
        return ("1", "", "") if ratio == 1 else (f"{ratio:.2f} times", "", "")
    reached = "yes" if ratio >= contender.target else "no"
    return f"{ratio:.3g} times", f">= {contender.target:g}", reached


def duration(seconds: float) -> str:
    """Seconds in the unit that reads best."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def installed(module: str) -> str:
    """Import a peer, so that this is not timed; why it cannot take part, "" if it can."""
    try:
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001  whatever a peer does when it is imported
        return f"{type(error).__name__}: {error}"[:160]
    return ""
