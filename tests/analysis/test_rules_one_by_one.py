"""Each disclosure rule where it decides alone: left out, one of these tests fails."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.services.disclosure import (
    hidden_rows,
    released_documents,
    released_further,
    released_groups,
    released_tables,
    released_verdicts,
)
from analysis.services.disclosure.released_curves import curves_for
from analysis.services.disclosure.rules import count_or_none, few_in_an_arm
from analysis.services.disclosure.whys import Why
from tests.analysis.test_disclosure_attack import RULE, _pooled, _row, areas

K = 10
STEP = {"n_control": 40, "predicted": 0.4}


def judged_of(*sizes: int, **columns: object) -> hidden_rows.Judged:
    """One feature at so many sites, each with so many people an arm."""
    rows = [_row("all", "a", f"S{at}", [n, n], n / 2, 0.3) for at, n in enumerate(sizes)]
    effects = pd.DataFrame(rows).assign(**columns)
    return hidden_rows.judge(effects, _pooled(effects), k=K)


# --- D2: counts are rounded after few are hidden; totals and shares come from rounded counts


def test_eight_and_nobody_look_alike_though_eight_rounds_to_ten():
    assert [count_or_none(n, K) for n in (0, 1, 8, 9)] == [None] * 4
    assert [count_or_none(n, K) for n in (10, 12, 13)] == [10, 10, 15]


def test_the_people_of_harmonisation_are_the_sum_of_the_rounded_sites():
    data = {"n_people": 39, "sites": {"A": 13, "B": 13, "C": 13}}
    told = released_documents.RULES["harmonisation"](data, {}, K, ())
    assert told["n_people"] == sum(told["sites"].values()) == 45


def test_shares_behind_plots_come_from_rounded_counts():
    (group,) = released_groups.calibration_for([{**STEP, "n_case": 12, "n_control": 13}], K)
    assert (group["observed"], group["n"]) == (0.4, 25)
    steps = [{"false_positive": at, "n_case": n, **STEP} for at, n in ((0.5, 12), (1.0, 13))]
    assert released_groups.roc_for(steps, K)[1]["true_positive"] == 0.4
    sites = [{"site": site, "n_case": [12, 13], "n_control": 40} for site in "AB"]
    for curve in curves_for({"roc_by_site": sites}, (), K):
        assert curve["points"][1]["true_positive"] == 0.4


def test_degrees_of_freedom_count_nobody():
    judged = judged_of(34, 36, 38)
    moderated = judged.effects[["stratum", "feature", "site", "n_case", "n_control", "estimate"]]
    moderated = moderated.assign(df=judged.effects["df"] + 7.3, reason="")
    for shown in (
        released_tables.effects_shown(judged, K),
        released_further.moderated_shown(moderated, judged),
    ):
        assert set(shown["df"] % 5) == {0}


# --- D5: nobody takes the own people off


@pytest.mark.parametrize(
    ("n_samples", "own", "why"),
    [
        (40, {"A"}, Why.TOLD),
        (26, {"A"}, Why.INSIDER),  # six others
        (40, {"A", "B"}, Why.INSIDER),  # one other site
    ],
)
def test_severity_is_hidden_from_whoever_could_take_the_own_site_off(n_samples, own, why):
    sites = {"A": (10, 10), "B": (6, 6), "C": (4, 4)}
    data = {"n_samples": n_samples, "n_sites": 3}
    assert released_documents.severity_why(data, sites, K, own) == why


def test_groups_behind_plots_are_not_for_people_of_the_sites():
    sites = {f"S{at}": (30, 30) for at in range(3)}
    severity = {"n_samples": 180, "n_sites": 3, "groups": []}
    for name, data, part in (
        ("severity", severity, "groups"),
        ("classifier", areas(30, 30, 30), "roc"),
    ):
        rule = released_documents.RULES[name]
        assert part in rule(data, sites, K, ())
        assert part not in rule(data, sites, K, {"S0"})


def test_a_verdict_over_two_sites_is_hidden_from_one_of_them():
    judged, row = judged_of(70, 80, 90), {"stratum": "all", "feature": "a"}
    row |= {"n_case": 150, "n_control": 150}
    why = released_verdicts.verdict_why(judged, row, ["S0", "S1"], k=K, own={"S0"})
    assert why == Why.INSIDER
    assert not released_verdicts.verdict_why(judged, row, ["S0", "S1"], k=K, own={"S2"})


# --- D6: one or two sites are no consortium; all and nobody are told of nobody


def test_what_two_sites_nearly_make_alone_is_hidden():
    assert released_documents.classifier_why(areas(50, 45, 10), K, ()) == Why.DOMINATED
    sites = {"A": (50, 50), "B": (40, 40), "C": (5, 5)}
    data = {"n_samples": 190, "n_sites": 3}
    assert released_documents.severity_why(data, sites, K, ()) == Why.DOMINATED
    row = {"stratum": "all", "feature": "a", "n_case": 400, "n_control": 400}
    judged = judged_of(200, 185, 15)
    spoken = ["S0", "S1", "S2"]
    assert released_verdicts.verdict_why(judged, row, spoken, k=K, own=()) == Why.DOMINATED
    by_people_alone = judged_of(100, 95, 20)  # the third weighs a fifth of the first
    row |= {"n_case": 215, "n_control": 215}
    assert released_verdicts.verdict_why(by_people_alone, row, spoken, k=K, own=()) == Why.DOMINATED


def test_the_area_of_a_few_is_hidden_where_that_of_all_sites_is_hidden_too():
    told = released_documents.shown(RULE, areas(50, 45, 6), {}, K, ())
    assert told["auc"] is None
    assert [each["auc"] is None for each in told["by_site"]] == [False, False, True]


def test_values_below_detection_are_counted_where_neither_all_nor_nearly_all_are():
    judged = judged_of(20, 20, 20, 20, n_below_lod=[40, 35, 22, 9])
    shown = released_tables.effects_shown(judged, K)["n_below_lod"]
    assert [None if n != n else n for n in shown] == [None, None, 20, None]


# --- D7: no more digits than numbers of so few people hold


def test_models_are_told_to_three_digits_and_p_to_two():
    data = {"n_samples": 180, "n_sites": 3, "r2": 0.41349, "p_q2": 0.012345}
    data |= {"vip": {"a": 1.23456}, "by_site": [{"site": "A", "rho": 0.2}]}
    told = released_documents.RULES["severity"](data, {}, K, ())
    assert (told["r2"], told["p_q2"], told["vip"]) == (0.413, 0.012, {"a": 1.23})
    assert "by_site" not in told  # D4: a site's own correlation


def test_importance_is_told_to_three_digits():
    told = released_documents.shown(RULE, areas(30, 30, 30), {}, K, ())
    assert told["importance"] == {"a": 0.123}


@pytest.mark.parametrize(("df", "told"), [(9.0, False), (10.0, True)])
def test_nine_degrees_of_freedom_are_too_few_where_the_model_is_small_enough(df, told):
    """Of 13 people, which only a smaller k lets through."""
    row = pd.DataFrame([{"n_case": 7, "n_control": 6, "df": df, "site": "A"}])
    assert few_in_an_arm(row, 5).tolist() == [not told]


@pytest.mark.parametrize(("df", "told"), [(16.0, False), (17.0, True)])
def test_a_site_whose_model_has_more_parameters_than_a_third_of_its_people_is_hidden(df, told):
    """Of 24 people a model with eight parameters is hidden, one with seven is told."""
    judged = judged_of(12, 12, 12, df=df)
    assert set(judged.effects_hidden) == {not told}


def test_handling_tells_its_verdicts_and_no_medians_of_single_sites():
    data = {"FUK": {"verdict": "suspect", "reason": "arg/(arg+orn) is 0.41", "touches": ["orn"]}}
    told = released_documents.RULES["handling"](data, {}, K, ())
    assert told == {"FUK": {"verdict": "suspect"}}


def test_harmonisation_of_two_own_sites_and_one_other_is_hidden():
    data = {"n_people": 39, "sites": {"A": 13, "B": 13, "C": 13}}
    assert released_documents.harmonisation_why(data, K, {"A", "B"}, ()) == Why.INSIDER
    assert released_documents.harmonisation_why(data, K, {"A"}, ()) == Why.TOLD
