"""Whose people the numbers of a release rest on, as arrays by feature, stratum and site.

A living study has hundreds of releases, and a new one is held beside each: arrays make of that one
subtraction a release.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.packing import pack, unpack
from analysis.services.disclosure.rules import ARMS, RELEASE_RULES_VERSION, Mask, few_in_an_arm

AXES = ["feature", "stratum", "site"]
READ = [*AXES, *ARMS, "estimate", "df"]  # what tells whose people a number rests on
Axes = tuple[pd.Index, pd.Index, pd.Index]
Kind = TypeVar("Kind", bound=np.generic)
Numbers = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Rows:
    """A table's rows as places on axes of names, with their people.

    ``there`` are rows with a number, ``fits`` those whose people are enough for what was fitted,
    whatever the fewest people behind a number are.
    """

    axes: Axes
    places: tuple[Numbers, Numbers, Numbers]
    people: Numbers
    there: Mask
    fits: Mask

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Rows:
        """Of a frame with a column ``site``."""
        coded = [pd.factorize(frame[axis].astype(str), sort=True) for axis in AXES]
        (features, strata, sites), names = ([each[n] for each in coded] for n in (0, 1))
        return cls(
            axes=(pd.Index(names[0]), pd.Index(names[1]), pd.Index(names[2])),
            places=(_whole(features), _whole(strata), _whole(sites)),
            people=_whole(frame[ARMS].fillna(0)),
            there=frame["estimate"].notna().to_numpy(),
            fits=~few_in_an_arm(frame, 0),
        )

    def packed(self) -> bytes:
        """As `unpacked` reads them, about a byte a row."""
        arrays = [*(np.array(names, dtype=str) for names in self.axes)]
        return pack(
            [RELEASE_RULES_VERSION, *arrays, *self.places, self.people, self.there, self.fits]
        )

    @classmethod
    def unpacked(cls, packed: bytes | memoryview | None) -> Rows | None:
        """None where they were never packed, or judged by other rules."""
        arrays: list[Any]
        version, *arrays = unpack(bytes(packed)) if packed else [None]
        if version != RELEASE_RULES_VERSION:
            return None
        features, strata, sites = (pd.Index(names, dtype=str) for names in arrays[:3])
        places = (arrays[3], arrays[4], arrays[5])
        return cls((features, strata, sites), places, arrays[6], arrays[7], arrays[8])


@dataclass(frozen=True)
class Cells:
    """A cell is one number, or one in each of several matrices: then its people are the most.

    ``people`` has cases and controls on its last axis and 0 where no number is ``there``; ``told``
    are cells that by themselves may be told. Where a cell is not there everybody knows that it is
    nobody.
    """

    axes: Axes
    people: Numbers
    there: Mask
    told: Mask

    @classmethod
    def of(cls, tables: Sequence[Rows], withheld: Sequence[Mask], k: int) -> Cells:
        """The cells of all these tables' rows, some of which are withheld."""
        features, strata, sites = (_all_names([each.axes[n] for each in tables]) for n in range(3))
        axes = (features, strata, sites)
        shape = tuple(len(names) for names in axes)
        people = np.zeros((*shape, len(ARMS)), dtype=np.int32)
        present, told = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
        for each, out in zip(tables, withheld, strict=True):
            pairs = zip(axes, each.axes, each.places, strict=True)
            at = tuple(all_.get_indexer(own)[places][each.there] for all_, own, places in pairs)
            np.maximum.at(people, at, each.people[each.there])
            present[at] = True
            shown = each.fits & (each.people >= k).all(axis=1) & ~out
            np.logical_or.at(told, at, shown[each.there])
        return cls(axes, people, present, told | ~present)

    def on(self, axes: Axes) -> Cells:
        """The same cells on other axes: nobody where they had none."""
        if all(ours.equals(asked) for ours, asked in zip(self.axes, axes, strict=True)):
            return self
        there = spread(self.there, self.axes, axes)
        people = np.stack([spread(self.people[..., arm], self.axes, axes) for arm in (0, 1)], -1)
        return Cells(axes, people, there, spread(self.told, self.axes, axes) | ~there)


def spread(values: npt.NDArray[Kind], axes: Axes, others: Axes) -> npt.NDArray[Kind]:
    """An array moved to other axes: 0 or False where it had no place."""
    for number, (ours, asked) in enumerate(zip(axes, others, strict=True)):
        if ours.equals(asked):
            continue
        empty = np.zeros_like(
            values, shape=(*values.shape[:number], 1, *values.shape[number + 1 :])
        )
        # Where a name is not found its place is -1, the last one.
        values = np.concatenate([values, empty], number).take(ours.get_indexer(asked), number)
    return values


def _whole(numbers: npt.ArrayLike) -> Numbers:
    return np.asarray(numbers).astype(np.int32)


def _all_names(listed: Sequence[pd.Index]) -> pd.Index:
    names = listed[0]
    for other in listed[1:]:
        names = names if names.equals(other) else names.union(other)
    return names
