"""Rows of a release that beside an earlier release of the same plan would tell about a few people.

A run is released when its people differ by enough; for one feature, one sex or one site they may
still differ by a few, and then the two numbers could be subtracted. Such rows are withheld, and as
many more as it takes that their difference cannot be worked out along the sums (`suppression`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import compress

import numpy as np
import pandas as pd
from django.conf import settings
from django.db.models import QuerySet

from analysis.models import Run, RunTable
from analysis.models.results import bits_of_rows
from analysis.services.disclosure import differencing, hidden_rows
from analysis.services.disclosure.rules import ARMS, Mask, few_in_an_arm
from analysis.services.disclosure.suppression import POOL, Cell, Table, by_a_few, completed

NAMES = ("effects", "pooled")
CELL = ["feature", "stratum", "site"]
Key = tuple[str, str, str]


def withhold(run: Run) -> None:
    """Mark rows of a run that is being released: only data managers get their numbers."""
    stored = {table.name: table for table in RunTable.objects.filter(run=run, name__in=NAMES)}
    if set(stored) != set(NAMES):
        return
    frames = {name: table.frame for name, table in stored.items()}
    found = _found(frames, _comparisons(run, frames))
    for name, table in stored.items():
        rows = np.array([cell in found for cell in _keys(frames[name])], dtype=bool)
        RunTable.objects.filter(pk=table.pk).update(withheld=bits_of_rows(rows))


def _comparisons(run: Run, frames: dict[str, pd.DataFrame]) -> list[pd.DataFrame]:
    """Beside each earlier release the features in which a cell must be guarded, and no others.

    Read once, under the lock of the order: what is withheld later only lessens what is guarded.
    """
    nothing = [np.zeros(len(frames[name]), dtype=bool) for name in NAMES]
    now, found = _cells([frames[name] for name in NAMES], nothing), []
    for before in _earlier(run):
        joined = beside(now, before)
        features = joined.index[joined["guarded"]].unique("feature")
        if len(features):
            found.append(
                joined.loc[features, [*ARMS, "d_case", "d_control", "told_before", "guarded"]]
            )
    return found


def _found(frames: dict[str, pd.DataFrame], comparisons: list[pd.DataFrame]) -> set[Key]:
    """Cells to be withheld beside all earlier releases together."""
    found: set[Key] = set()
    if not comparisons:
        return found
    sizes = hidden_rows.sizes_of(*(frames[name] for name in NAMES))
    features = {feature for joined in comparisons for feature in joined.index.unique("feature")}
    some = {name: frames[name][frames[name]["feature"].isin(features)] for name in NAMES}
    hidden = _hidden(some, sizes)
    # What is withheld for one release can leave a few beside another: until nothing is added.
    while more := _close(comparisons, hidden, sizes, found):
        found |= more
    return found


def _close(
    comparisons: list[pd.DataFrame],
    hidden: dict[str, set[Cell]],
    sizes: dict[Cell, int],
    found: set[Key],
) -> set[Key]:
    """Cells to be withheld beside those that were found before."""
    added: set[Key] = set()
    for joined in comparisons:
        still = joined["guarded"] & ~joined.index.isin(found)
        for feature in joined.index[still].unique("feature"):
            part = joined.loc[feature].assign(guarded=still.loc[feature])
            withheld = {cell[1:] for cell in found if cell[0] == feature}
            out = closed(part, hidden[feature], withheld, sizes)
            added |= {(str(feature), *cell) for cell in out}
    return added - found


def closed(
    part: pd.DataFrame, hidden: set[Cell], withheld: set[Cell], sizes: dict[Cell, int]
) -> set[Cell]:
    """Cells of one feature that may not be told beside that release."""
    cells: list[Cell] = list(part.index)
    people = dict(zip(cells, zip(part["n_case"], part["n_control"], strict=True), strict=True))
    moved = dict(zip(cells, zip(part["d_case"], part["d_control"], strict=True), strict=True))
    guarded = {cell for cell, is_guarded in zip(cells, part["guarded"], strict=True) if is_guarded}
    dark = {cell for cell, told in zip(cells, part["told_before"], strict=True) if not told}
    inside = frozenset(cell for cell in cells if cell[1] != POOL)
    out = completed(
        Table(people, inside),
        (hidden & people.keys()) | dark | guarded | withheld,
        guarded,
        k=settings.DISCLOSURE_K,
        sizes=sizes,
        moved=moved,
    )
    return guarded | (set(out) - hidden - dark)


def _hidden(some: dict[str, pd.DataFrame], sizes: dict[Cell, int]) -> dict[str, set[Cell]]:
    """What analysts do not see of each feature, without any other release."""
    effects, pooled = (some[name] for name in NAMES)
    judged = hidden_rows.judge(effects, pooled, k=settings.DISCLOSURE_K, sizes=sizes)
    found: dict[str, set[Cell]] = defaultdict(set)
    for frame, mask in ((effects, judged.effects_hidden), (pooled, judged.pooled_hidden)):
        for feature, stratum, site in compress(_keys(frame), mask):
            found[feature].add((stratum, site))
    return found


def _earlier(run: Run) -> Iterator[pd.DataFrame]:
    """What each earlier release of the plan told, the newest first."""
    for before in released_before(run).order_by("-released_at").iterator(20):
        stored = {each.name: each for each in RunTable.objects.filter(run=before, name__in=NAMES)}
        if set(stored) == set(NAMES):
            tables = [stored[name] for name in NAMES]
            yield _cells(
                [table.frame for table in tables], [table.withheld_rows for table in tables]
            )


def released_before(run: Run) -> QuerySet[Run]:
    """The earlier releases of the run's plan."""
    return differencing.earlier_releases(run).filter(plan__name=run.plan.name)


