"""A new release beside hundreds of earlier ones: in one look what is solved one by one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.services.disclosure import cells, rules
from analysis.services.disclosure.between_releases import Comparison, withheld
from analysis.services.disclosure.cells import AXES, Cells, Rows, spread
from analysis.services.disclosure.opened import Moved, opened
from analysis.services.disclosure.suppression import POOL, Table, completed, first_broken

K = 10
SITES = [POOL, "S0", "S1", "S2"]


def some_features(rng: np.random.Generator, strata: list[str], n: int) -> tuple[Moved, np.ndarray]:
    """Features with cells that are there or not, and others at some sites than men and women."""
    shape = (n, len(strata), len(SITES))
    people = rng.integers(10, 60, (*shape, 2))
    if strata[:3] == ["all", "men", "women"]:
        others = rng.choice([0, 0, 0, 4, -1], (n, len(SITES), 1))
        people[:, 0] = people[:, 1] + people[:, 2] + others
    there = rng.random(shape) < 0.85
    moved = rng.choice([0, 0, 3, -3, 7, 12, -12, 40], (*shape, 2))
    guarded = there & (rng.random(shape) < 0.2)
    some = Moved(strata, SITES, people.astype(np.int32), moved.astype(np.int32), there, guarded)
    return some, there & (guarded | (rng.random(shape) < 0.3))


def is_broken(some: Moved, out: np.ndarray, feature: int) -> bool:
    """The same of one feature by its equations."""
    at = {
        (stratum, site): (feature, t, s)
        for t, stratum in enumerate(some.strata)
        for s, site in enumerate(some.sites)
        if some.there[feature, t, s]
    }
    people, moved = (
        {cell: (int(each[place][0]), int(each[place][1])) for cell, place in at.items()}
        for each in (some.people, some.moved)
    )
    hidden, guarded = (
        frozenset(cell for cell, place in at.items() if each[place]) for each in (out, some.guarded)
    )
    table = Table(people, frozenset(cell for cell in at if cell[1] != POOL))
    found = first_broken(table, table.sums(), hidden, guarded, frozenset(), K, moved)
    return found is not None


@pytest.mark.parametrize(
    "strata", [["all", "men", "women"], ["all", "men", "women", "young"], ["all"], ["all", "men"]]
)
def test_what_is_open_is_found_in_one_look_as_it_is_feature_by_feature(strata):
    some, out = some_features(np.random.default_rng(len(strata)), strata, 300)
    found = opened(some, out, K)
    assert found.tolist() == [is_broken(some, out, feature) for feature in range(300)]
    assert 20 < found.sum() < 280


def counts(people: dict[tuple[str, str, str], tuple[int, int]]) -> Cells:
    """Cells of so many people, all told."""
    rows = [(*cell, *arms, 0.0) for cell, arms in people.items()]
    frame = pd.DataFrame(rows, columns=[*AXES, *rules.ARMS, "estimate"])
    return Cells.of([Rows.of(frame)], [np.zeros(len(frame), dtype=bool)], K)


def names_of(found: np.ndarray, of: Cells) -> list[tuple[str, str, str]]:
    features, strata, sites = of.axes
    return [(features[f], strata[t], sites[s]) for f, t, s in np.argwhere(found)]


def sites_and_pool(**people: tuple[int, int]) -> dict[tuple[str, str, str], tuple[int, int]]:
    total = (sum(case for case, _ in people.values()), sum(n for _, n in people.values()))
    return {("f", "all", site): arms for site, arms in {**people, POOL: total}.items()}


def found_beside(now: Cells, *earlier: Cells) -> list[tuple[str, str, str]]:
    listed = [Comparison.of(now, each, K) for each in earlier]
    nothing = np.zeros_like(now.there)
    return names_of(withheld(now, listed, nothing, K, {}), now)


def test_a_site_that_left_altogether_hides_nobody():
    """What it was is known and what it is now too: so another site's row must be withheld."""
    before = counts(sites_and_pool(A=(40, 40), B=(40, 40), C=(50, 50), D=(60, 60)))
    now = counts(sites_and_pool(A=(43, 40), B=(40, 40), C=(50, 50)))
    assert found_beside(now, before) == [("f", "all", ""), ("f", "all", "A")]


