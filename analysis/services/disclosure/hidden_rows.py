"""Which rows of a run's effects and pooled effects are hidden, and why: judged together.

What is hidden of one decides what may be told of the other, so neither is ever judged alone.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import compress

import numpy as np
import pandas as pd

from analysis.services.disclosure.rules import (
    ARMS,
    Mask,
    dominated,
    few_in_an_arm,
    outweighs,
    tells_an_insider,
)
from analysis.services.disclosure.suppression import POOL, Arms, Cell, Table, completed
from analysis.services.disclosure.whys import Why, Whys

KEYS = ["stratum", "feature"]
NO_ROWS = pd.DataFrame(columns=["stratum", "feature", "site", "estimate", "n_case", "n_control"])


@dataclass(frozen=True)
class Judged:
    """Which rows of a run's effects and pooled effects are hidden, and why."""

    effects: pd.DataFrame
    pooled: pd.DataFrame
    effects_why: Whys
    pooled_why: Whys
    withheld: frozenset[tuple[str, str]] = frozenset()  # stratum, feature

    @cached_property
    def effects_hidden(self) -> Mask:
        return self.effects_why > 0

    @cached_property
    def pooled_hidden(self) -> Mask:
        return self.pooled_why > 0

    def contributors(self, stratum: str, feature: str) -> pd.DataFrame:
        """The sites' rows that a pooled effect rests on, with the column ``hidden``."""
        key = (stratum, feature)
        if key not in self._parts:
            places = self.contributing.get(key, [])
            hidden = self.effects_hidden[places]
            self._parts[key] = self.effects.iloc[places].assign(hidden=hidden)
        return self._parts[key]

    def shows_pooled(self, stratum: str, feature: str) -> bool:
        return (stratum, feature) in self._pools_shown

    @cached_property
    def told(self) -> dict[str, pd.DataFrame]:
        """Kept by name, as `release.told_of` has made them."""
        return {}

    # Found once: a grid asks for the same features cell by cell.

    @cached_property
    def _parts(self) -> dict[tuple[str, str], pd.DataFrame]:
        return {}

    @cached_property
    def contributing(self) -> dict[tuple[str, str], list[int]]:
        """By stratum and feature, where the rows stand that a pooled effect rests on."""
        places: dict[tuple[str, str], list[int]] = {}
        there = self.effects["estimate"].notna().tolist()
        for at, key in enumerate(_keys(self.effects)):
            if there[at]:
                places.setdefault(key, []).append(at)
        return places

    @cached_property
    def _pools_shown(self) -> frozenset[tuple[str, str]]:
        return frozenset(compress(_keys(self.pooled), ~self.pooled_hidden))


def _keys(frame: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(frame["stratum"].astype(str), frame["feature"].astype(str), strict=True))


def judge(
    effects: pd.DataFrame,
    pooled: pd.DataFrame,
    *,
    k: int,
    own: Collection[str] = frozenset(),
    sizes: Mapping[Cell, int] | None = None,
    withheld: tuple[Mask, Mask] | None = None,
) -> Judged:
    """Apply the rules for a reader of the sites ``own`` (of none: an analyst).

    ``sizes`` are of the whole tables, where these are some features of them; ``withheld`` are rows
    of either table that an earlier release would make tell about a few.
    """
    sizes = sizes_of(effects, pooled) if sizes is None else sizes
    whys = {"effects": _told(effects), "pooled": _told(pooled)}
    earlier = withheld if withheld is not None else (_told(effects) > 0, _told(pooled) > 0)
    rows = tuple(
        _Rows.of(frame, few_in_an_arm(frame, k), held)
        for frame, held in zip((effects, pooled), earlier, strict=True)
    )
    places = effects.groupby("feature").indices, pooled.groupby("feature").indices
    for feature in {**places[0], **places[1]}:
        at = places[0].get(feature, []), places[1].get(feature, [])
        one = _Feature(rows[0].at(at[0]), rows[1].at(at[1]))
        out = one.hidden(k, frozenset(own), sizes)
        whys["effects"][at[0]] = [out.get(cell, Why.TOLD) for cell in one.site_cells]
        whys["pooled"][at[1]] = [out.get(cell, Why.TOLD) for cell in one.pool_cells]
    return Judged(
        effects,
        pooled,
        whys["effects"],
        whys["pooled"],
        _questions(effects, pooled, withheld) if withheld is not None else frozenset(),
    )


def _told(frame: pd.DataFrame) -> Whys:
    return np.full(len(frame), Why.TOLD, dtype=np.uint8)


def _questions(
    effects: pd.DataFrame, pooled: pd.DataFrame, withheld: tuple[Mask, Mask]
) -> frozenset[tuple[str, str]]:
    """Stratum and feature of withheld rows."""
    rows = pd.concat([effects[KEYS][withheld[0]], pooled[KEYS][withheld[1]]]).astype(str)
    return frozenset(zip(rows["stratum"], rows["feature"], strict=True))


