"""The tables beside a run's effects past the disclosure rules, a piece at a time.

Each is told where the effects or pooled effects of the same people are told, so those two are
judged first; what stays in memory is a byte a row. What is told is what `released_tables`,
`released_further` and `released_grid` tell of the whole tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from analysis.services.disclosure import released_further, released_grid, released_tables
from analysis.services.disclosure.hidden_rows import Judged
from analysis.services.disclosure.released_pieces import Pair, joined, some_at_a_time
from analysis.services.disclosure.rules import Mask
from analysis.services.stored_tables import StoredTable

# What a cell of the grid is judged by.
CELLS = ["stratum", "feature", "cell", "changes", "by_site", "reason"]
RowByRow = Callable[[pd.DataFrame, Judged], pd.DataFrame]
ROW_BY_ROW: dict[str, RowByRow] = {
    "one_stage": released_tables.one_stage_shown,
    "moderated": released_further.moderated_shown,
}


def shown(name: str, table: StoredTable, pair: Pair) -> Iterator[pd.DataFrame]:
    """The table's rows as this reader may see them; none of a table that no rule is written for."""
    if name == "sensitivity":
        yield from _grid(table, pair)
    elif name in ROW_BY_ROW:
        hidden = pair.hidden()
        for piece in table.pieces():
            judged = pair.judged(hidden, frozenset(piece["feature"].astype(str)))
            yield ROW_BY_ROW[name](piece.reset_index(drop=True), judged)
    else:
        yield next(table.pieces()).iloc[:0]


def _grid(table: StoredTable, pair: Pair) -> Iterator[pd.DataFrame]:
    told = _told_cells(table, pair)
    for piece in table.pieces():
        few = piece[released_grid.of_one_change(piece)]
        yield released_grid.cells_shown(few, told[few.index])


def _told_cells(table: StoredTable, pair: Pair) -> Mask:
    """All cells of a feature are judged together, whatever piece they are in."""
    told = np.zeros(table.n_rows, dtype=bool)
    hidden, (_, features) = pair.hidden(), pair.sizes_and_features()
    for some in some_at_a_time(features):
        cells = joined(
            piece[piece["feature"].isin(some) & released_grid.of_one_change(piece)]
            for piece in table.pieces(CELLS)
        )
        judged = pair.judged(hidden, some)
        told[cells.index] = released_grid.told(
            cells.reset_index(drop=True), judged, pair.k, pair.own
        )
    return told
