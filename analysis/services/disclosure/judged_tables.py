"""A run's effects and pooled effects judged for a reader, kept for the pages that ask again."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from django.conf import settings

from analysis.models import RunTable
from analysis.models.results import frame_of, rows_of_bits
from analysis.services.disclosure.hidden_rows import NO_ROWS, Judged, judge
from analysis.services.disclosure.rules import Mask

PAIR = ("effects", "pooled")
KEPT, LARGEST_KEPT = 8, 1_000_000  # pairs of tables; bytes of a pair as stored
Stored = tuple[bytes, int, bytes | None]  # a table as Parquet, its rows, those that are withheld


def of(tables: Mapping[str, RunTable], own: frozenset[str]) -> Judged:
    """Both tables of a run by the rules, for a reader of the sites ``own``."""
    pair = tuple(_stored(tables.get(name)) for name in PAIR)
    small = sum(len(parquet) for parquet, *_ in pair) <= LARGEST_KEPT
    return (_judged if small else _judged.__wrapped__)(*pair, own, settings.DISCLOSURE_K)


def forget() -> None:
    """Judge anew what is asked for next."""
    _judged.cache_clear()


def withheld_of(tables: Mapping[str, RunTable]) -> tuple[Mask, Mask] | None:
    """Rows of effects and pooled that may not be told beside an earlier release."""
    return _withheld(*(_stored(tables.get(name)) for name in PAIR))


# By what is stored and not by whose run it is: the same bytes always come to the same.
@lru_cache(maxsize=KEPT)
def _judged(effects: Stored, pooled: Stored, own: frozenset[str], k: int) -> Judged:
    frames = (frame_of(each[0]) if each[0] else NO_ROWS for each in (effects, pooled))
    return judge(*frames, k=k, own=own, withheld=_withheld(effects, pooled))


def _stored(table: RunTable | None) -> Stored:
    if table is None:
        return b"", 0, None
    withheld = bytes(table.withheld) if table.withheld else None
    return bytes(table.parquet), table.n_rows, withheld


def _withheld(effects: Stored, pooled: Stored) -> tuple[Mask, Mask] | None:
    if not effects[2] and not pooled[2]:
        return None
    return rows_of_bits(effects[2], effects[1]), rows_of_bits(pooled[2], pooled[1])
