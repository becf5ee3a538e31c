"""The written rules, one by one."""

import pandas as pd
import pytest

from analysis.findings import ClaimFacts
from analysis.plans import AnalysisPlan
from analysis.stats.handling import judge_handling
from analysis.verdicts import judge_all, judge_marker

PLAN = AnalysisPlan(case=("hikikomori",), control=("healthy_control",))
PROMPT = judge_handling(delay_hours=[0.5, 0.7])
LATE = judge_handling(delay_hours=[4.0, 5.0])


def claim(direction="higher", **more):
    facts = {
        "code": "K22-2",
        "kind": "feature",
        "marker": "ornithine",
        "markers": ("ornithine",),
        "matrix": "plasma",
        "strata": ("men",),
    }
    return ClaimFacts(**(facts | more), direction=direction)


def effects(*g, feature="ornithine", stratum="men", matrix="plasma", variance=0.01):
    return pd.DataFrame(
        {
            "stratum": stratum,
            "feature": feature,
            "site": [f"S{n}" for n in range(len(g))],
            "hedges_g": g,
            "hedges_g_variance": variance,
            "n_case": 30,
            "n_control": 30,
            "matrix": matrix,
        }
    )


def judge(table, direction="higher", handling=None, **more):
    known = dict.fromkeys(table["site"], PROMPT) | (handling or {})
    return judge_marker(claim(direction, **more), "men", table, known, PLAN)


def test_an_interval_on_the_claimed_side_replicates():
    found = judge(effects(0.5, 0.55, 0.6, 0.52))
    assert (found.verdict, found.n_sites, found.n_case) == ("replicated", 4, 120)
    assert found.always_low > 0
    assert found.always_low < found.ci_low < found.estimate < found.ci_high < found.always_high


def test_the_same_interval_is_opposite_to_a_claim_of_less():
    assert judge(effects(0.5, 0.55, 0.6, 0.52), "lower").verdict == "opposite"


def test_an_interval_that_leaves_zero_at_one_look_alone_decides_nothing():
    found = judge(effects(0.3, 0.32, 0.28, 0.3, variance=0.03))
    assert found.ci_low > 0 > found.always_low
    assert found.verdict == "undecided"
    assert "the ordinary interval lies on the claimed side of zero, but" in found.reason


def test_an_interval_that_holds_zero_is_undecided_and_says_with_what_power():
    found = judge(effects(0.5, -0.4, 0.1))
    assert found.verdict == "undecided"
    assert "holds zero; the power of one look to see g = 0.2 was" in found.reason


def test_one_site_is_not_a_test():
    found = judge(effects(0.9))
    assert found.verdict == "not_testable"
    assert found.reason == "Two sites are needed and only S0 is left for ornithine."


def test_a_marker_that_nobody_measured_is_not_testable():
    found = judge(effects(0.5, 0.5, feature="citrulline"))
    assert found.reason == "No site has an effect of ornithine in this stratum."


def test_a_site_that_separates_late_does_not_speak_on_ornithine():
    table = effects(0.5, 0.55, 0.6, 3.0)
    found = judge(table, handling={"S3": LATE})
    assert found.n_sites == 3
    assert found.estimate == pytest.approx(0.55, abs=0.01)
    assert "S3 is left out: its handling is suspect" in found.reason


def test_without_the_guard_the_late_site_would_have_spoken():
    """The seeded fault: were the site counted, the estimate would move far."""
    assert judge(effects(0.5, 0.55, 0.6, 3.0)).estimate > 1


def test_late_separation_does_not_touch_urate():
    table = effects(0.5, 0.55, 0.6, feature="uric acid")
    late = dict.fromkeys(table["site"], LATE)
    found = judge(table, handling=late, marker="uric acid", markers=("uric acid",))
    assert found.n_sites == 3


def test_handling_that_nobody_recorded_gives_no_verdict_on_ornithine():
    table = effects(0.5, 0.55)
    unknown = dict.fromkeys(table["site"], judge_handling())
    found = judge(table, handling=unknown)
    assert found.verdict == "not_testable"
    assert "its handling is unknown" in found.reason


