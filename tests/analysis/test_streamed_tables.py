"""Run tables as streams: what they tell is what the whole tables tell, and their size costs no
memory."""

from __future__ import annotations

import gc
import io
import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from django.utils import timezone

from analysis.api import result_streams
from analysis.models import Plan, Run, RunTable
from analysis.models import results as stored_results
from analysis.services import release, results, stored_tables
from analysis.services.disclosure import released_pieces
from tests.analysis.test_disclosure_attack import a_consortium
from tests.factories import StudyFactory, user_with

pytestmark = pytest.mark.django_db
K = 10


def a_run(effects: pd.DataFrame, pooled: pd.DataFrame) -> Run:
    plan, _ = Plan.objects.get_or_create(study=StudyFactory(), name="p", data={"case": ["a"]})
    now = timezone.now()
    run = Run.objects.create(
        plan=plan,
        state="published",
        key=f"k{Run.objects.count()}",
        published_at=now,
        released_at=now,
    )
    RunTable.of(run, "effects", effects).save()
    RunTable.of(run, "pooled", pooled).save()
    return run


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(stored_results, "GROUP_ROWS", 11)
    monkeypatch.setattr(stored_tables, "PIECE_ROWS", 7)
    monkeypatch.setattr(released_pieces, "FEATURES_AT_ONCE", 1)


@pytest.mark.parametrize("own", [frozenset(), frozenset({"S1"})], ids=["analyst", "insider"])
@pytest.mark.parametrize("seed", [0, 5, 13, 23, 26, 35])
def test_by_pieces_the_same_is_told_as_by_whole_tables(monkeypatch, small_pieces, seed, own):
    monkeypatch.setattr(release, "sites_of", lambda user: own)
    effects, pooled = a_consortium(seed)
    # Some q values are those of hidden rows in disguise.
    pooled = pooled.assign(q=np.repeat([0.02, 0.3, 0.3, 1.0], len(pooled))[: len(pooled)])
    run, user = a_run(effects, pooled), user_with("CA")
    for name in ("effects", "pooled"):
        whole = results.table_for(run, name, user)
        pieces = list(results.pieces_for(run, name, user))
        assert len(pieces) > 1
        assert any(piece["estimate"].isna().any() for piece in pieces)
        assert any(piece["estimate"].notna().any() for piece in pieces) or seed == 35
        told = pd.concat(pieces, ignore_index=True)
        pd.testing.assert_frame_equal(told, whole.reset_index(drop=True))


# --- the tables beside them


def moderated_of(effects: pd.DataFrame, pooled: pd.DataFrame) -> pd.DataFrame:
    """Every effect once more, one in seven of one person less than beside it."""
    less = np.arange(len(effects)) % 7 == 0
    rows = effects.drop(columns=["hedges_g", "hedges_g_variance"])
    return rows.assign(n_case=rows["n_case"] - less, t=1.23456, plain_p=0.01234)


def one_stage_of(effects: pd.DataFrame, pooled: pd.DataFrame) -> pd.DataFrame:
    less = np.arange(len(pooled)) % 7 == 0
    rows = pooled[["stratum", "feature", "estimate", "n_sites", "n_case", "n_control", "reason"]]
    return rows.assign(n_case=rows["n_case"] - less, pooled_estimate=0.51234, at_bound=False)


def sensitivity_of(effects: pd.DataFrame, pooled: pd.DataFrame) -> pd.DataFrame:
    """Cell by cell, so that a feature's are in many pieces."""
    there = effects[effects["estimate"].notna()]
    cells = []
    for cell, changes in enumerate(("", "drug-free", "fasting", "drug-free + fasting")):
        for (stratum, feature), part in there.groupby(["stratum", "feature"], sort=False):
            cases = part["n_case"].clip(lower=(5, 20, 30, 30)[cell])
            sites = zip(part["site"], cases, part["n_control"], strict=True)
            words = ";".join(f"{site} {case}+{control}" for site, case, control in sites)
            told = {"stratum": stratum, "feature": feature, "cell": cell, "changes": changes}
            told |= dict.fromkeys(("estimate", "se", "ci_low", "ci_high", "p"), 0.51234)
            told |= {"tau2": 0.0, "i2": 0.0, "n_sites": len(part), "n_case": int(cases.sum())}
            told |= {"n_control": int(part["n_control"].sum()), "direction": "higher"}
            cells.append(told | {"side": "same", "by_site": words, "reason": ""})
    return pd.DataFrame(cells)


BESIDE = {"moderated": moderated_of, "one_stage": one_stage_of, "sensitivity": sensitivity_of}


@pytest.mark.parametrize("own", [frozenset(), frozenset({"S1"})], ids=["analyst", "insider"])
@pytest.mark.parametrize("name", BESIDE)
def test_the_tables_beside_them_are_told_by_pieces_as_they_are_whole(
    monkeypatch, small_pieces, name, own
):
    monkeypatch.setattr(release, "sites_of", lambda user: own)
    effects, pooled = a_consortium(26)
    run, user = a_run(effects, pooled), user_with("CA")
    RunTable.of(run, name, BESIDE[name](effects, pooled)).save()
    whole = results.table_for(run, name, user)
    pieces = list(results.pieces_for(run, name, user))
    assert len(pieces) > 1
    told = pd.concat(pieces, ignore_index=True)
    pd.testing.assert_frame_equal(told, whole.reset_index(drop=True), check_dtype=False)
    assert 0 < told["estimate"].isna().sum() < len(told)


def test_a_table_without_a_rule_tells_analysts_its_columns_alone():
    effects, pooled = a_consortium(1)
    run = a_run(effects, pooled)
    RunTable.of(run, "residuals", effects).save()
    (nothing,) = results.pieces_for(run, "residuals", user_with("CA"))
    assert (len(nothing), list(nothing)) == (0, list(effects))


