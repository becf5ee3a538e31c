"""What may leave: few people have no numbers, counts are rounded, small changes are held."""

from __future__ import annotations

import pandas as pd
import pytest
from django.utils import timezone

from analysis.models import Plan, Run, Snapshot
from analysis.services import release
from tests.factories import SiteFactory, StudyFactory, user_with

pytestmark = pytest.mark.django_db

TABLE = pd.DataFrame(
    {
        "stratum": "all",
        "feature": ["enough", "few cases", "few controls"],
        "site": "FUK",
        "estimate": [0.5, 0.6, 0.7],
        "p": [0.01, 0.02, 0.03],
        "n_case": [12, 9, 40],
        "n_control": [33, 40, 9],
        "reason": ["", "", "said of 9 people"],
    }
)


@pytest.fixture
def analyst():
    return user_with("CA")


@pytest.fixture
def manager():
    return user_with("CD")


def test_a_row_on_few_people_in_either_arm_loses_its_numbers(analyst):
    shown = release.table_for(TABLE, analyst).set_index("feature")
    assert shown.loc["enough", "estimate"] == 0.5
    hidden = shown.loc[["few cases", "few controls"]]
    assert hidden[["estimate", "p", "n_case", "n_control"]].isna().all(axis=None)
    assert set(hidden["reason"]) == {release.HIDDEN}
    assert list(hidden["site"]) == ["FUK", "FUK"]


def test_counts_are_rounded_to_five(analyst):
    shown = release.table_for(TABLE, analyst)
    assert shown.loc[0, ["n_case", "n_control"]].tolist() == [10, 35]


def test_who_works_before_the_check_sees_the_table_as_it_is(manager):
    pd.testing.assert_frame_equal(release.table_for(TABLE, manager), TABLE)


@pytest.mark.parametrize("role", ["SC", "SD"])
def test_sites_see_no_more_than_analysts(role):
    user = user_with(role, SiteFactory())
    assert release.table_for(TABLE, user)["estimate"].notna().tolist() == [True, False, False]


def test_a_higher_threshold_hides_more(analyst, settings):
    settings.DISCLOSURE_K = 13
    assert release.table_for(TABLE, analyst)["estimate"].isna().all()


def test_a_verdict_on_few_people_keeps_its_word_and_loses_its_numbers(analyst, manager):
    row = {"verdict": "undecided", "reason": "power 12 %", "estimate": 0.4}
    row |= {"ci_low": -0.1, "ci_high": 0.9, "n_case": 8, "n_control": 40}
    shown = release.verdict_for(row, analyst)
    assert shown["verdict"] == "undecided"
    assert shown["reason"] == release.HIDDEN
    assert {shown[name] for name in ("estimate", "ci_low", "ci_high", "n_case")} == {None}
    assert release.verdict_for(row, manager) == row


def test_nobody_and_a_few_who_came_or_left_look_alike(analyst, manager):
    rows = [{"site": "FUK", "n_in": 0, "n_out": 1}, {"site": "OSA", "n_in": 13, "n_out": 0}]
    assert release.comings_for(rows, analyst) == [{"site": None, "n_in": 15, "n_out": None}]
    assert release.comings_for(rows, manager) == rows


def test_a_cause_can_be_one_persons_withdrawal_and_is_not_told(analyst, manager):
    facts = {"sites": [], "left_out": [], "cause": "withdrawal from FUK: withdrawal: erase"}
    assert release.facts_for(facts, analyst)["cause"] == ""
    assert release.facts_for(facts, manager)["cause"] == facts["cause"]


def test_who_was_left_out_is_told_without_sites_and_in_rounded_numbers(analyst):
    rows = [
        {"site": "FUK", "what": "participants", "n": 9, "why": "consent withdrawn"},
        {"site": "OSA", "what": "participants", "n": 4, "why": "consent withdrawn"},
        {"site": "OSA", "what": "participants", "n": 3, "why": "no consent on record"},
    ]
    assert release.left_out_for(rows, analyst) == [
        {"what": "participants", "why": "consent withdrawn", "n": 15},
        {"what": "participants", "why": "no consent on record", "n": None},
    ]


# --- held back or released


def a_run(plan: Plan, people: range, *, released: bool) -> Run:
    snapshot = Snapshot.objects.create(
        study=plan.study,
        digest=f"{people}",
        change_seen=0,
        participant_ids=list(people),
        assay_row_ids=[],
        assessment_ids=[],
    )
    now = timezone.now()
    state = {"state": "published", "published_at": now, "released_at": now} if released else {}
    return Run.objects.create(plan=plan, snapshot=snapshot, key=f"{people}", **state)


@pytest.mark.parametrize(
    ("people", "held"),
    [
        (range(100), False),  # the same people
        (range(110), False),  # ten more
        (range(109), True),  # nine more: their sum would be a subtraction away
        (range(1, 100), True),  # one fewer
        (range(10, 110), False),  # ten out, ten in
        (range(10, 105), True),  # ten out, five in
    ],
)
def test_a_run_is_held_back_while_its_people_differ_by_a_few(people, held):
    plan = Plan.objects.create(
        study=StudyFactory(), name="p", data={"case": ["a"], "control": ["b"]}
    )
    a_run(plan, range(100), released=True)
    same = people == range(100)
    now = Run.objects.get() if same else a_run(plan, people, released=False)
    assert bool(release.reason_to_hold(now)) is held


def test_the_first_run_of_a_plan_is_not_held_back():
    plan = Plan.objects.create(
        study=StudyFactory(), name="p", data={"case": ["a"], "control": ["b"]}
    )
    assert release.reason_to_hold(a_run(plan, range(100), released=False)) == ""
