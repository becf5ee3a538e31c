"""Rows of a release that beside an earlier release of the same plan would tell about a few people.

A run is released when its people differ by enough; for one feature, one sex or one site they may
still differ by a few, and then the two numbers could be subtracted. Such rows are withheld, and as
many more as it takes that their difference cannot be worked out along the sums (`suppression`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd
from django.conf import settings
from django.db.models import QuerySet

from analysis.models import Run, RunTable
from analysis.models.results import bits_of_rows
from analysis.services.disclosure import between_releases, differencing, hidden_rows
from analysis.services.disclosure.between_releases import Comparison
from analysis.services.disclosure.cells import AXES, READ, Axes, Cells, Rows
from analysis.services.disclosure.rules import Mask
from analysis.services.disclosure.suppression import POOL

NAMES = ("effects", "pooled")


def withhold(run: Run) -> None:
    """Mark rows of a run that is being released: only data managers get their numbers."""
    stored = {table.name: table for table in RunTable.objects.filter(run=run, name__in=NAMES)}
    if set(stored) != set(NAMES):
        return
    frames = [_with_site(stored[name].frame) for name in NAMES]
    tables = [Rows.of(frame) for frame in frames]
    nothing = [np.zeros(len(frame), dtype=bool) for frame in frames]
    now = Cells.of(tables, nothing, settings.DISCLOSURE_K)
    found = _found(now, frames, _comparisons(run, now))
    for name, frame, rows in zip(NAMES, frames, tables, strict=True):
        withheld = bits_of_rows(found[_places(frame, now.axes)])
        RunTable.objects.filter(pk=stored[name].pk).update(withheld=withheld, people=rows.packed())


def _comparisons(run: Run, now: Cells) -> list[Comparison]:
    """The earlier releases beside which a cell must be guarded, the newest first.

    Read once, under the lock of the order.
    """
    listed = (Comparison.of(now, before, settings.DISCLOSURE_K) for before in _earlier(run))
    return [each for each in listed if each.guarded.any()]


def _found(now: Cells, frames: list[pd.DataFrame], comparisons: list[Comparison]) -> Mask:
    """Cells to be withheld beside all earlier releases together."""
    hidden = np.zeros_like(now.there)
    if not comparisons:
        return hidden
    k, sizes = settings.DISCLOSURE_K, hidden_rows.sizes_of(*frames)
    judged = hidden_rows.judge(*frames, k=k, sizes=sizes)
    # What analysts do not see without any other release.
    for frame, rows in zip(frames, (judged.effects_hidden, judged.pooled_hidden), strict=True):
        hidden[tuple(axis[rows] for axis in _places(frame, now.axes))] = True
    return between_releases.withheld(now, comparisons, hidden, k, sizes)


def _earlier(run: Run) -> Iterator[Cells]:
    """What each earlier release of the plan told, the newest first."""
    for before in released_before(run).order_by("-released_at").iterator(20):
        rows = RunTable.objects.filter(run=before, name__in=NAMES).defer("parquet")
        stored = {table.name: table for table in rows}
        if set(stored) == set(NAMES):
            tables = [stored[name] for name in NAMES]
            withheld = [table.withheld_rows for table in tables]
            yield Cells.of([_rows(table) for table in tables], withheld, settings.DISCLOSURE_K)


def _rows(table: RunTable) -> Rows:
    """Whose people its rows rest on: packed at its release, or now if it is older than that."""
    rows = Rows.unpacked(table.people)
    if rows is None:
        rows = Rows.of(_with_site(table.columns(READ)))
        RunTable.objects.filter(pk=table.pk).update(people=rows.packed())
    return rows


def released_before(run: Run) -> QuerySet[Run]:
    """The earlier releases of the run's plan."""
    return differencing.earlier_releases(run).filter(plan__name=run.plan.name)


def _with_site(frame: pd.DataFrame) -> pd.DataFrame:
    return frame if "site" in frame else frame.assign(site=POOL)


def _places(frame: pd.DataFrame, axes: Axes) -> tuple[npt.NDArray[np.intp], ...]:
    """Where each row's cell is."""
    return tuple(
        axis.get_indexer(pd.Index(frame[name].astype(str)))
        for name, axis in zip(AXES, axes, strict=True)
    )
