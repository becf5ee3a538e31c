"""The sensitivity grid past the disclosure rules.

Cells hold parts of the same people: two of them could be subtracted to see those between. So a
reader of released results sees the cells of one change beside the analysis as planned, where those
whom the change leaves out are nobody or enough by themselves; combinations of changes are for
those who see results before release.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from analysis.services.disclosure.hidden_rows import Judged
from analysis.services.disclosure.rules import (
    ARMS,
    Mask,
    coarsened,
    dominated,
    rounded,
    tells_an_insider,
)
from analysis.services.disclosure.suppression import EVERYBODY, Arms
from analysis.services.disclosure.whys import WORDS, Why
from analysis.steps.sensitivity_grid import people_of

People = Mapping[str, Arms]
NUMBERS = ("estimate", "se", "ci_low", "ci_high", "p", "tau2", "i2", "n_sites", *ARMS)


def grid_shown(frame: pd.DataFrame, judged: Judged, k: int, own: Collection[str]) -> pd.DataFrame:
    """The cells that may be told, numbers coarsened and counts rounded; never the sites' counts."""
    cells = frame[of_one_change(frame)].reset_index(drop=True)
    return cells_shown(cells, told(cells, judged, k, own))


def of_one_change(frame: pd.DataFrame) -> Mask:
    """The analysis as planned, and the cells of a single change."""
    mask: Mask = (~frame["changes"].str.contains(" + ", regex=False)).to_numpy(dtype=bool)
    return mask


def cells_shown(cells: pd.DataFrame, told: Mask) -> pd.DataFrame:
    """Cells as they are told, those of ``told`` with their numbers."""
    shown = coarsened(cells.reset_index(drop=True))
    shown[list(NUMBERS)] = shown[list(NUMBERS)].astype(float).mask(pd.Series(~told), axis=0)
    for name in ARMS:
        shown[name] = [rounded(n) if n == n else n for n in shown[name]]
    for name in ("direction", "side"):
        shown[name] = np.where(told, shown[name], "")
    shown["reason"] = np.where(told, shown["reason"], WORDS[Why.FEW])
    return shown.drop(columns="by_site")


def told(frame: pd.DataFrame, judged: Judged, k: int, own: Collection[str]) -> Mask:
    """Which cells may be told: every cell of a feature is judged beside its others."""
    mask = np.zeros(len(frame), dtype=bool)
    people = [people_of(words) for words in frame["by_site"]]
    keys = [(str(s), str(f)) for s, f in zip(frame["stratum"], frame["feature"], strict=True)]
    planned = {
        keys[at]: at
        for at in np.flatnonzero(frame["cell"] == 0).tolist()
        if _is_the_pooled(judged, *keys[at], people[at])
    }
    for at in np.flatnonzero(frame["reason"] == "").tolist():
        first = planned.get(keys[at])
        if first is not None:
            apart = _rests(people[at], k, own) and _between(people[first], people[at], k, own)
            mask[at] = at == first or apart
    return mask & ~_sexes_tell(frame, mask)


def _is_the_pooled(judged: Judged, stratum: str, feature: str, people: People) -> bool:
    """Whether the pooled row of the very same people is told."""
    rows = judged.contributors(stratum, feature)
    arms = zip(rows["n_case"].astype(int), rows["n_control"].astype(int), strict=True)
    same = dict(zip(rows["site"], arms, strict=True)) == dict(people)
    return same and judged.shows_pooled(stratum, feature)


def _rests(people: People, k: int, own: Collection[str]) -> bool:
    """Whether each site's part is large enough, and none tells of another."""
    if any(min(arms) < k for arms in people.values()):
        return False
    return not dominated(people, ()) and not tells_an_insider(people, own, k)


def _between(planned: People, people: People, k: int, own: Collection[str]) -> bool:
    """Whether those whom the change leaves out are nobody, or enough in each arm.

    Counted without the reader's own sites; beside these the change must be felt at two others.
    """
    apart = [
        tuple(abs(one - other) for one, other in zip(before, people.get(site, (0, 0)), strict=True))
        for site, before in planned.items()
        if site not in own
    ]
    felt = [arms for arms in apart if any(arms)]
    if own and len(felt) == 1:
        return False
    return all(n == 0 or n >= k for n in map(sum, zip(*felt, strict=True)))


def _sexes_tell(frame: pd.DataFrame, told: Mask) -> Mask:
    """Rows that, with the others of the feature and cell, give a hidden one away.

    Everybody is men plus women: where one of the three is hidden, everybody alone is told.
    """
    keys = [frame["feature"], frame["cell"]]
    all_told = pd.Series(told).groupby([key.to_numpy() for key in keys]).transform("all")
    mask: Mask = (~all_told & (frame["stratum"] != EVERYBODY)).to_numpy(dtype=bool)
    return mask
