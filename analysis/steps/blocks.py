"""What preparation makes of a snapshot: a site's values on one platform, and notes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True)
class Note:
    """Something that was left out or handled otherwise: where, how much, and why.

    ``in_general`` says why without naming a person or a small number, for those who see neither;
    it is empty where ``why`` names none.
    """

    site: str
    what: str
    n: int
    why: str
    in_general: str = ""

    def as_dict(self) -> dict[str, object]:
        told = {"site": self.site, "what": self.what, "n": self.n, "why": self.why}
        return told | ({"in_general": self.in_general} if self.in_general else {})


@dataclass(frozen=True)
class Block:
    """One site's values on one platform, matrix and scale; rows are participants.

    ``values``: (n_people, n_features), log2 of the canonical or reported unit, or standardised as
    the site sent it. ``raw``: the same before imputation and logarithm, NaN below detection.
    ``batch``: the batch of each person. ``sources``: indexed by feature; source_name, hmdb, unit.
    ``samples``: of each person fasting_hours and handled_well, for plans with a sensitivity grid.
    """

    site: str
    platform: str
    matrix: str
    scale: str
    values: pd.DataFrame
    raw: pd.DataFrame
    batch: pd.Series
    sources: pd.DataFrame
    n_below_lod: pd.Series
    spin_delay_hours: pd.Series
    samples: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True)
class Prepared:
    """What the analyses read: ``people`` with ``case`` (1, 0), and the sites' blocks."""

    people: pd.DataFrame
    blocks: tuple[Block, ...]
    notes: tuple[Note, ...]

    @cached_property
    def together(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """People x features that at least two sites measure, and those people.

        Made once for all models of all sites, and digested once. Nobody may write to it.
        """
        values = stacked([block.values for block in self.blocks])
        if values.empty:
            return values, self.people.loc[[]]
        people = self.people.loc[values.index]
        of_site, sites = pd.factorize(people["site"])
        known = ~np.isnan(values.to_numpy())
        there = np.array([known[of_site == site].any(axis=0) for site in range(len(sites))])
        kept = there.sum(axis=0) >= 2
        return (values if kept.all() else values.loc[:, kept]), people


def stacked(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """People x features over all blocks; where two measure the same, the first one counts."""
    if not parts:
        return pd.DataFrame()
    # As lists: a step through an index of texts looks at each of them by itself.
    columns = list(dict.fromkeys(chain.from_iterable(part.columns.tolist() for part in parts)))
    index = list(dict.fromkeys(chain.from_iterable(part.index.tolist() for part in parts)))
    out = np.full((len(index), len(columns)), np.nan)
    row_of, column_of = pd.Index(index), pd.Index(columns)
    if len(index) == sum(len(part) for part in parts):
        _below_each_other(out, column_of, parts)
        return pd.DataFrame(out, index=row_of, columns=column_of)
    for part in reversed(parts):
        rows, cols = row_of.get_indexer(part.index), column_of.get_indexer(part.columns)
        sent = part.to_numpy(dtype=float)
        there = out[np.ix_(rows, cols)]
        out[np.ix_(rows, cols)] = np.where(np.isnan(sent), there, sent)
    return pd.DataFrame(out, index=row_of, columns=column_of)


def _below_each_other(
    out: NDArray[np.float64], columns: pd.Index, parts: list[pd.DataFrame]
) -> None:
    """Put parts in their places that have nobody in common, as sites with one platform each."""
    start = 0
    for part in parts:
        here = out[start : start + len(part)]
        start += len(part)
        if part.columns.equals(columns):
            here[:] = part.to_numpy(dtype=float)
        else:
            here[:, columns.get_indexer(part.columns)] = part.to_numpy(dtype=float)