def sizes_of(*frames: pd.DataFrame) -> dict[Cell, int]:
    """People of each stratum and site, alike for every feature so that all hide the same site."""
    sizes: dict[Cell, int] = {}
    for frame in frames:
        sites = frame["site"].astype(str) if "site" in frame else np.full(len(frame), POOL)
        n = frame[ARMS].fillna(0).sum(axis=1).astype(int)
        largest = n.groupby([frame["stratum"].astype(str).to_numpy(), np.asarray(sites)]).max()
        for (stratum, site), people in zip(largest.index, largest, strict=True):
            cell = (str(stratum), str(site))
            sizes[cell] = max(sizes.get(cell, 0), int(people))
    return sizes


@dataclass(frozen=True)
class _Rows:
    """What the rules look at, as lists: a frame cut by features costs more than the rules."""

    cells: list[Cell]
    arms: list[Arms]
    weights: list[float]
    there: list[bool]
    few: list[bool]
    withheld: list[bool]

    @classmethod
    def of(cls, frame: pd.DataFrame, few: Mask, withheld: Mask) -> _Rows:
        sites = frame["site"] if "site" in frame else [POOL] * len(frame)
        there = frame["estimate"].notna().tolist() if "site" in frame else [False] * len(frame)
        cells = _cells(frame["stratum"], sites)
        return cls(cells, arms_of(frame), weights_of(frame), there, few.tolist(), withheld.tolist())

    def at(self, places: Iterable[int]) -> _Rows:
        listed = [int(place) for place in places]
        return _Rows(
            [self.cells[place] for place in listed],
            [self.arms[place] for place in listed],
            [self.weights[place] for place in listed],
            [self.there[place] for place in listed],
            [self.few[place] for place in listed],
            [self.withheld[place] for place in listed],
        )


class _Feature:
    """One feature's rows as cells."""

    def __init__(self, sites: _Rows, pools: _Rows) -> None:
        self.site_cells, self.pool_cells = sites.cells, pools.cells
        cells = [*sites.cells, *pools.cells]
        self.people: dict[Cell, Arms] = dict(zip(cells, [*sites.arms, *pools.arms], strict=True))
        self.few = set(compress(cells, [*sites.few, *pools.few]))
        self.withheld = set(compress(cells, [*sites.withheld, *pools.withheld]))
        self.weights = dict(zip(sites.cells, sites.weights, strict=True))
        self.contributes = set(compress(sites.cells, sites.there))

    def hidden(self, k: int, own: frozenset[str], sizes: Mapping[Cell, int]) -> dict[Cell, Why]:
        """Every cell that this reader does not see: what analysts do not see, and then more."""
        table = Table(self.people, frozenset(self.contributes))
        guarded = self.few | self.withheld
        out = completed(table, guarded | self._dominated(guarded), guarded, k=k, sizes=sizes)
        dominated, alone = self._dominated(self.few), out
        if self.withheld:  # what would be hidden were there no earlier release
            alone = completed(table, self.few | dominated, self.few, k=k, sizes=sizes)
        whys = {cell: Why.FEW if cell in alone else Why.EARLIER for cell in out}
        whys |= dict.fromkeys(out & (dominated - self.few), Why.DOMINATED)
        if not own:
            return whys
        known = {cell for cell in self.people if cell[1] in own}
        more = {cell for cell in self.pool_cells if tells_an_insider(self._sites(cell), own, k)}
        further = completed(
            table, out | more, guarded, k=k, known=known, sizes=sizes, spare_sites=True
        )
        return dict.fromkeys(further, Why.INSIDER) | whys

    def _sites(self, pool: Cell) -> dict[str, Arms]:
        return {
            cell[1]: self.people[cell]
            for cell in self.site_cells
            if cell[0] == pool[0] and cell in self.contributes
        }

    def _dominated(self, untold: Collection[Cell]) -> set[Cell]:
        found = set()
        for pool in self.pool_cells:
            people = self._sites(pool)
            shown = [site for site in people if (pool[0], site) not in untold]
            weights = [self.weights[pool[0], site] for site in people]
            if people and (dominated(people, shown) or outweighs(weights)):
                found.add(pool)
        return found


def _cells(strata: Iterable[object], sites: Iterable[object]) -> list[Cell]:
    return [(str(stratum), str(site)) for stratum, site in zip(strata, sites, strict=True)]


def weights_of(frame: pd.DataFrame) -> list[float]:
    """Precision of each row's effect size; nothing where a table does not say it."""
    if "hedges_g_variance" not in frame:
        return [math.nan] * len(frame)
    variances = frame["hedges_g_variance"].astype(float)
    return [1 / each if each > 0 else math.nan for each in variances]


def arms_of(frame: pd.DataFrame) -> list[Arms]:
    counts = frame[ARMS].fillna(0).astype(int).to_numpy()
    return [(int(case), int(control)) for case, control in counts]
