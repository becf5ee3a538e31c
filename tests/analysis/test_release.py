"""What may leave: few people have no numbers, counts are rounded."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.services import release
from analysis.services.disclosure import hidden_rows, released_documents, rules
from analysis.services.disclosure.whys import WORDS, Why
from tests.factories import SiteFactory, user_with

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
    assert set(hidden["reason"]) == {WORDS[Why.FEW]}
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
    assert shown["reason"] == WORDS[Why.FEW]
    assert {shown[name] for name in ("estimate", "ci_low", "ci_high", "n_case")} == {None}
    assert release.verdict_for(row, manager) == row


def test_nobody_and_a_few_who_came_or_left_look_alike(analyst, manager):
    rows = [{"site": "FUK", "n_in": 0, "n_out": 1}, {"site": "OSA", "n_in": 13, "n_out": 0}]
    assert release.comings_for(rows, analyst) == [{"site": None, "n_in": 15, "n_out": None}]
    assert release.comings_for(rows, manager) == rows
    nobody = [{"site": "FUK", "n_in": 0, "n_out": 0}]
    assert release.comings_for(nobody, analyst) == [{"site": None, "n_in": None, "n_out": None}]


def test_a_cause_can_be_one_persons_withdrawal_and_is_not_told(analyst, manager):
    facts = {"sites": [], "left_out": [], "cause": "withdrawal from FUK: erase"}
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


def pool_of(*people: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sites with so many cases and as many controls, and their pool."""
    effects = pd.DataFrame(
        {"stratum": "all", "feature": "a", "site": f"S{site}", "estimate": 0.123456, "reason": ""}
        | {"n_case": n, "n_control": n, "df": 2.0 * n - 2, "p": 0.012345, "n_below_lod": 4}
        for site, n in enumerate(people)
    )
    total = {"stratum": "all", "feature": "a", "estimate": 0.123456, "p": 0.012345, "reason": ""}
    total |= {"n_case": sum(people), "n_control": sum(people), "q": 0.5}
    return effects, pd.DataFrame([total | {"sites": ";".join(effects["site"])}])


@pytest.mark.parametrize(
    ("people", "shown"),
    [
        ((40, 30, 20), True),
        ((100, 80, 12), False),  # two sites hold 94 %
        ((30, 30), True),  # only an average of two rows that are shown
        ((30, 8), False),  # the other row is not shown
    ],
)
def test_a_pool_that_is_nearly_all_two_sites_is_hidden(people, shown):
    judged = hidden_rows.judge(*pool_of(*people), k=10)
    assert judged.pooled_hidden.tolist() == [not shown]


def test_a_total_is_the_sum_of_the_rounded_counts_beside_it(analyst):
    effects, pooled = pool_of(12, 12, 12, 12)
    rows = release.table_for(effects, analyst, name="effects", beside=pooled)
    (total,) = release.table_for(pooled, analyst, name="pooled", beside=effects)["n_case"]
    assert total == rows["n_case"].sum() == 40  # not 50, which 48 is nearest to


def test_a_hidden_site_hides_the_next_larger_one_and_both_are_other_sites(analyst):
    effects, pooled = pool_of(40, 8, 30, 20)
    rows = release.table_for(effects, analyst, name="effects", beside=pooled)
    assert rows["estimate"].isna().tolist() == [False, True, False, True]
    (sites,) = release.table_for(pooled, analyst, name="pooled", beside=effects)["sites"]
    assert sites == "S0;S2;other sites"


def test_effects_have_three_digits_and_p_values_two(analyst, manager):
    effects, pooled = pool_of(40, 30, 20)
    for frame, name, beside in ((effects, "effects", pooled), (pooled, "pooled", effects)):
        row = release.table_for(frame, analyst, name=name, beside=beside).iloc[0]
        assert (row["estimate"], row["p"]) == (0.123, 0.012)
        assert release.table_for(frame, manager, name=name, beside=beside) is frame


def test_few_values_below_detection_and_degrees_of_freedom_do_not_count_people(analyst):
    effects, pooled = pool_of(40, 31, 20)
    rows = release.table_for(effects, analyst, name="effects", beside=pooled)
    assert rows["n_below_lod"].isna().all()
    assert rows["df"].tolist() == [80, 60, 40]


def test_an_effect_on_nine_degrees_of_freedom_is_hidden(analyst):
    effects, _ = pool_of(12)
    assert release.table_for(effects.assign(df=9.0), analyst)["estimate"].isna().all()


def test_a_shown_q_is_no_hidden_p_in_disguise(analyst):
    effects, pooled = (
        pd.concat([one, two.assign(feature="b")], ignore_index=True)
        for one, two in zip(pool_of(40, 30, 20), pool_of(4, 3, 2), strict=True)
    )
    told = release.table_for(pooled, analyst, name="pooled", beside=effects)
    assert told["estimate"].notna().tolist() == [True, False]
    assert told["q"].isna().all()  # 0.5 was handed on from one to the other
    apart = pooled.assign(q=[0.2, 0.5])
    told = release.table_for(apart, analyst, name="pooled", beside=effects)
    assert told["q"].notna().tolist() == [True, False]


