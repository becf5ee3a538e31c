"""The handling guard: late separation makes the male signature in the tube."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.stats.effects import fit_effects
from analysis.stats.errors import UnusableData
from analysis.stats.handling import MARKERS_TOUCHED, arginine_ratio, judge_handling
from analysis.stats.handling_records import claims_touched, flag_samples, judge_records
from analysis.stats.sensitivity import CHANGES, COLUMNS, Change, sensitivity_grid

CLAIMS = {
    "K22-1": "long-chain acylcarnitines",
    "K22-2": "ornithine",
    "K22-3": "arginine",
    "K22-4": "arginase",
    "K22-5": "bilirubin",
    "K22-6": "uric acid",
}

PROMPT = {"arginine": [70.0, 80, 60], "ornithine": [40.0, 50, 45]}
LATE = {"arginine": [30.0, 40, 70], "ornithine": [80.0, 90, 40]}

amounts = st.floats(0.1, 500)


@given(arginine=amounts, ornithine=amounts, unit=st.sampled_from([0.001, 1.0, 1000.0]))
def test_the_ratio_is_a_share_that_no_common_unit_changes(arginine, ornithine, unit):
    ratio = arginine_ratio([arginine], [ornithine])
    assert 0 < ratio[0] < 1
    assert arginine_ratio([arginine * unit], [ornithine * unit]) == pytest.approx(ratio)


def test_a_missing_amount_or_two_zeros_have_no_ratio():
    np.testing.assert_array_equal(
        arginine_ratio([50, np.nan, 50, 0], [50, 50, np.nan, 0]), [0.5, np.nan, np.nan, np.nan]
    )


def test_prompt_blood_is_prompt_and_touches_no_marker():
    judged = judge_handling(**PROMPT, delay_hours=[0.5, 1.0, np.nan])
    assert (judged.verdict, judged.touches) == ("prompt", ())
    assert (judged.n_ratio, judged.n_delay, judged.median_delay_hours) == (3, 2, 0.75)


def test_blood_left_on_its_cells_is_suspect_with_the_figures_in_words():
    judged = judge_handling(**LATE)
    assert judged.verdict == "suspect"
    assert judged.touches == ("arginine", "ornithine")
    assert judged.share_below == pytest.approx(2 / 3)
    assert judged.reason == (
        "arginine / (arginine + ornithine) has the median 0.31 (0.50-0.74 when separated "
        "promptly), below 0.50 in 2 of 3 samples; time from collection to spin not recorded"
    )


def test_a_recorded_delay_over_two_hours_is_suspect_whatever_the_ratio():
    judged = judge_handling(**PROMPT, delay_hours=[1.0, 2.5, 6.0])
    assert judged.verdict == "suspect"
    assert "median time from collection to spin 2.5 h in 3 samples (limit 2 h)" in judged.reason


def test_the_limits_themselves_are_still_prompt():
    at_limits = judge_handling(arginine=[50.0], ornithine=[50.0], delay_hours=[2.0])
    assert at_limits.verdict == "prompt"


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"delay_hours": [np.nan, np.nan]},
        {"arginine": [np.nan], "ornithine": [3.0], "delay_hours": []},
    ],
)
def test_without_concentrations_and_times_nothing_is_known_and_nothing_counts(known):
    judged = judge_handling(**known)
    assert judged.verdict == "unknown"
    assert judged.touches == ("arginine", "ornithine")
    assert judged.median_ratio is None
    assert judged.reason == (
        "arginine and ornithine not measured as concentrations; "
        "time from collection to spin not recorded"
    )


def test_a_ratio_that_no_plasma_has_asks_for_the_units():
    assert "check the units" in judge_handling(arginine=[90.0], ornithine=[9.0]).reason


def test_every_marker_of_the_male_signature_has_a_fault_that_imitates_it():
    touched = {marker for markers in MARKERS_TOUCHED.values() for marker in markers}
    assert {"arginine", "ornithine", "arginase", "bilirubin"} <= touched


@pytest.mark.parametrize(
    ("given_values", "message"),
    [
        ({"arginine": [1.0]}, "give both or neither"),
        ({"arginine": [1.0], "ornithine": [1.0, 2.0]}, "give one value a sample"),
        ({"arginine": [-0.3], "ornithine": [1.0]}, "needs concentrations, not logarithms"),
        ({"delay_hours": [1.0, -2.0]}, "1 samples were spun before they were collected"),
    ],
)
def test_what_cannot_be_judged_is_refused(given_values, message):
    with pytest.raises(UnusableData, match=message):
        judge_handling(**given_values)


# --- what the records say of each sample and each site -------------------------------------------


def records(n=40, **changed):
    """A site that handled all its samples well."""
    fine = {
        "delay_hours": 0.5,
        "haemolysis_index": 10.0,
        "light_protected": True,
        "freeze_thaws": 1,
        "tube": "EDTA",
    }
    return pd.DataFrame({name: changed.get(name, value) for name, value in fine.items()}, range(n))


def by_fault(*call, **options):
    return {judged.fault: judged for judged in judge_records(*call, claims=CLAIMS, **options)}


def test_each_sample_has_its_own_flags_and_gaps_stay_gaps():
    table = pd.DataFrame(
        {
            "delay_hours": [1.0, 3.0, np.nan, np.nan],
            "arginine": [70.0, 70, 20, np.nan],
            "ornithine": [40.0, 40, 80, 40],
            "haemolysis_index": [50, 51, None, 20],
            "light_protected": [True, False, None, True],
            "freeze_thaws": [2, 3, np.nan, 0],
        }
    )
    flags = flag_samples(table)
    np.testing.assert_array_equal(flags["late separation"], [0, 1, 1, np.nan])
    np.testing.assert_array_equal(flags["haemolysis"], [0, 1, np.nan, 0])
    np.testing.assert_array_equal(flags["light"], [0, 1, np.nan, 0])
    np.testing.assert_array_equal(flags["thawing"], [0, 1, np.nan, 0])
    assert flag_samples(table, haemolysis_limit=60)["haemolysis"].sum() == 0


def test_well_handled_samples_touch_no_claim():
    judged = by_fault(records(), np.resize([1, 0], 40))
    assert {entry.verdict for entry in judged.values()} == {"fine"}
    assert all(entry.claims == () for entry in judged.values())


@pytest.mark.parametrize(
    ("change", "fault", "claims"),
    [
        ({"delay_hours": 5.0}, "late separation", ("K22-2", "K22-3")),
        ({"haemolysis_index": 90.0}, "haemolysis", ("K22-2", "K22-3", "K22-4")),
        ({"light_protected": False}, "light", ("K22-5",)),
        ({"freeze_thaws": 4}, "thawing", ()),
    ],
)
def test_a_common_fault_makes_its_site_suspect_for_the_claims_that_it_imitates(
    change, fault, claims
):
    judged = by_fault(records(**change))
    assert judged[fault].verdict == "suspect"
    assert judged[fault].claims == claims
    assert judged[fault].share == 1
    assert judged[fault].reason.startswith("40 of 40 samples")
    assert [name for name, entry in judged.items() if entry.verdict != "fine"] == [fault]


def test_a_few_faulty_samples_leave_the_site_its_verdict():
    few = np.r_[[90.0] * 4, [10.0] * 36]
    assert by_fault(records(haemolysis_index=few))["haemolysis"].verdict == "fine"
    more = np.r_[[90.0] * 5, [10.0] * 35]
    assert by_fault(records(haemolysis_index=more))["haemolysis"].verdict == "suspect"


def test_a_fault_of_the_cases_alone_is_suspect_though_it_is_rare():
    is_case = np.r_[np.ones(60), np.zeros(340)].astype(int)
    light = np.r_[[False] * 20, [True] * 380]  # 5 % of all, a third of the cases
    judged = by_fault(records(400, light_protected=light), is_case)["light"]
    assert judged.verdict == "suspect"
    assert "33% of the cases and 0% of the controls" in judged.reason
    assert judged.p_group < 1e-6
    assert by_fault(records(400, light_protected=light))["light"].verdict == "fine"


def test_a_tube_for_each_group_is_suspect_and_one_tube_or_an_even_mix_is_not():
    is_case = np.resize([1, 0], 40)
    apart = by_fault(records(tube=np.where(is_case == 1, "EDTA", "Heparin ")), is_case)["tube"]
    assert apart.verdict == "suspect"
    assert apart.claims == ("K22-1", "K22-5")
    mixed = by_fault(records(tube=np.resize(["edta", "EDTA", "heparin", "heparin"], 40)), is_case)
    assert mixed["tube"].verdict == "fine"
    assert mixed["tube"].reason == "tubes: 20 edta, 20 heparin"


def test_what_is_not_recorded_is_unknown_and_keeps_its_claims_undecided():
    judged = by_fault(pd.DataFrame({"haemolysis_index": [10.0] + [np.nan] * 9}))
    assert {entry.verdict for entry in judged.values()} == {"unknown"}
    assert judged["haemolysis"].reason == "recorded for 1 of 10 samples, under half of them"
    assert judged["haemolysis"].claims == ("K22-2", "K22-3", "K22-4")
    assert judged["tube"].n_known == 0


def test_a_site_of_one_group_has_no_difference_between_groups():
    assert by_fault(records(), np.ones(40))["light"].p_group is None


def test_a_class_of_markers_is_touched_by_the_last_word_of_its_name():
    assert claims_touched(("acylcarnitines", "bilirubin"), CLAIMS) == ("K22-1", "K22-5")


@pytest.mark.parametrize(
    ("table", "labels", "message"),
    [
        (records(0), None, "A site without samples"),
        (records(3), [1, 0], "3 samples but 2 labels"),
        (records(3, delay_hours=-1.0), None, "delay_hours: 3 samples have a value below 0"),
    ],
)
def test_records_that_cannot_be_judged_are_refused(table, labels, message):
    with pytest.raises(UnusableData, match=message):
        judge_records(table, labels)


# --- the sensitivity grid ------------------------------------------------------------------------


def people(n=120, seed=1):
    rng = np.random.default_rng(seed)
    is_case = np.resize([1, 0], n)
    facts = pd.DataFrame(
        {
            "age_years": rng.normal(30, 5, n),
            "drug_free": rng.random(n) < 0.7,
            "fasting_hours": rng.uniform(4, 14, n),
            "handled_well": (rng.random(n) < 0.8).astype(float),
            "depression": 5 + 8 * is_case + rng.normal(0, 2, n),
            "bmi": rng.normal(23, 3, n),
        }
    )
    values = pd.DataFrame(rng.normal(size=(n, 2)), columns=["arginine", "kynurenine"])
    values["kynurenine"] += 0.5 * facts["depression"]
    values["arginine"] -= 2.0 * is_case
    return values, is_case, facts


def test_the_grid_has_every_combination_and_starts_with_the_plan():
    grid = sensitivity_grid(*people(), covariates=["age_years"])
    assert list(grid.columns) == list(COLUMNS)
    assert grid["cell"].nunique() == 2 ** len(CHANGES)
    assert (grid["reason"] == "").all()
    values, is_case, facts = people()
    plain = fit_effects(values.to_numpy(), is_case, facts[["age_years"]])
    first = grid[grid["cell"] == 0]
    assert (first["changes"] == "").all()
    np.testing.assert_allclose(first["hedges_g"], plain.hedges_g)
    last = grid.iloc[-1]
    assert last["changes"] == "drug-free + fasting + handling + depression-adjusted + BMI-adjusted"
    kept = (facts["drug_free"] & (facts["fasting_hours"] >= 8) & (facts["handled_well"] == 1)).sum()
    assert last["n_case"] + last["n_control"] == kept


def test_a_signature_of_depression_falls_and_one_of_withdrawal_stands():
    grid = sensitivity_grid(*people()).set_index(["changes", "feature"])
    assert grid.loc[("", "kynurenine"), "hedges_g"] > 1
    assert abs(grid.loc[("depression-adjusted", "kynurenine"), "estimate"]) < 1.5
    assert grid.loc[("depression-adjusted", "kynurenine"), "p"] > 0.01
    assert grid.loc[("depression-adjusted", "arginine"), "p"] < 0.01
    assert grid.loc[("depression-adjusted", "arginine"), "same_side"]


def test_a_cell_that_cannot_be_computed_is_a_row_with_its_reason():
    values, is_case, facts = people()
    facts["drug_free"] = is_case == 0
    grid = sensitivity_grid(values, is_case, facts.drop(columns="bmi"))
    by_changes = grid.groupby("changes")["reason"].first()
    assert by_changes["BMI-adjusted"] == "bmi is not recorded at this site"
    assert by_changes["drug-free"].startswith("0 cases and 60 controls are left")
    blank = grid[grid["reason"] != ""]
    assert blank["hedges_g"].isna().all()
    assert blank["same_side"].isna().all()


def test_what_the_effects_refuse_becomes_the_cells_reason():
    values, is_case, facts = people()
    twin = facts.assign(bmi=is_case.astype(float))
    grid = sensitivity_grid(values, is_case, twin, changes=[CHANGES[4]])
    assert (grid.loc[grid["cell"] == 1, "reason"] != "").all()
    short = sensitivity_grid(values * np.inf, is_case, facts, changes=[])
    assert (short["reason"] != "").all()


def test_people_without_the_value_are_left_out_of_the_adjusted_cell():
    values, is_case, facts = people()
    facts.loc[:9, "depression"] = np.nan
    only = [Change("depression-adjusted", "adjust", "depression")]
    grid = sensitivity_grid(values, is_case, facts, changes=only)
    assert grid.groupby("cell")[["n_case", "n_control"]].first().sum(axis=1).tolist() == [120, 110]


def test_a_grid_of_rows_that_do_not_fit_is_refused():
    values, is_case, facts = people()
    with pytest.raises(UnusableData, match="120 rows of values, 119 people and 120 labels"):
        sensitivity_grid(values, is_case, facts[1:])
    with pytest.raises(UnusableData, match="no column height_cm"):
        sensitivity_grid(values, is_case, facts, covariates=["height_cm"])


def test_protection_from_light_is_true_or_false():
    with pytest.raises(UnusableData, match="light_protected: values other than true and false"):
        flag_samples(pd.DataFrame({"light_protected": [1.0, 2.0]}))
