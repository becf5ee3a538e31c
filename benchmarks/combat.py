"""ComBat with four covariates, fitted and applied."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd

from analysis.stats.combat import fit_combat
from benchmarks.contenders import Contender, Job, installed
from benchmarks.r_peers import r_contender

N_COVARIATES = 4
Targets = dict[str, float]


def study(n: int, m: int, n_batches: int, missing: float = 0.0):
    """Values, batch names in random order, and covariates."""
    rng = np.random.default_rng(7)
    number = rng.permutation(np.arange(n) % n_batches)
    covariates = rng.normal(size=(n, N_COVARIATES))
    values = rng.normal(10, 1, (n, m))
    values *= rng.uniform(0.7, 1.4, (n_batches, m))[number]
    values += rng.normal(size=(n_batches, m))[number]
    values[rng.random(n) < 0.5, : m // 10] += 0.3
    if missing:
        values[rng.random(values.shape) < missing] = np.nan
    return values, number, covariates


def contenders(
    n: int,
    m: int,
    n_batches: int,
    targets: Targets,
    copies: float,
    missing: float,
    leave: Sequence[str],
) -> list[Contender]:
    """Ours, copying the array, and the peers; those in ``leave`` would take too long."""
    values, number, covariates = study(n, m, n_batches, missing)
    batch = np.array([f"site {code}" for code in number])
    found = [
        Contender(
            "hikiproject",
            lambda: fit_combat(values, batch, covariates).apply(values, batch, covariates),
        ),
        Contender("copy of the array", partial(np.copy, values), limit=copies or None),
    ]
    peers: dict[str, Callable[[], object]] = {
        "neuroHarmonize": partial(_neuro_harmonize, values, batch, covariates),
        "neuroCombat": partial(_neuro_combat, values, batch, covariates),
        "combaters": partial(_combaters, values, batch, covariates),
    }
    # These stop, or spoil every feature, at a missing value.
    for name, call in peers.items():
        if name not in leave and not missing:
            found.append(Contender(name, call, target=targets.get(name), why_not=installed(name)))
    if "R sva" not in leave:
        found.append(
            r_contender(
                "R sva",
                "sva",
                {"x": values, "batch": number[:, None], "covariates": covariates},
                "mod <- model.matrix(~ t(covariates))\n"
                "job <- function() suppressMessages(ComBat(x, as.vector(batch), mod))",
                target=targets.get("R sva"),
            )
        )
    return found


def _frame(batch: np.ndarray, covariates: np.ndarray) -> pd.DataFrame:
    names = [f"c{column}" for column in range(covariates.shape[1])]
    return pd.DataFrame(covariates, columns=names).assign(SITE=batch)


def _neuro_harmonize(values: np.ndarray, batch: np.ndarray, covariates: np.ndarray) -> object:
    from neuroHarmonize import harmonizationLearn

    return harmonizationLearn(values, _frame(batch, covariates))


def _neuro_combat(values: np.ndarray, batch: np.ndarray, covariates: np.ndarray) -> object:
    from neuroCombat import neuroCombat

    frame = _frame(batch, covariates)
    return neuroCombat(values.T, frame, "SITE", continuous_cols=list(frame.columns[:-1]))


def _combaters(values: np.ndarray, batch: np.ndarray, covariates: np.ndarray) -> object:
    from combaters import combat

    return combat(values, batch, covariates)


def _job(
    size: tuple[int, int, int],
    *,
    targets: Targets,
    copies: float = 0.0,
    missing: float = 0.0,
    rounds: int = 5,
    group: str = "",
    leave: Sequence[str] = (),
) -> Job:
    n, m, n_batches = size
    gaps = f", {missing:.0%} missing" if missing else ""
    return Job(
        name="combat",
        size=f"{n:,} x {m:,}, {n_batches} batches{gaps}",
        contenders=partial(contenders, n, m, n_batches, targets, copies, missing, leave),
        rounds=rounds,
        memory_of=n * m * 8.0 if group == "large" else None,
        group=group,
    )


SMALL = {"neuroHarmonize": 1.0, "neuroCombat": 1.0, "combaters": 1.0, "R sva": 1.0}
JOBS = [
    _job((83, 100, 3), targets=SMALL, rounds=51, group="small"),
    _job((2_000, 1_000, 5), targets={"neuroHarmonize": 8.0, "R sva": 50.0}, copies=14.0, rounds=11),
    _job((2_000, 1_000, 5), targets={}, missing=0.05, rounds=7),
    _job(
        (20_000, 1_000, 10), targets={"neuroHarmonize": 12.0}, copies=4.0, rounds=3, group="large"
    ),
    # neuroCombat and sva need more than 100 times ours, and sva 6.6 GB.
    _job(
        (5_000, 20_000, 10),
        targets={"neuroHarmonize": 30.0},
        copies=4.0,
        rounds=3,
        group="large",
        leave=("neuroCombat", "R sva", "combaters"),
    ),
]