def test_severity_on_few_people_is_refused_in_the_same_words(analyst):
    data = {
        "refused": "",
        "r2": 0.91234,
        "q2": 0.3,
        "n_samples": 9,
        "n_sites": 2,
        "vip": {"a": 1.0},
    }
    assert release.document_for("severity", data, analyst) == {"refused": WORDS[Why.FEW]}
    told = release.document_for("severity", data | {"n_samples": 33}, analyst)
    assert (told["r2"], told["n_samples"]) == (0.912, 35)


def test_a_refusal_that_counts_people_is_told_without_the_count(analyst):
    data = {"refused": "A severity model needs at least 10 samples with an outcome, got 7."}
    told = release.document_for("severity", data, analyst)
    assert told["refused"] == released_documents.COUNTS_PEOPLE
    named = {"refused": "The plan names no outcome."}
    assert release.document_for("severity", named, analyst) == named


def test_harmonisation_does_not_tell_the_one_small_site_by_its_sum(analyst):
    data = {"refused": "", "n_people": 107, "sites": {"FUK": 7, "OSA": 40, "TYO": 60}}
    told = release.document_for("harmonisation", data | {"notes": ["FUK: one arm"]}, analyst)
    assert told["sites"] == {"FUK": None, "OSA": None, "TYO": 60}
    assert (told["n_people"], told["notes"]) == (105, [])
    assert told["reasons"] == {"FUK": WORDS[Why.FEW], "OSA": WORDS[Why.FEW]}
    assert told["reason"] == ""


def test_harmonisation_says_why_its_numbers_are_hidden(analyst):
    data = {"refused": "", "n_people": 7, "sites": {"FUK": 7}, "components_before": {"sites": []}}
    told = release.document_for("harmonisation", data, analyst)
    assert (told["n_people"], told["components_before"]) == (None, {})
    assert told["reason"] == WORDS[Why.FEW]
    withheld = data | {"n_people": 90, "sites": {"OSA": 40, "TYO": 50}, "withheld": ["OSA"]}
    told = release.document_for("harmonisation", withheld, analyst)
    assert told["sites"]["OSA"] is None
    assert told["reasons"]["OSA"] == WORDS[Why.EARLIER]


def test_harmonisation_does_not_name_the_one_site_whose_components_are_missing(analyst):
    """FUK has enough people, but few in an arm: its centre is the others' sum."""
    data = {"refused": "", "n_people": 160, "sites": {"FUK": 20, "OSA": 60, "TYO": 80}}
    parts = {"explained": [], "sites": []}
    arms = {"FUK": (4, 16), "OSA": (30, 30), "TYO": (40, 40)}
    rule = released_documents.RULES["harmonisation"]
    told = released_documents.shown(rule, data | {"components_after": parts}, arms, 10, ())
    assert told["components_after"] == {}
    assert told["components_reason"] == WORDS[Why.FEW]
    assert told["reasons"] == {}


def test_a_document_without_a_rule_says_nothing_to_analysts(analyst, manager):
    assert release.document_for("residuals", {"a": [1]}, analyst) == {"refused": WORDS[Why.NO_RULE]}
    assert release.document_for("residuals", {"a": [1]}, manager) == {"a": [1]}


def test_facts_name_the_rules_and_k(analyst, manager):
    for user in (analyst, manager):
        facts = release.facts_for({"sites": [], "left_out": [], "cause": ""}, user)
        assert facts["release_rules"] == release.RELEASE_RULES_VERSION
        assert facts["disclosure_k"] == 10


@pytest.mark.parametrize(
    ("weights", "hidden"),
    [([10, 9, 0.9], True), ([10, 9, 1.1], False), ([10, 9], False), ([10, 9, 0.5, 0.6], False)],
)
def test_the_second_largest_cannot_work_out_the_largest(weights, hidden):
    assert rules.outweighs(weights) is hidden


def test_a_pool_that_one_precise_site_makes_is_hidden():
    rows = [
        {"stratum": "all", "feature": "f", "site": site, "estimate": 0.4, "df": 70.0}
        | {"n_case": 40, "n_control": 40, "hedges_g_variance": variance}
        for site, variance in (("FUK", 0.001), ("TYO", 0.05), ("MTL", 0.05))
    ]
    pooled = [{"stratum": "all", "feature": "f", "estimate": 0.4, "n_case": 120, "n_control": 120}]
    judged = hidden_rows.judge(pd.DataFrame(rows), pd.DataFrame(pooled), k=10)
    assert judged.pooled_hidden[0]
    even = [row | {"hedges_g_variance": 0.05} for row in rows]
    judged = hidden_rows.judge(pd.DataFrame(even), pd.DataFrame(pooled), k=10)
    assert not judged.pooled_hidden[0]