def test_another_material_does_not_speak():
    found = judge(effects(0.5, 0.55, matrix="serum"))
    assert found.verdict == "not_testable"
    assert "S0 measured serum, the claim is on plasma." in found.reason


def test_a_claim_on_blood_takes_any_material():
    assert judge(effects(0.5, 0.55, 0.5, matrix="serum"), matrix="blood").verdict == "replicated"


def test_of_two_candidates_the_one_that_more_sites_measured_stands_for_the_marker():
    table = pd.concat(
        [effects(0.5, feature="arginase activity"), effects(0.5, 0.6, feature="arginase mass")]
    )
    found = judge(table, marker="arginase", markers=("arginase activity", "arginase mass"))
    assert found.feature == "arginase mass"


def area(*areas, n=40, **more):
    """A classifier's document; the ordinary interval is far from 0.5 unless ``more`` says else."""
    by_site = [
        {"site": f"S{k}", "auc": value, "n_case": n, "n_control": n}
        for k, value in enumerate(areas)
    ]
    ordinary = {"refused": "", "auc": 0.8, "ci_low": 0.75, "ci_high": 0.85, "warnings": []}
    return ordinary | {"by_site": by_site} | more


def judged(kind, document):
    claims = [claim("none", kind=kind, strata=("all",))]
    (found,) = judge_all(claims, effects(0.5), {kind: document}, {}, PLAN)
    return found


@pytest.mark.parametrize(
    ("document", "verdict"),
    [
        (area(0.8, 0.85, 0.78), "replicated"),
        (area(0.8, 0.85, 0.78, n=6), "undecided"),
        (area(0.2, 0.15, 0.22), "opposite"),
        (area(0.9, None), "not_testable"),
        (area(0.9, 0.9, refused="No site can be tested."), "not_testable"),
    ],
)
def test_a_classifier_is_judged_at_left_out_sites_by_the_interval_over_all_looks(document, verdict):
    assert judged("classifier", document).verdict == verdict


def test_an_area_that_leaves_a_half_at_one_look_alone_decides_nothing():
    found = judged("classifier", area(0.7, 0.66, 0.68, n=15, auc=0.68, ci_low=0.58, ci_high=0.77))
    assert found.ci_low > 0.5 > found.always_low
    assert found.verdict == "undecided"
    assert "the ordinary interval of the AUC lies above 0.5, but the one that" in found.reason


def severity(*r, n=80, **more):
    facts = {"refused": "", "q2": 0.2, "p_permutation": 0.005, "folds": "leave-one-site-out"}
    facts |= {"n_sites": len(r), "n_case": 30, "n_control": 30}
    by_site = [{"site": f"S{k}", "n": n, "r": value} for k, value in enumerate(r)]
    return facts | {"by_site": by_site} | more


@pytest.mark.parametrize(
    ("document", "verdict", "words"),
    [
        (severity(0.5, 0.55, 0.5), "replicated", "at all looks: Q2 = 0.20, the correlation"),
        (severity(0.5, 0.55, 0.5, q2=-0.1), "undecided", "not predicted better than by its mean"),
        (severity(0.5, 0.55, 0.5, n=9), "undecided", "at this look, but not yet at all looks"),
        (severity(0.1, 0.0, -0.1, p_permutation=None), "undecided", "not predicted beyond chance"),
        (severity(0.5, 0.5, folds="10-fold"), "not_testable", "Three sites with the outcome"),
        (severity(refused="Nobody has it."), "not_testable", "Nobody has it."),
    ],
)
def test_severity_is_judged_at_left_out_sites_by_the_interval_over_all_looks(
    document, verdict, words
):
    found = judged("severity", document)
    assert found.verdict == verdict
    assert words in found.reason


