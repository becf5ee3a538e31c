"""Which numbers may not be told beside an earlier release, so that nothing of a few is worked out.

Held beside each earlier release is every number of the new one, and hundreds of releases times
tens of thousands of numbers are too many to be solved one by one. So first all that moved by a few
are withheld; then one look at arrays (`opened`) says which features still give something away, and
only those are solved (`suppression`), the newest release first, until nothing is added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.services.disclosure.cells import Axes, Cells, Numbers, spread
from analysis.services.disclosure.opened import Moved, by_a_few, opened
from analysis.services.disclosure.rules import Mask
from analysis.services.disclosure.suppression import POOL, Cell, Table, completed

Sizes = Mapping[Cell, int]


@dataclass(frozen=True)
class Comparison:
    """A new release beside an earlier one: what is guarded, by feature, stratum and site."""

    axes: Axes
    people: Numbers
    moved: Numbers
    there: Mask  # in either
    gone: Mask  # told then, nobody now
    dark: Mask  # not told then
    guarded: Mask  # told in both, and moved by a few

    @classmethod
    def of(cls, now: Cells, before: Cells, k: int) -> Comparison:
        """Of the features of the new release, at the strata and sites of both."""
        strata, sites = (now.axes[n].union(before.axes[n]) for n in (1, 2))
        axes = (now.axes[0], strata, sites)
        ours, theirs = now.on(axes), before.on(axes)
        moved = ours.people - theirs.people
        both = ours.there & theirs.there & ours.told & theirs.told
        return cls(
            axes=axes,
            people=ours.people,
            moved=moved,
            there=ours.there | theirs.there,
            gone=theirs.there & theirs.told & ~ours.there,
            dark=~theirs.told,
            guarded=both & by_a_few(moved, k),
        )

    def further(self, hidden: Mask, k: int, sizes: Sizes) -> Mask:
        """What else must be hidden where ``hidden`` is, on the comparison's axes."""
        out = (hidden | self.dark | self.guarded) & self.there
        more = np.zeros_like(out)
        facts = (self.people, self.moved, self.there, self.gone, self.guarded, out)
        solved: dict[bytes, Mask] = {}  # features of the same people are alike
        for feature in np.flatnonzero(self._opened(out, k)):
            key = b"".join(each[feature].tobytes() for each in facts)
            if key not in solved:
                solved[key] = self._solved(int(feature), out, k, sizes)
            more[feature] = solved[key]
        return more

    def _opened(self, out: Mask, k: int) -> Mask:
        found = np.zeros(len(out), dtype=bool)
        some = self.guarded.any(axis=(1, 2))
        cells = Moved(
            strata=list(self.axes[1]),
            sites=list(self.axes[2]),
            people=self.people[some],
            moved=self.moved[some],
            there=self.there[some],
            guarded=self.guarded[some],
        )
        found[some] = opened(cells, out[some], k)
        return found

    def _solved(self, feature: int, out: Mask, k: int, sizes: Sizes) -> Mask:
        places = np.argwhere(self.there[feature])
        strata, sites = self.axes[1], self.axes[2]
        at: dict[Cell, tuple[int, int]] = {(strata[t], sites[s]): (t, s) for t, s in places}
        people, moved = (
            {cell: (int(each[place][0]), int(each[place][1])) for cell, place in at.items()}
            for each in (self.people[feature], self.moved[feature])
        )
        given, gone, guarded = (
            {cell for cell, place in at.items() if each[feature][place]}
            for each in (out, self.gone, self.guarded)
        )
        table = Table(people, frozenset(cell for cell in at if cell[1] != POOL))
        told = completed(table, given, guarded, k=k, sizes=sizes, moved=moved, gone=gone)
        more = np.zeros(out.shape[1:], dtype=bool)
        for cell in told - given:
            more[at[cell]] = True
        return more


def withheld(
    now: Cells, comparisons: Sequence[Comparison], hidden: Mask, k: int, sizes: Sizes
) -> Mask:
    """The new release's cells to be withheld; ``hidden`` are those that are untold anyway."""
    found = np.zeros_like(now.there)
    for each in comparisons:
        found |= spread(each.guarded, each.axes, now.axes)
    added = True
    while added:
        added = False
        for each in comparisons:
            more = each.further(spread(hidden | found, now.axes, each.axes), k, sizes)
            more = spread(more, each.axes, now.axes)
            if more.any():
                found |= more
                added = True
    return found
