"""A site's assay table, from the file to its checked rows, beside what pandas needs to parse it.

Run alone: `python -m benchmarks.files`. Processor time of one core, the best of several; what the
database then takes is not in it.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd

from cohorts.ingest import checking
from cohorts.ingest.assay_tables.assay_options import AssayOptions
from cohorts.ingest.child import client
from cohorts.ingest.facts import SCOPES, ParticipantFacts, SampleFacts, SiteFacts

N_SAMPLES, N_FEATURES, TIMES = 2_000, 1_000, 5
OPTIONS = AssayOptions("LC-MS", "plasma")


def a_table(n_samples: int, n_features: int) -> bytes:
    """Concentrations with six decimals, as an instrument's export has them."""
    values = np.exp(np.random.default_rng(1).normal(size=(n_samples, n_features))).round(6)
    frame = pd.DataFrame(values, columns=[f"metabolite {j} [umol/L]" for j in range(n_features)])
    frame.insert(0, "sample", [f"S{i}" for i in range(n_samples)])
    return frame.to_csv(index=False).encode()


def books(n_samples: int) -> SiteFacts:
    person = ParticipantFacts("P", frozenset(SCOPES))
    samples = {f"S{i}": SampleFacts(f"S{i}", "P", "plasma") for i in range(n_samples)}
    return SiteFacts("FUK", date(2026, 1, 1), participants={"P": person}, samples=samples)


def best(
    work: Callable[[], object], clock: Callable[[], float] = time.process_time, times: int = TIMES
) -> float:
    """Seconds of the quickest run."""
    seconds = []
    for _ in range(times):
        began = clock()
        work()
        seconds.append(clock() - began)
    return min(seconds)


def measure(n_samples: int = N_SAMPLES, n_features: int = N_FEATURES) -> dict[str, float]:
    """Seconds by what was done; a small file's in wall-clock time, since its child works too."""
    content, facts = a_table(n_samples, n_features), books(n_samples)
    small = b"participant,sex\nF001,female\n"
    client.read_file("participants", small, "p.csv")  # the warm process is started once
    checked = best(lambda: checking.check_file("assays", content, "t.csv", lambda: facts, OPTIONS))
    return {
        "pandas.read_csv": best(lambda: pd.read_csv(io.BytesIO(content))),
        "file to checked rows": checked,
        "a small file through the child": best(
            lambda: client.read_file("participants", small, "p.csv"), time.perf_counter, 20
        )
        - best(lambda: checking.read_file("participants", small, "p.csv"), time.perf_counter, 20),
        "samples a second": n_samples / checked,
    }


if __name__ == "__main__":
    for what, figure in measure().items():
        print(f"{what:32} {figure:10.4f}")
