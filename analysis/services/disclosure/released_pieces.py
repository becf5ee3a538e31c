"""A run's effects and pooled effects past the disclosure rules, a piece at a time.

Both are judged together, some features at a time; what stays in memory is a byte a row. What is
told is what `released_tables` tells of the whole tables.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.services.disclosure import hidden_rows, released_tables
from analysis.services.disclosure.hidden_rows import Judged
from analysis.services.disclosure.rules import ARMS
from analysis.services.disclosure.suppression import Cell
from analysis.services.disclosure.whys import Why, Whys, words_of
from analysis.services.stored_tables import StoredTable

FEATURES_AT_ONCE = 1_000
# What the rules look at.
JUDGED_BY = ["stratum", "feature", "site", *ARMS, "df", "estimate", "hedges_g_variance", "q"]
JUDGED_BY += ["n_sites"]


@dataclass(frozen=True)
class Pair:
    """The two tables of a run, and by which rules they are told to whom."""

    effects: StoredTable
    pooled: StoredTable
    k: int
    own: frozenset[str]

    def shown(self, name: str) -> Iterator[pd.DataFrame]:
        """The rows of ``effects`` or ``pooled`` as this reader may see them."""
        hidden = self.hidden()
        if name == "effects":
            return self._effects(hidden["effects"])
        return self._pooled(hidden["effects"], hidden["pooled"])

    def hidden(self) -> dict[str, Whys]:
        """Which rows of each table are hidden, and why."""
        sizes, features = self.sizes_and_features()
        hidden = {
            "effects": np.full(self.effects.n_rows, Why.TOLD, dtype=np.uint8),
            "pooled": np.full(self.pooled.n_rows, Why.TOLD, dtype=np.uint8),
        }
        for some in some_at_a_time(features):
            effects, pooled = rows_of(self.effects, some), rows_of(self.pooled, some)
            judged = hidden_rows.judge(
                effects,
                pooled,
                k=self.k,
                own=self.own,
                sizes=sizes,
                withheld=(
                    self.effects.withheld[effects.index],
                    self.pooled.withheld[pooled.index],
                ),
            )
            hidden["effects"][effects.index] = judged.effects_why
            hidden["pooled"][pooled.index] = judged.pooled_why
        return hidden

    def judged(self, hidden: Mapping[str, Whys], features: Collection[str]) -> Judged:
        """Both tables' rows of these features, where it is known which are hidden."""
        effects, pooled = rows_of(self.effects, features), rows_of(self.pooled, features)
        return Judged(
            effects.reset_index(drop=True),
            pooled.reset_index(drop=True),
            hidden["effects"][effects.index],
            hidden["pooled"][pooled.index],
        )

    def sizes_and_features(self) -> tuple[dict[Cell, int], list[str]]:
        sizes: dict[Cell, int] = {}
        features: dict[str, None] = {}
        for table in (self.effects, self.pooled):
            for piece in table.pieces(["stratum", "feature", "site", *ARMS]):
                features.update(dict.fromkeys(piece["feature"].astype(str)))
                for cell, people in hidden_rows.sizes_of(piece).items():
                    sizes[cell] = max(sizes.get(cell, 0), people)
        return sizes, list(features)

    def _effects(self, hidden: Whys) -> Iterator[pd.DataFrame]:
        for piece in self.effects.pieces():
            out = hidden[piece.index]
            rows = piece.reset_index(drop=True)
            judged = Judged(rows, rows.iloc[:0], out, out[:0])
            yield _with_reasons(released_tables.effects_shown(judged, self.k), out)

    def _pooled(self, effects_hidden: Whys, hidden: Whys) -> Iterator[pd.DataFrame]:
        disguised: set[tuple[str, float]] = set()
        if "q" in self.pooled.columns:
            for piece in self.pooled.pieces(["stratum", "q"]):
                disguised |= released_tables.hidden_q(piece, hidden[piece.index] > 0)
        for piece in self.pooled.pieces():
            beside = rows_of(self.effects, frozenset(piece["feature"].astype(str)))
            out = hidden[piece.index]
            judged = Judged(
                beside.reset_index(drop=True),
                piece.reset_index(drop=True),
                effects_hidden[beside.index],
                out,
            )
            yield _with_reasons(released_tables.pooled_shown(judged, disguised), out)


def some_at_a_time(features: Sequence[str]) -> Iterator[frozenset[str]]:
    """The features in groups that are judged together."""
    for begin in range(0, len(features), FEATURES_AT_ONCE):
        yield frozenset(features[begin : begin + FEATURES_AT_ONCE])


def rows_of(table: StoredTable, features: Collection[str]) -> pd.DataFrame:
    """What the rules look at, of these features; the index is the row's place in the table."""
    return joined(piece[piece["feature"].isin(features)] for piece in table.pieces(JUDGED_BY))


def joined(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """One frame of the parts; the many that are empty would cost more memory than the rows."""
    first, *others = (part for at, part in enumerate(parts) if at == 0 or len(part))
    return pd.concat([first, *others]) if others else first


def _with_reasons(shown: pd.DataFrame, whys: Whys) -> pd.DataFrame:
    """A row's own reason names its counts."""
    return shown.assign(reason=np.where(whys > 0, words_of(whys), shown["reason"]))
