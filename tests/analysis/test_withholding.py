"""Two releases of one plan, subtracted: a feature's, a sex's, a site's people may differ by a few.

The attacker takes every number that was told in both releases, and every sum that they fit into.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from analysis.models import Plan, Run, RunTable
from analysis.services import release, results
from analysis.services.disclosure import released_verdicts, withholding
from analysis.services.disclosure.suppression import by_a_few
from analysis.services.disclosure.whys import WORDS, Why
from tests.analysis.test_disclosure_attack import STRATA, _pooled, _site_rows
from tests.factories import StudyFactory, user_with

pytestmark = pytest.mark.django_db
K = 10
SEEDS = range(12)


def two_moments(seed: int) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """Effects and pooled effects of 2 features at 4 sites, before and after some people came."""
    rng = np.random.default_rng(seed)
    before, after = [], []
    for site in ("S0", "S1", "S2", "S3"):
        for feature in ("a", "b"):
            men, women = (rng.integers(16, 60, 2) for _ in range(2))
            came = [rng.choice([0, 0, 0, 1, 3, 12, 25], 2) for _ in range(2)]
            before += _site_rows(site, feature, men.tolist(), women.tolist(), rng)
            more = [(here + new).tolist() for here, new in zip((men, women), came, strict=True)]
            after += _site_rows(site, feature, *more, rng)
    frames = [pd.DataFrame(rows) for rows in (before, after)]
    return [(frame, _pooled(frame)) for frame in frames]


def released(plan: Plan, tables: tuple[pd.DataFrame, pd.DataFrame]) -> Run:
    now = timezone.now()
    key = f"k{Run.objects.count()}"
    run = Run.objects.create(
        plan=plan, state="published", key=key, published_at=now, released_at=now
    )
    for name, frame in zip(("effects", "pooled"), tables, strict=True):
        RunTable.of(run, name, frame).save()
    return run


@pytest.fixture
def plan():
    return Plan.objects.create(study=StudyFactory(), name="p", data={"case": ["a"]})


def told_and_people(run: Run, user) -> pd.DataFrame:
    """By feature, stratum and site ("" is the pool): exact people, and whether it is told."""
    parts = []
    for name in ("effects", "pooled"):
        exact = RunTable.objects.get(run=run, name=name).frame
        shown = results.table_for(run, name, user)
        part = exact[["feature", "stratum", "n_case", "n_control"]].copy()
        part["site"] = exact.get("site", "")
        parts.append(part.assign(told=shown["estimate"].notna().to_numpy()))
    return pd.concat(parts).set_index(["feature", "stratum", "site"])


def recovered(first: Run, second: Run, user) -> list[tuple[str, str, str]]:
    """Cells whose two numbers differ by a few people, and can be subtracted."""
    then, now = told_and_people(first, user), told_and_people(second, user)
    found = []
    for feature in ("a", "b"):
        cells = list(now.loc[feature].index)
        known = [then.loc[(feature, *c), "told"] and now.loc[(feature, *c), "told"] for c in cells]
        fixed = np.array(known) | _solved(cells, known)
        for cell in np.array(cells, dtype=object)[fixed]:
            at = (feature, *cell)
            moved = now.loc[at, ["n_case", "n_control"]] - then.loc[at, ["n_case", "n_control"]]
            if by_a_few([tuple(moved)], K):
                found.append(at)
    return found


def _solved(cells, known) -> np.ndarray:
    """Which differences the sums fix: pools are their sites, everybody is men and women."""
    place = {cell: number for number, cell in enumerate(cells)}
    rows = [np.eye(len(cells))[number] for number in np.flatnonzero(known)]
    sums = [{(s, ""): -1, **{c: 1 for c in cells if c[0] == s and c[1]}} for s in STRATA]
    for site in {site for _, site in cells if site}:  # of pools it follows where it is so
        sums.append({("all", site): -1, ("men", site): 1, ("women", site): 1})
    for each in (one for one in sums if one.keys() <= place.keys()):
        row = np.zeros(len(cells))
        for cell, sign in each.items():
            row[place[cell]] = sign
        rows.append(row)
    _, scale, vectors = np.linalg.svd(np.array(rows))
    loose = np.abs(vectors[(scale > 1e-9).sum() :]).max(axis=0, initial=0.0)
    return loose < 1e-9


@pytest.mark.parametrize("seed", SEEDS)
def test_no_difference_of_a_few_people_can_be_worked_out_of_two_releases(plan, seed):
    before, after = two_moments(seed)
    first, second = released(plan, before), released(plan, after)
    analyst = user_with("CA")
    assert recovered(first, second, analyst)  # the attack works where nothing is withheld
    withholding.withhold(second)
    assert recovered(first, second, analyst) == []
    whole = results.table_for(second, "effects", analyst)
    pieces = pd.concat(results.pieces_for(second, "effects", analyst), ignore_index=True)
    pd.testing.assert_frame_equal(pieces, whole.reset_index(drop=True))


def one_feature(plan: Plan, n_case: int, n_other: int = 40) -> Run:
    """A feature at three sites of 40 and 40; at the first, ``n_case`` cases."""
    rows = [
        {"stratum": "all", "feature": "f", "site": site, "reason": "", "df": n + 38.0}
        | {"n_case": n, "n_control": 40, "estimate": 0.4, "hedges_g": 0.4}
        | {"hedges_g_variance": 0.05}
        for site, n in (("FUK", n_case), ("OSA", n_other), ("TYO", 40))
    ]
    effects = pd.DataFrame(rows)
    return released(plan, (effects, _pooled(effects)))


def told_at(run: Run) -> list[str]:
    told = results.table_for(run, "effects", user_with("CA"))
    return told["site"][told["estimate"].notna()].tolist()


def test_a_withheld_row_is_told_again_when_enough_have_come_since_it_was_told_last(plan):
    one_feature(plan, 40)
    for n_case, told in ((44, False), (49, False), (50, True), (51, False), (60, True)):
        run = one_feature(plan, n_case)
        withholding.withhold(run)
        assert ("FUK" in told_at(run)) is told, n_case
    table = results.table_for(run, "effects", user_with("CD"))
    assert table["estimate"].notna().all()


def test_a_pool_is_withheld_with_the_few_and_told_with_the_many(plan):
    """Where others came too the pool is told, and the rows that moved are not: they tell who."""
    one_feature(plan, 40)
    for others, pool_is_told, sites in ((40, False, ["OSA", "TYO"]), (55, True, ["TYO"])):
        run = one_feature(plan, 43, others)
        withholding.withhold(run)
        shown = results.table_for(run, "pooled", user_with("CA"))
        assert shown["estimate"].notna().tolist() == [pool_is_told]
        assert (shown["reason"].tolist() == [WORDS[Why.EARLIER]]) is not pool_is_told
        assert told_at(run) == sites


def test_a_verdict_on_what_is_withheld_keeps_its_word_alone(plan):
    one_feature(plan, 40)
    run = one_feature(plan, 43)
    withholding.withhold(run)
    stored = {table.name: table for table in RunTable.objects.filter(run=run)}
    judged = release.judged_for(
        stored["effects"].frame,
        stored["pooled"].frame,
        user_with("CA"),
        (stored["effects"].withheld_rows, stored["pooled"].withheld_rows),
    )
    row = {"stratum": "all", "feature": "f", "n_case": 80, "n_control": 80}
    sites, rules = ["OSA", "TYO"], {"k": K, "own": frozenset()}
    assert released_verdicts.verdict_why(judged, row, sites, **rules)


def test_another_plans_releases_and_what_was_held_back_withhold_nothing(plan):
    other = Plan.objects.create(study=plan.study, name="q", data={"case": ["a"]})
    one_feature(other, 43)
    held = one_feature(plan, 41)
    Run.objects.filter(pk=held.pk).update(released_at=None)
    run = one_feature(plan, 40)
    withholding.withhold(run)
    assert told_at(run) == ["FUK", "OSA", "TYO"]
    assert not RunTable.objects.exclude(withheld=None).exists()


def parquet_read(run: Run) -> int:
    """How many tables are read as a whole to withhold the run's rows; every other one is packed."""
    with CaptureQueriesContext(connection) as asked:
        withholding.withhold(run)
    read = [each["sql"] for each in asked if each["sql"].startswith("SELECT")]
    of_tables = [sql for sql in read if 'FROM "analysis_runtable"' in sql]
    whole = [sql for sql in of_tables if '"parquet"' in sql]
    assert len(of_tables) - len(whole) <= 3, "each earlier release is read once"
    return len(whole)


def test_earlier_releases_are_read_once_and_packed_however_many_turns_it_takes(plan):
    """A cell is found at the first turn, so that there is a second one."""
    for n_case in (40, 55, 70):  # by code that packed nothing
        one_feature(plan, n_case)
    run = one_feature(plan, 73)
    assert parquet_read(run) == 1 + 2 * 3
    assert told_at(run) == ["OSA", "TYO"]
    assert parquet_read(run) == 1
    assert told_at(run) == ["OSA", "TYO"]
