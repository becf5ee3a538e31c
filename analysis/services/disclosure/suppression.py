"""Which more cells must be hidden so that no hidden one can be worked out: solved, not by eye.

For one feature the cells are stratum x site, with the pooled row as one more "site". Two kinds of
sum run through them: the pooled row holds the sites that contribute, and everybody is men plus
women. A cell that hides too few people is guarded; while the sums that are left determine a guarded
cell, or a hidden remainder of too few people, more cells are hidden: the smallest of that sum, or
those by which both sexes of two sites hide one another. What turns out not to be needed is told
again. Which cells these are follows from numbers of people alone, never from an estimate.

The counts add up exactly. The estimates do so approximately (with inverse variances as weights),
along the same sums; so whatever guards the counts guards them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
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
class Broken:
    """Cells of which one more must be hidden; ``fixed`` is the cell that all sums together tell."""

    cells: tuple[Cell, ...]
    fixed: Cell | None = None


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
    gone: Iterable[Cell] = (),
) -> frozenset[Cell]:
    """``hidden`` and as many more cells as it takes that no guarded one can be worked out.

    ``known`` cells are no secret to the reader: an insider's own site. ``sizes`` says which cell
    is the smallest, the same for every feature; ``spare_sites`` hides pooled rows rather than
    sites' rows. ``moved`` says by how many people each cell differs from an earlier release: then
    a hidden remainder is too few where it moved by a few. ``gone`` cells were told then and are
    nobody now, which cannot be hidden.
    """
    left = frozenset(gone)
    unhideable = frozenset(known) | left
    given, sums, secret = frozenset(hidden), table.sums(), frozenset(guarded) - frozenset(known)
    size = {cell: sum(arms) for cell, arms in table.people.items()} | dict(sizes or {})

    def order(cell: Cell) -> tuple[int, int, Cell]:
        return _margin(cell, spare_sites), size[cell], cell

    def broken(out: Set[Cell]) -> Broken | None:
        return first_broken(table, sums, out, secret, frozenset(known), k, moved)

    out = set(given)
    while (found := broken(out)) is not None:
        more = set() if spare_sites else _square(table, found.fixed, out, unhideable, size)
        if not more:
            free = [cell for cell in found.cells if cell not in out and cell not in unhideable]
            free = free or [cell for each in sums for cell in each.cells if cell not in out | left]
            if not free:
                return frozenset(out)
            more = {min(free, key=order)}
        out |= more
    # The first cells that came may be needed no more: what is given up last is told first.
    for cell in sorted(out - given, key=order, reverse=True):
        if broken(out - {cell}) is None:
            out.remove(cell)
    return frozenset(out)


def _square(
    table: Table,
    fixed: Cell | None,
    out: Set[Cell],
    unhideable: frozenset[Cell],
    size: Mapping[Cell, int],
) -> set[Cell]:
    """What is still told of the two sexes of the cell's site and of another site.

    Hidden together they hide one another: pools and everybody are told as they are. The other site
    is the one that takes the fewest more cells, of the fewest people.
    """
    if fixed is None or fixed[0] not in SEXES:
        return set()
    found = []
    for other in {site for stratum, site in table.contributes if site != fixed[1]}:
        square = {(sex, site) for sex in SEXES for site in (fixed[1], other)}
        if square <= table.contributes and not square & unhideable:
            more = square - out
            found.append((len(more), sum(size[cell] for cell in more), other, more))
    return min(found)[3] if found else set()


def _margin(cell: Cell, spare_sites: bool) -> int:
    """0 for what is given up first: by default a site's row of one sex."""
    if spare_sites:
        return int(cell[1] != POOL)
    return int(cell[0] == EVERYBODY) + 2 * int(cell[1] == POOL)


def first_broken(
    table: Table,
    sums: list[Sum],
    out: Set[Cell],
    secret: frozenset[Cell],
    known: frozenset[Cell],
    k: int,
    moved: Mapping[Cell, Arms] | None = None,
) -> Broken | None:
    """A sum through which a secret cell, or too few people, can be worked out."""
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
            return Broken(each.cells)
    unknown = [cell for cell in table.people if cell in out and cell not in known]
    for cell in determined(sums, unknown):
        if cell in secret:
            through = [one for each in sums if cell in each.cells for one in each.cells]
            return Broken(tuple(through), cell)
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
