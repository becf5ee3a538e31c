"""What is written as plain English, without marks, is said in the reader's language."""

from __future__ import annotations

import numpy as np
import pytest
from django.utils import translation

from analysis.stats.errors import UnusableData
from analysis.stats.meta import pool_effects
from cohorts.language.told import told
from hikiproject.words_as_written import is_written, written

LATE = (
    "arginine / (arginine + ornithine) has the median 0.41 (0.50-0.74 when separated promptly), "
    "below 0.50 in 9 of 12 samples; time from collection to spin not recorded"
)


def in_japanese(text: str) -> str:
    with translation.override("ja"):
        return told(text)


def test_a_refusal_of_the_numerical_core_is_said_in_japanese():
    with pytest.raises(UnusableData) as refused:
        pool_effects(np.array([[np.inf]]), np.array([[1.0]]))
    assert in_japanese(str(refused.value)) == (
        "コホート 0、特徴量 0（0 から数えて）に無限大の推定値または分散があります。"
        "全部で 1 個です。そのコホートを推定し直すか、両方を NaN にしてください。"
    )


def test_reasons_in_a_row_behind_the_site_they_are_of_are_said():
    said = in_japanese(f"FUK: {LATE}")
    assert said.startswith("FUK: アルギニン/(アルギニン+オルニチン) の中央値 0.41")
    assert said.endswith("12 検体中 9 が 0.50 未満；採取から遠心までの時間が記録されていない")


def test_of_two_reasons_in_a_row_none_swallows_half_of_the_other():
    late = "median time from collection to spin 0.6 h in 96 samples (limit 2 h)"
    first = LATE.partition("; ")[0]
    assert in_japanese(f"{first}; {late}") == f"{in_japanese(first)}；{in_japanese(late)}"


def test_a_sentence_with_a_semicolon_is_said_whole_among_others():
    among = "Between sites I2 = 0 %; at a further site g from -0.10 to 1.08 is expected."
    out = "MIL is left out: its handling is suspect."
    said = in_japanese(out) + in_japanese(among) + in_japanese(out)
    assert in_japanese(f"{out} {among} {out}") == said
    assert "expected" not in in_japanese(among)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("assays from TYO: the table new.csv", "TYO の測定値：表 new.csv"),
        ("Assays from TYO: the table new.csv.", "TYO の測定値：表 new.csv。"),
        ("asked for by kim", "kim が依頼"),
        ("participant 7 in the admin", "参加者 7（管理画面）"),
        ("participant event 7 in the admin", "参加者の履歴 7（管理画面）"),
        ("group other is in neither arm of the plan", "群 other は計画のどちらの群でもない"),
        ("MIL is left out: its handling is suspect.", "検体の取り扱いが「疑いあり」のためです。"),
    ],
)
def test_why_a_run_ran_and_what_was_read_is_said(text, said):
    assert in_japanese(text).endswith(said)


def test_a_fault_in_a_laboratorys_file_is_said_with_its_place():
    assert in_japanese("a.txt: line 7, section MS: the sample has no name; name it.") == (
        "a.txt：7 行目、セクション MS：検体に名前がありません。付けてください。"
    )
    # A sentence that begins with a value does not take its place for one.
    assert in_japanese(
        "a.txt: line 7, section SUBJECT_SAMPLE_FACTORS: 2 cells after the key; write subject, "
        "sample, factors and additional data with a tab between them."
    ).startswith("a.txt：7 行目、セクション SUBJECT_SAMPLE_FACTORS：キーの後にセルが 2 個")


@pytest.mark.parametrize(
    "text", ["", "FUK-014", "Spun late: the centrifuge was busy; sorry.", "a: b"]
)
def test_a_persons_own_words_stay_as_they_are(text):
    assert in_japanese(text) == text


def test_nothing_is_looked_for_in_english():
    assert told("fewer than 2 cases measured (1)") == "fewer than 2 cases measured (1)"
    assert in_japanese("fewer than 2 cases measured (1)") == "測定された症例が 2 人未満（1）"


def test_every_text_of_a_telling_module_is_found():
    code = '''
"""Of the module."""
SMALL = "too few people: {n}"
def f(rows):
    """Of the function."""
    if not rows:
        raise UnusableData(f"{len(rows)} rows of {rows.site!r} are under 5 %: send more.")
    raise ValueError("for a programmer")
'''
    assert list(written(code, "analysis/stats/new.py")) == [
        "too few people: %(n)s",
        "%(n_rows)s rows of %(site)s are under 5 %%: send more.",
    ]
    assert list(written(code, "cohorts/api_new.py")) == [
        "%(n_rows)s rows of %(site)s are under 5 %%: send more."
    ]
    assert is_written("analysis/stats/new.py")
    assert not is_written("cohorts/api/schema.py")
