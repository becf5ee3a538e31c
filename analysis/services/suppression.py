"""Which more cells must be hidden so that no hidden one can be worked out: solved, not by eye.

For one feature the cells are stratum x site, with the pooled row as one more "site". Two kinds of
sum run through them: the pooled row holds the sites that contribute, and everybody is men plus
women. A cell that hides too few people is guarded; while the sums that are left determine a guarded
cell, or a hidden remainder of too few people, the smallest cell of that sum is hidden too.

The counts add up exactly. The estimates do so approximately (with inverse variances as weights),
along the same sums; so whatever guards the counts guards them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

POOL = ""  # in the place of a site
EVERYBODY, SEXES = "all", ("men", "women")

Cell = tuple[str, str]  # stratum, site
Arms = tuple[int, int]  # people: cases, controls


@dataclass(frozen=True)
class Sum:
    """``total`` is the sum of ``parts``; ``rest`` are people of the total who are in no part."""

    total: Cell
    parts: tuple[Cell, ...]
    rest: Arms = (0, 0)

    @property
    def cells(self) -> tuple[Cell, ...]:
        return (self.total, *self.parts)


@dataclass(frozen=True)
class Table:
    """One feature: people of each cell, and which sites' cells the pooled rows hold."""

    people: Mapping[Cell, Arms]
    contributes: frozenset[Cell]

    def sums(self) -> list[Sum]:
        """Every sum between cells that somebody could subtract along."""
        strata = dict.fromkeys(stratum for stratum, _ in self.people)
        found = [self._pool(stratum) for stratum in strata if (stratum, POOL) in self.people]
        # Of the pooled rows it follows: each is a sum of sites' rows, and those add up.
        for site in dict.fromkeys(site for _, site in self.people if site != POOL):
            cells = [(stratum, site) for stratum in (EVERYBODY, *SEXES)]
            if all(cell in self.people for cell in cells):
                found.append(self._sexes(cells[0], (cells[1], cells[2])))
        return [each for each in found if each.parts and min(each.rest) >= 0]

    def _pool(self, stratum: str) -> Sum:
        inside = (cell for cell in self.people if cell in self.contributes and cell[0] == stratum)
        return Sum((stratum, POOL), tuple(inside))

    def _sexes(self, total: Cell, parts: tuple[Cell, ...]) -> Sum:
        case, control = (
            self.people[total][arm] - sum(self.people[part][arm] for part in parts)
            for arm in (0, 1)
        )
        return Sum(total, parts, (case, control))


def completed(
    table: Table,
    hidden: Iterable[Cell],
    guarded: Iterable[Cell],
    *,
    k: int,
    known: Iterable[Cell] = (),
    sizes: Mapping[Cell, int] | None = None,
    spare_sites: bool = False,
    moved: Mapping[Cell, Arms] | None = None,
) -> frozenset[Cell]:
    """``hidden`` and as many more cells as it takes that no guarded one can be worked out.

    ``known`` cells are no secret to the reader: an insider's own site. ``sizes`` says which cell
    is the smallest, the same for every feature; ``spare_sites`` hides pooled rows rather than
    sites' rows. ``moved`` says by how many people each cell differs from an earlier release: then
    a hidden remainder is too few where it moved by a few.
    """
    out, sums = set(hidden), table.sums()
    size = {cell: sum(arms) for cell, arms in table.people.items()} | dict(sizes or {})
    while True:
        broken = _first_broken(table, sums, out, frozenset(guarded), frozenset(known), k, moved)
        if broken is None:
            return frozenset(out)
        free = [cell for cell in broken if cell not in out and cell not in set(known)]
        if not free:
            free = [cell for each in sums for cell in each.cells if cell not in out]
        if not free:
            return frozenset(out)
        out.add(min(free, key=lambda cell: (_margin(cell, spare_sites), size[cell], cell)))


def _margin(cell: Cell, spare_sites: bool) -> int:
    """0 for what is given up first: by default a site's row of one sex."""
    if spare_sites:
        return int(cell[1] != POOL)
    return int(cell[0] == EVERYBODY) + 2 * int(cell[1] == POOL)


def _first_broken(
    table: Table,
    sums: list[Sum],
    out: set[Cell],
    guarded: frozenset[Cell],
    known: frozenset[Cell],
    k: int,
    moved: Mapping[Cell, Arms] | None = None,
) -> list[Cell] | None:
    """The cells of a sum through which a guarded cell, or too few people, can be worked out."""
    secret = guarded - known
    for each in sums:
        if each.total in known:
            continue
        left = [cell for cell in each.parts if cell in out and cell not in known]
        told = each.total not in out
        if moved is None:
            people = [table.people[cell] for cell in left] + [each.rest]
            few = min(sum(arms[arm] for arms in people) for arm in (0, 1)) < k
        else:
            few = by_a_few([moved[cell] for cell in left], k)
        if told and few and (secret & set(left) or any(each.rest)):
            return list(each.cells)
    unknown = [cell for cell in table.people if cell in out and cell not in known]
    for cell in determined(sums, unknown):
        if cell in secret:
            return [one for each in sums if cell in each.cells for one in each.cells]
    return None


def by_a_few(moved: Iterable[Arms], k: int) -> bool:
    """Whether people came or went, in an arm, and fewer than k."""
    listed = list(moved)
    return any(0 < abs(sum(arms[arm] for arms in listed)) < k for arm in (0, 1))


def determined(sums: list[Sum], unknown: list[Cell]) -> list[Cell]:
    """The unknown cells that the sums fix, everything else being told."""
    if not unknown:
        return []
    place = {cell: number for number, cell in enumerate(unknown)}
    rows = []
    for number, each in enumerate(sums):
        row = [0] * (len(unknown) + len(sums))
        for cell in each.parts:
            if cell in place:
                row[place[cell]] = 1
        if each.total in place:
            row[place[each.total]] = -1
        if any(each.rest):
            row[len(unknown) + number] = 1
        rows.append(tuple(row))
    return [unknown[number] for number in _fixed(tuple(rows)) if number < len(unknown)]


@lru_cache(maxsize=4096)
def _fixed(rows: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    """Positions of the unknowns that the equations fix: those that no null vector moves."""
    if not rows:
        return ()
    _, scale, vectors = np.linalg.svd(np.array(rows, dtype=float))
    rank = int((scale > 1e-9).sum())
    free = np.abs(vectors[rank:]).max(axis=0, initial=0.0)
    involved = np.array(rows, dtype=float).any(axis=0)
    return tuple(int(place) for place in np.flatnonzero((free < 1e-9) & involved))