def _cells(frames: list[pd.DataFrame], withheld: list[Mask]) -> pd.DataFrame:
    """People of each cell with an estimate, and whether by itself it may be told."""
    parts = []
    for frame, out in zip(frames, withheld, strict=True):
        there = frame["estimate"].notna().to_numpy()
        told = ~few_in_an_arm(frame, settings.DISCLOSURE_K) & ~out
        counts = frame[ARMS].fillna(0).astype(int).set_axis(["n_case", "n_control"], axis=1)
        keys = pd.DataFrame(_keys(frame), columns=CELL, index=frame.index)
        parts.append(pd.concat([keys, counts], axis=1).assign(told=told)[there])
    return pd.concat(parts).groupby(CELL).agg({**dict.fromkeys(ARMS, "max"), "told": "any"})


def beside(now: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    """Both releases' cells: people now, how many more than before, and which must be guarded.

    Where a cell was not there before, or is not now, everybody knows that it is nobody.
    """
    joined = now.merge(
        before, how="outer", left_index=True, right_index=True, suffixes=("", "_before")
    ).sort_index()
    both = joined["n_case"].notna() & joined["n_case_before"].notna()
    told = joined[["told", "told_before"]].astype("boolean").fillna(True).astype(bool)
    joined[["told", "told_before"]] = told
    numbers = [*ARMS, *(f"{arm}_before" for arm in ARMS)]
    joined[numbers] = joined[numbers].fillna(0).astype(int)
    for arm in ("case", "control"):
        joined[f"d_{arm}"] = joined[f"n_{arm}"] - joined[f"n_{arm}_before"]
    k = settings.DISCLOSURE_K
    few = [by_a_few([arms], k) for arms in zip(joined["d_case"], joined["d_control"], strict=True)]
    guarded = both & joined["told"] & joined["told_before"] & np.array(few, dtype=bool)
    return joined.assign(guarded=guarded)


def _keys(frame: pd.DataFrame) -> list[Key]:
    sites = frame["site"] if "site" in frame else [POOL] * len(frame)
    columns = (frame["feature"].astype(str), frame["stratum"].astype(str), sites)
    return [(f, s, str(site)) for f, s, site in zip(*columns, strict=True)]