@pytest.mark.parametrize(("kind", "made"), [("classifier", area), ("severity", severity)])
def test_a_verdict_says_that_sites_were_left_out_in_groups(kind, made):
    words = "Sites were left out in 10 groups."
    assert words in judged(kind, made(0.8, 0.85, 0.78, n_groups=10)).reason
    assert words not in judged(kind, made(0.8, 0.85, 0.78)).reason


def test_a_claim_on_groups_among_cases_is_not_tested_and_says_so():
    claims = [claim("none", kind="subgroup", strata=("all",))]
    (found,) = judge_all(claims, effects(0.5), {}, {}, PLAN)
    assert found.verdict == "not_testable"


SUBGROUPS = {"kind": "subgroup", "marker": "uric acid", "strata": ("all",), "matrix": "serum"}


def judged_subgroups(table, **more):
    facts = claim("none", **(SUBGROUPS | {"markers": ("uric acid",)} | more))
    (found,) = judge_all([facts], table, {}, {}, PLAN)
    return found


def test_sub_groups_without_a_published_rule_are_not_testable_and_the_reason_says_what_is_lacking():
    table = effects(0.5, 0.1, feature="uric acid", stratum="all", matrix="serum")
    found = judged_subgroups(table)
    assert (found.verdict, found.n_sites, found.estimate) == ("not_testable", 2, None)
    assert "parts cases into sub-groups, not cases from controls" in found.reason
    assert "which the source does not give" in found.reason
    assert found.reason.endswith("Measured in cases already: uric acid (sites: 2).")


def test_a_case_control_difference_however_large_is_no_verdict_on_sub_groups():
    """The seeded fault: judged like other markers it would be replicated."""
    table = effects(*[1.5] * 6, feature="uric acid", stratum="all", matrix="serum")
    as_marker = claim("higher", **(SUBGROUPS | {"kind": "feature", "markers": ("uric acid",)}))
    assert judge_marker(as_marker, "all", table, {}, PLAN).verdict == "replicated"
    assert judged_subgroups(table).verdict == "not_testable"


@pytest.mark.parametrize(
    "table",
    [
        effects(0.5, feature="uric acid", stratum="all", matrix="urine"),
        effects(0.5, feature="citrulline", stratum="all", matrix="serum"),
        effects(0.5, feature="uric acid", stratum="all", matrix="serum").assign(n_case=0),
    ],
)
def test_sub_groups_of_a_marker_that_nobody_measured_there_say_so(table):
    found = judged_subgroups(table)
    assert found.n_sites == 0
    assert found.reason.endswith("No site has measured uric acid in serum yet.")


def test_of_several_markers_those_measured_are_named():
    table = effects(0.5, 0.5, feature="CE 18:2", stratum="all", matrix="plasma")
    found = judged_subgroups(table, markers=("CE 16:0", "CE 18:2"), matrix="plasma")
    assert found.reason.endswith("Measured in cases already: CE 18:2 (sites: 2).")


@pytest.mark.parametrize(
    ("table", "verdict", "said"),
    [
        (effects(*[0.8] * 8), "replicated", "It is at least g = 0.2, at all looks."),
        (effects(*[0.2] * 12, variance=0.001), "replicated", "It may be less than g = 0.2, the"),
        (effects(*[0.01, -0.01] * 8, variance=0.002), "undecided", "g = 0.2 is ruled out."),
    ],
)
def test_the_interval_is_held_against_the_smallest_effect_that_matters(table, verdict, said):
    found = judge(table)
    assert found.verdict == verdict
    assert said in found.reason


def test_a_wide_interval_says_nothing_of_the_smallest_effect():
    assert "ruled out" not in judge(effects(0.5, -0.4, 0.1)).reason


def test_the_reason_says_how_far_the_sites_lie_apart():
    alike, apart = judge(effects(*[0.5] * 6)).reason, judge(effects(*[0.1, 0.9] * 3)).reason
    assert "Between sites I2 = 0 %" in alike
    assert "Between sites I2 = 9" in apart
    assert "Between sites" not in judge(effects(0.5, 0.5)).reason  # two sites cannot tell
