"""The same person twice is found; two people who are alike are not called one."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.stats import duplicates
from analysis.stats.duplicates import find_repeats
from analysis.stats.errors import UnusableData

REAL = os.environ.get("HIKI_REAL_DATA", "")
needs_real_data = pytest.mark.skipif(
    not REAL, reason="HIKI_REAL_DATA is unset: give the folder of the real studies."
)


def cohort(n: int = 200, m: int = 40, seed: int = 0) -> np.ndarray:
    return np.round(np.random.default_rng(seed).lognormal(3, 1, (n, m)), 2)


def pairs(values: object, **options: float) -> list[tuple[int, int]]:
    return [(repeat.first, repeat.second) for repeat in find_repeats(values, **options)]


def test_a_row_sent_twice_is_found_with_its_evidence():
    values = cohort()
    values[150] = values[20]
    (repeat,) = find_repeats(values)
    assert (repeat.first, repeat.second) == (20, 150)
    assert (repeat.n_compared, repeat.n_shared, repeat.n_differing) == (40, 40, 0)
    assert repeat.certain


def test_different_people_are_no_repeat():
    assert find_repeats(cohort()) == ()


def test_a_person_in_two_cohorts_agrees_where_both_measured():
    values = cohort()
    values[150] = values[20]
    values[:100, :10] = np.nan
    values[100:, 30:] = np.nan
    (repeat,) = find_repeats(values)
    assert repeat.n_compared == 20


def test_one_differing_value_of_few_makes_two_people():
    values = cohort()
    values[150] = values[20]
    values[150, 0] += 1
    assert find_repeats(values) == ()


def test_one_feature_joined_by_mistake_does_not_hide_a_repeat_among_hundreds():
    values = cohort(m=150)
    values[150] = values[20]
    values[150, 0] += 1
    (repeat,) = find_repeats(values)
    assert (repeat.n_shared, repeat.n_differing) == (149, 1)
    assert find_repeats(values, max_differing=0) == ()


def test_agreeing_that_nothing_was_detected_is_no_evidence():
    values = cohort()
    values[20, 3:] = values[150, 3:] = 0
    values[150, :3] = values[20, :3]
    assert find_repeats(values) == ()


def test_not_detected_against_a_value_is_a_disagreement():
    values = cohort()
    values[150] = values[20]
    values[150, 5] = 0
    assert find_repeats(values) == ()


def test_common_values_are_weak_evidence():
    coarse = np.random.default_rng(0).integers(1, 3, (300, 12)).astype(float)
    assert find_repeats(coarse) == ()


def test_a_file_that_prints_fewer_digits_still_matches():
    values = np.random.default_rng(0).lognormal(3, 1, (50, 20))
    values[40] = [float(f"{value:.6g}") for value in values[2]]
    assert pairs(values) == [(2, 40)]


def test_facts_of_the_person_add_evidence_to_coarse_measurements():
    rng = np.random.default_rng(3)
    coarse = rng.integers(1, 8, (400, 5)).astype(float)
    coarse[300] = coarse[20]
    age = rng.integers(20, 80, 400).astype(float)
    birth_month = rng.integers(1, 13, 400).astype(float)
    age[300], birth_month[300] = age[20], birth_month[20]
    assert (20, 300) not in pairs(coarse)
    assert pairs(np.column_stack([coarse, age, birth_month])) == [(20, 300)]


def test_a_row_sent_three_times_is_three_pairs():
    values = cohort()
    values[[50, 60]] = values[40]
    assert pairs(values) == [(40, 50), (40, 60), (50, 60)]


def test_nobody_is_met_by_what_nearly_everybody_shares():
    rng = np.random.default_rng(5)
    facts = np.column_stack([rng.integers(1, 3, 600), rng.integers(20, 60, 600)])
    measured = 1000.0 + rng.permutation(600 * 20).reshape(600, 20)
    coded = duplicates._coded(np.column_stack([measured, facts]), 6)
    assert list(duplicates._candidates(coded, needed=17.5)) == []


@given(seed=st.integers(0, 10_000), n_values=st.integers(2, 30))
@settings(max_examples=30, deadline=None)
def test_all_pairs_that_share_enough_are_met(seed, n_values):
    rng = np.random.default_rng(seed)
    values = rng.integers(1, n_values + 1, (40, 8)).astype(float)
    values[:, rng.integers(8)] = rng.integers(1, 3, 40)
    coded = duplicates._coded(values, 6)
    bits = np.where(np.isfinite(coded.bits), coded.bits, 0.0)
    same = coded.code[:, None] == coded.code[None]
    shared = (same * bits).sum(axis=2)
    found = {
        pair for both in duplicates._candidates(coded, 10.0) for pair in zip(*both, strict=True)
    }
    enough = {(i, j) for i in range(40) for j in range(i + 1, 40) if shared[i, j] >= 10.0 + 1e-9}
    assert enough <= found


def test_commoner_values_may_be_set_aside_without_losing_a_repeat(monkeypatch):
    monkeypatch.setattr("analysis.stats.duplicates._BUDGET", 2_000)
    coarse = np.random.default_rng(0).integers(1, 40, (500, 60)).astype(float)
    coarse[400] = coarse[30]
    assert pairs(coarse) == [(30, 400)]


def test_nothing_to_compare_is_no_repeat():
    assert find_repeats(np.ones((1, 3))) == ()
    assert find_repeats(np.full((4, 3), np.nan)) == ()
    assert find_repeats(np.zeros((4, 3))) == ()


def test_limits_that_let_everything_through_are_refused():
    with pytest.raises(UnusableData, match="Shared values: 0 is no count"):
        find_repeats(cohort(), min_shared=0)
    with pytest.raises(UnusableData, match="samples and features"):
        find_repeats([1.0, 2.0])


@needs_real_data
def test_the_two_repeated_rows_of_the_heart_study_are_found_and_no_other():
    folder = Path(REAL) / "heart_four_sites"
    people = pd.read_csv(folder / "participants.csv")
    values = pd.read_csv(folder / "measurements.csv").drop(columns="participant_id")
    values["age"] = people.age_years
    values["sex"] = people.sex.map({"F": 1, "M": 2})
    names = people.participant_id
    found = {(names[r.first], names[r.second]): r for r in find_repeats(values)}
    assert set(found) == {("hungarian_102", "hungarian_103"), ("va_140", "va_188")}
    assert found["va_140", "va_188"].certain
    # Nine coarse values leave chance a fair explanation, and the answer says so.
    assert not found["hungarian_102", "hungarian_103"].certain


@needs_real_data
def test_the_53_controls_that_two_gut_cohorts_share_are_found_and_no_other():
    folder = Path(REAL) / "gut_cohorts"
    features = pd.read_csv(folder / "features.csv").dropna(subset="hmdb")
    tables = []
    for cohort_name in ("yachida", "sinha", "kim", "erawijantari", "wang", "kang"):
        table = pd.read_csv(folder / f"measurements_{cohort_name}.csv").set_index("sample_id")
        mine = features[features.cohort == cohort_name].drop_duplicates("hmdb")
        tables.append(table[mine.feature_id].set_axis(mine.hmdb, axis=1))
    joined = pd.concat(tables)
    people = pd.read_csv(folder / "participants.csv").set_index("sample_id")
    shared = people.index[people.shared_with_erawijantari.astype(str) == "True"]
    repeats = find_repeats(joined)
    found = {joined.index[r.first]: joined.index[r.second] for r in repeats}
    assert len(repeats) == 53
    assert found == {name: name.replace("yachida", "erawijantari") + ".Healthy" for name in shared}
    assert min(repeat.n_shared for repeat in repeats) >= 100