def test_a_data_manager_gets_every_row_and_an_empty_table_has_its_columns(small_pieces):
    effects, pooled = a_consortium(1)
    user = user_with("CD")
    told = pd.concat(results.pieces_for(a_run(effects, pooled), "effects", user))
    pd.testing.assert_frame_equal(told, effects)
    for role in ("CD", "CA"):
        (empty,) = results.pieces_for(a_run(effects[:0], pooled[:0]), "pooled", user_with(role))
        assert list(empty) == list(pooled)


def test_a_data_manager_gets_the_other_tables_as_they_are_stored(small_pieces):
    run = a_run(*a_consortium(1))
    cells = pd.DataFrame({"feature": [f"f{n}" for n in range(40)], "estimate": 0.5})
    RunTable.of(run, "sensitivity", cells).save()
    pieces = list(results.pieces_for(run, "sensitivity", user_with("CD")))
    assert [len(piece) for piece in pieces][:2] == [7, 7]
    pd.testing.assert_frame_equal(pd.concat(pieces), cells)


def test_parquet_and_csv_of_pieces_are_one_table():
    pieces = [
        pd.DataFrame({"feature": ["=1+1"], "n_case": [np.nan], "p": [0.5]}),
        pd.DataFrame({"feature": ["b"], "n_case": [15.0], "p": [np.nan]}),
    ]
    schema = pa.schema([("feature", pa.string()), ("n_case", pa.int64()), ("p", pa.float64())])
    text = b"".join(result_streams.csv(iter(pieces), schema)).decode()
    assert text == "feature,n_case,p\n'=1+1,,0.5\nb,15,\n"
    sent = b"".join(result_streams.parquet(iter(pieces), schema))
    read = pd.read_parquet(io.BytesIO(sent))
    assert read["feature"].tolist() == ["=1+1", "b"]
    assert read["n_case"].isna().tolist() == [True, False]


# --- memory


def a_wide_run(n_features: int, n_sites: int = 10) -> Run:
    rng = np.random.default_rng(0)
    sites = [f"S{n:02}" for n in range(n_sites)]
    keys = pd.MultiIndex.from_product(
        [["all"], [f"feature {n}" for n in range(n_features)], sites],
        names=["stratum", "feature", "site"],
    )
    effects = keys.to_frame(index=False)
    numbers = ("estimate", "hedges_g", "se", "p", "hedges_g_variance")
    effects[list(numbers)] = rng.uniform(0.1, 1, (len(effects), len(numbers)))
    effects = effects.assign(n_case=40, n_control=50, df=88.0, reason="")
    pooled = effects.groupby(["stratum", "feature"], as_index=False, sort=False).agg(
        {"estimate": "mean", "p": "mean", "n_case": "sum", "n_control": "sum"}
    )
    more = {"q": pooled["p"], "sites": ";".join(sites), "n_sites": len(sites), "reason": ""}
    return a_run(effects, pooled.assign(**more))


def peak_of_sending(run: Run, user, name: str) -> int:
    """Bytes of Python and numpy at their highest, and of Arrow as each piece comes.

    What earlier tests still hold of Arrow's memory is not of this one.
    """
    gc.collect()
    held = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        arrow = max(pa.total_allocated_bytes() for _ in results.pieces_for(run, name, user))
        return tracemalloc.get_traced_memory()[1] + max(arrow - held, 0)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("role", ["CA", "CD"])
def test_a_table_ten_times_as_large_takes_hardly_more_memory(monkeypatch, role):
    monkeypatch.setattr(stored_results, "GROUP_ROWS", 400)
    monkeypatch.setattr(stored_tables, "READ_AHEAD_BYTES", 4096)
    user, small, large = user_with(role), a_wide_run(30), a_wide_run(300)

    def growth(rows: int, features: int) -> float:
        monkeypatch.setattr(stored_tables, "PIECE_ROWS", rows)
        monkeypatch.setattr(released_pieces, "FEATURES_AT_ONCE", features)
        peak_of_sending(small, user, "effects")  # what the first use needs once
        return peak_of_sending(large, user, "effects") / peak_of_sending(small, user, "effects")

    assert growth(300, 30) < 2
    if role == "CD":
        assert growth(10_000, 1_000) > 3  # the test notices a table that is read whole


@pytest.mark.parametrize("name", ["one_stage", "sensitivity"])
def test_a_table_beside_them_ten_times_as_large_takes_hardly_more_memory(monkeypatch, name):
    """Of moderated effects the pieces are made as those of one_stage are."""
    monkeypatch.setattr(stored_results, "GROUP_ROWS", 300)
    monkeypatch.setattr(stored_tables, "READ_AHEAD_BYTES", 1 << 15)
    user, runs = user_with("CA"), [a_wide_run(n_features, 3) for n_features in (50, 500)]
    for run in runs:
        effects, pooled = (run.tables.get(name=each).frame for each in ("effects", "pooled"))
        RunTable.of(run, name, BESIDE[name](effects, pooled)).save()

    def growth(rows: int, features: int) -> float:
        monkeypatch.setattr(stored_tables, "PIECE_ROWS", rows)
        monkeypatch.setattr(released_pieces, "FEATURES_AT_ONCE", features)
        small, large = (peak_of_sending(run, user, name) for run in runs)
        return large / small

    # What a request needs without any table is a third of a megabyte of both.
    assert growth(100, 100) < 2.5
    if name == "one_stage":
        assert growth(10_000, 1_000) > 3  # the test notices a table that is read whole
