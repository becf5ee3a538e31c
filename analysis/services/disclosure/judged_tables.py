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
# Of a pair of tables as stored, and how many pairs are kept: one of a thousand features and twenty
# sites takes 50 MB of memory, so only those are kept that one page or two ask for at once.
SMALL_BYTES, KEPT_SMALL = 1_000_000, 8
LARGE_BYTES, KEPT_LARGE = 8_000_000, 2
Stored = tuple[bytes, int, bytes | None]  # a table as Parquet, its rows, those that are withheld


def of(tables: Mapping[str, RunTable], own: frozenset[str]) -> Judged:
    """Both tables of a run by the rules, for a reader of the sites ``own``."""
    effects, pooled = (_stored(tables.get(name)) for name in PAIR)
    n_bytes = len(effects[0]) + len(pooled[0])
    if n_bytes > LARGE_BYTES:
        return _judged(effects, pooled, own, settings.DISCLOSURE_K)
    kept = _kept_small if n_bytes <= SMALL_BYTES else _kept_large
    return kept(effects, pooled, own, settings.DISCLOSURE_K)


def forget() -> None:
    """Judge anew what is asked for next."""
    _kept_small.cache_clear()
    _kept_large.cache_clear()


def _judged(effects: Stored, pooled: Stored, own: frozenset[str], k: int) -> Judged:
    frames = (frame_of(each[0]) if each[0] else NO_ROWS for each in (effects, pooled))
    return judge(*frames, k=k, own=own, withheld=_withheld(effects, pooled))


# By what is stored and not by whose run it is: the same bytes always come to the same.
_kept_small = lru_cache(maxsize=KEPT_SMALL)(_judged)
_kept_large = lru_cache(maxsize=KEPT_LARGE)(_judged)


def _stored(table: RunTable | None) -> Stored:
    if table is None:
        return b"", 0, None
    withheld = bytes(table.withheld) if table.withheld else None
    return bytes(table.parquet), table.n_rows, withheld


def _withheld(effects: Stored, pooled: Stored) -> tuple[Mask, Mask] | None:
    if not effects[2] and not pooled[2]:
        return None
    return rows_of_bits(effects[2], effects[1]), rows_of_bits(pooled[2], pooled[1])
