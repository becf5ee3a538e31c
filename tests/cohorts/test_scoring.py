import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohorts.scoring import ScoringRule, WithdrawalFacts, score, withdrawal_grade

HQ_25 = ScoringRule(
    n_items=25,
    item_min=0,
    item_max=4,
    reversed_items=frozenset({4, 7, 10, 15, 21, 22, 25}),
    subscales={
        "socialization": (1, 4, 6, 8, 11, 13, 15, 18, 20, 23, 25),
        "isolation": (2, 5, 9, 12, 16, 19, 22, 24),
        "emotional_support": (3, 7, 10, 14, 17, 21),
    },
    max_missing_items=2,
)
answers = st.lists(st.integers(0, 4), min_size=25, max_size=25)


def test_reversed_items_count_from_the_other_end():
    rule = ScoringRule(3, 0, 4, frozenset({2}))
    assert score([1, 1, 1], rule).total == 1 + 3 + 1


def test_all_zeros_score_the_reversed_items_alone():
    scores = score([0] * 25, HQ_25)
    assert scores.total == 28
    assert scores.subscales == {"socialization": 12, "isolation": 4, "emotional_support": 12}


@given(answers)
def test_subscales_that_share_out_the_items_sum_to_the_total(items):
    scores = score(items, HQ_25)
    assert sum(scores.subscales.values()) == pytest.approx(scores.total)
    assert 0 <= scores.total <= 100


@given(answers)
def test_answering_the_other_way_round_mirrors_the_total(items):
    mirrored = [4 - item for item in items]
    assert score(items, HQ_25).total + score(mirrored, HQ_25).total == pytest.approx(100)


@given(answers, st.integers(0, 24))
def test_one_missing_answer_is_filled_by_the_persons_own_mean(items, missing):
    gap = [None if i == missing else item for i, item in enumerate(items)]
    scores = score(gap, HQ_25)
    known = [
        4 - item if i + 1 in HQ_25.reversed_items else item
        for i, item in enumerate(items)
        if i != missing
    ]
    assert scores.total == pytest.approx(25 * sum(known) / 24)
    assert scores.n_missing == 1


def test_too_many_missing_answers_give_no_total_and_the_reason():
    scores = score([None, None, None] + [1] * 22, HQ_25)
    assert scores.total is None
    assert scores.reason == "Items unanswered: 3; at most 2 may be."


def test_a_subscale_is_not_made_up_from_other_items():
    scores = score([None] + [1] * 24, HQ_25)
    assert scores.total is not None
    assert scores.subscales["socialization"] is None
    assert scores.subscales["isolation"] == 7 + 3


@pytest.mark.parametrize(
    ("items", "message"),
    [([1, 2], "2 answers for 3 items"), ([1, 5, 1], r"Item 2 is answered 5; the range is 0 to 4")],
)
def test_answers_that_do_not_fit_the_rule_are_refused(items, message):
    with pytest.raises(ValueError, match=message):
        score(items, ScoringRule(3, 0, 4))


def test_a_rule_that_names_an_item_too_many_is_refused():
    with pytest.raises(ValueError, match=r"names items \[4\]; there are 1 to 3"):
        ScoringRule(3, 0, 4, frozenset({4}))


def graded(**facts):
    met = {"isolated_at_home": True, "months": 12, "impaired_or_distressed": True}
    return withdrawal_grade(WithdrawalFacts(**({**met, "days_out_a_week": 1} | facts)))


@pytest.mark.parametrize(
    ("facts", "state", "severity"),
    [
        ({}, "hikikomori", "moderate"),
        ({"months": 6, "days_out_a_week": 3}, "hikikomori", "mild"),
        ({"days_out_a_week": 2}, "hikikomori", "mild"),
        ({"months": 5.9, "days_out_a_week": 0}, "pre_hikikomori", "moderate"),
        ({"months": 3}, "pre_hikikomori", "moderate"),
        ({"rarely_leaves_room": True}, "hikikomori", "severe"),
        ({"months": 2.9}, "not_met", ""),
        ({"days_out_a_week": 4}, "not_met", ""),
        ({"impaired_or_distressed": False}, "not_met", ""),
        ({"isolated_at_home": False, "months": None}, "not_met", ""),
        ({"months": None}, "unknown", ""),
    ],
)
def test_withdrawal_is_graded_by_the_named_criteria(facts, state, severity):
    grade = graded(**facts)
    assert (grade.state, grade.severity) == (state, severity)
    assert grade.criteria == "Kato 2019/2020"
    assert bool(grade.reason) == (state in ("not_met", "unknown"))


def test_what_was_not_recorded_is_named():
    assert graded(months=None).reason == "not recorded: months."
