"""What preparation makes of a snapshot: a site's values on one platform, and notes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd


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


def stacked(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """People x features over all blocks; where two measure the same, the first one counts."""
    if not parts:
        return pd.DataFrame()
    columns = list(dict.fromkeys(name for part in parts for name in part.columns))
    index = list(dict.fromkeys(who for part in parts for who in part.index))
    out = np.full((len(index), len(columns)), np.nan)
    row_of, column_of = pd.Index(index), pd.Index(columns)
    for part in reversed(parts):
        rows, cols = row_of.get_indexer(part.index), column_of.get_indexer(part.columns)
        sent = part.to_numpy(dtype=float)
        there = out[np.ix_(rows, cols)]
        out[np.ix_(rows, cols)] = np.where(np.isnan(sent), there, sent)
    return pd.DataFrame(out, index=row_of, columns=column_of)