def random_history(rng: np.random.Generator, n: int) -> list[Cells]:
    """Releases of 3 features, in which a few or many come and go; some rows were withheld."""
    strata, sites = ("men", "women"), ("A", "B", "C", "D")
    now = {
        (f, s, at): rng.integers(15, 60, 2)
        for f in "xyz"
        for s in strata
        for at in sites[: rng.integers(2, 5)]
    }
    releases = []
    for _ in range(n):
        now = {
            cell: np.maximum(arms + rng.choice([0, 0, 0, 2, 5, 12, 30, -3, -12], 2), 10)
            for cell, arms in now.items()
            if rng.random() > 0.03
        }
        frame = pd.Series(now).rename_axis(AXES).apply(pd.Series).set_axis(rules.ARMS, axis=1)
        both = frame.groupby(["feature", "site"]).sum().assign(stratum="all").reset_index()
        rows = pd.concat([frame.reset_index(), both])
        pools = rows.groupby(["feature", "stratum"])[rules.ARMS].sum().reset_index()
        every = pd.concat([rows, pools.assign(site=POOL)]).assign(estimate=0.0)
        releases.append(Cells.of([Rows.of(every)], [rng.random(len(every)) < 0.1], K))
    return releases


def solved_one_by_one(now: Cells, comparisons: list[Comparison]) -> np.ndarray:
    """The plain way: every feature beside every release, and again until nothing is added."""
    found = np.zeros_like(now.there)
    for each in comparisons:
        found |= spread(each.guarded, each.axes, now.axes)
    more = True
    while more:
        before = found.copy()
        for each in comparisons:
            out = (spread(found, now.axes, each.axes) | each.dark) & each.there
            for feature in np.flatnonzero(each.guarded.any(axis=(1, 2))):
                found |= spread(plainly(each, out, feature), each.axes, now.axes)
        more = (found & ~before).any()
    return found


def plainly(each: Comparison, out: np.ndarray, feature: int) -> np.ndarray:
    _, strata, sites = each.axes
    at = {(strata[t], sites[s]): (t, s) for t, s in np.argwhere(each.there[feature])}
    chosen = [{c for c in at if mask[feature][at[c]]} for mask in (out, each.guarded, each.gone)]
    people, moved = (
        {c: tuple(numbers[feature][place].tolist()) for c, place in at.items()}
        for numbers in (each.people, each.moved)
    )
    table = Table(people, frozenset(c for c in at if c[1] != POOL))
    told = completed(table, chosen[0], chosen[1], k=K, moved=moved, gone=chosen[2])
    found = np.zeros_like(out)
    for cell in told:
        found[feature][at[cell]] = cell not in chosen[0]
    return found


@pytest.mark.parametrize("seed", [0, 1, 24, 86])  # the last two take a second turn
def test_random_histories_withhold_what_the_plain_way_withholds(seed):
    *earlier, now = random_history(np.random.default_rng(seed), 9)
    listed = [Comparison.of(now, each, K) for each in earlier]
    nothing = np.zeros_like(now.there)
    found = withheld(now, listed, nothing, K, {})
    assert names_of(found, now) == names_of(solved_one_by_one(now, listed), now)
    guarded = np.any([spread(each.guarded, each.axes, now.axes) for each in listed], axis=0)
    assert 0 < guarded.sum() < found.sum() < now.there.sum()


def test_rows_are_packed_and_read_again_as_they_were(monkeypatch):
    frame = pd.DataFrame(
        [("b", "all", "S", 12, 30, 0.1, 38.0), ("a", "men", "T", 11, 11, np.nan, 2.0)],
        columns=[*AXES, *rules.ARMS, "estimate", "df"],
    )
    rows = Rows.of(frame)
    again = Rows.unpacked(rows.packed())
    assert [list(each) for each in again.axes] == [["a", "b"], ["all", "men"], ["S", "T"]]
    assert [each.tolist() for each in again.places] == [[1, 0], [0, 1], [0, 1]]
    assert again.people.tolist() == [[12, 30], [11, 11]]
    assert (again.there.tolist(), again.fits.tolist()) == ([True, False], [True, False])
    assert Rows.unpacked(None) is None
    packed = rows.packed()
    monkeypatch.setattr(cells, "RELEASE_RULES_VERSION", 0)
    assert Rows.unpacked(packed) is None
