"""From what a site sent to numbers that can be compared."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.frames import BatchFrame, StudyFrames
from analysis.plans import AnalysisPlan
from analysis.steps.pieces import Anew
from analysis.steps.prepare import prepare

PLAN = AnalysisPlan(
    case=("hikikomori",), control=("healthy_control",), class_scores={"pair": ("a", "b")}
)


def people(n, site="FUK", first=0, **columns):
    facts = {
        "site": site,
        "code": [f"P{first + k}" for k in range(n)],
        "group": ["hikikomori", "healthy_control"] * (n // 2),
        "sex": "male",
        "age_years": np.linspace(20, 50, n),
        "drug_free": True,
        "outcome": np.nan,
    }
    return pd.DataFrame(
        facts | columns, index=pd.Index(range(first, first + n), name="participant_id")
    )


def batch(
    values,
    *,
    scale="raw",
    names=None,
    factor=None,
    lod=None,
    flags=None,
    first=0,
    site="FUK",
    number=1,
):
    values = np.asarray(values, dtype=float)
    n, m = values.shape
    names = names or list("abcdefgh")[:m]
    columns = pd.DataFrame(
        {
            "feature": names,
            "source_name": names,
            "hmdb": "",
            "unit": "mg/dL",
            "canonical_unit": "umol/L",
            "factor": np.nan if factor is None else factor,
            "lod": np.nan if lod is None else lod,
        }
    )
    rows = pd.DataFrame({"participant_id": range(first, first + n), "spin_delay_hours": 0.5})
    flags = np.zeros((n, m), dtype=np.uint8) if flags is None else np.asarray(flags, dtype=np.uint8)
    return BatchFrame(number, site, "LC-MS", "plasma", scale, columns, rows, values, flags)


def block_of(*batches, persons=None, plan=PLAN):
    persons = people(batches[0].values.shape[0]) if persons is None else persons
    prepared = prepare(StudyFrames(persons, batches), plan, Anew())
    return prepared.blocks[0], [note.as_dict() for note in prepared.notes]


RNG = np.random.default_rng(3)
RAW = np.exp(RNG.normal(size=(8, 3)))


def test_raw_values_are_converted_and_logged():
    block, _ = block_of(batch(RAW, factor=[10.0, 1.0, np.nan]))
    np.testing.assert_allclose(block.values["a"], np.log2(RAW[:, 0] * 10))
    np.testing.assert_allclose(block.values["c"], np.log2(RAW[:, 2]))


@pytest.mark.parametrize(("scale", "base"), [("log2", 2), ("ln", np.e), ("log10", 10)])
def test_logarithms_of_any_base_arrive_as_log2_and_are_not_logged_again(scale, base):
    block, notes = block_of(batch(np.log(RAW) / np.log(base), scale=scale))
    np.testing.assert_allclose(block.values["a"], np.log2(RAW[:, 0]))
    assert notes[0]["why"] == f"sent on the {scale} scale: no second logarithm, no unit conversion"


def test_standardised_values_stay_as_they_came():
    z = RNG.normal(size=(8, 3))
    block, notes = block_of(batch(z, scale="standardised"))
    np.testing.assert_array_equal(block.values[["a", "b", "c"]], z)
    assert notes[0]["why"].endswith("effects in SD as sent")


def test_below_detection_is_filled_and_missing_is_not():
    flags = np.zeros((8, 3))
    flags[0, 0], flags[1, 0] = 1, 2
    values = RAW.copy()
    values[0, 0], values[1, 0] = np.nan, np.nan
    block, _ = block_of(batch(values, flags=flags))
    assert block.values["a"].iloc[0] == pytest.approx(np.log2(RAW[2:, 0].min() / 2))
    assert np.isnan(block.values["a"].iloc[1])
    assert block.n_below_lod["a"] == 1


@pytest.mark.parametrize("method", ["tobit_mean", "tobit_draw", "qrilc"])
def test_a_plan_may_name_another_way_to_fill_what_is_below_detection(method):
    flags = np.zeros((8, 3))
    flags[0, 0] = 1
    values = np.where(flags == 1, np.nan, RAW)
    other = replace(PLAN, below_lod=method)
    blocks = [block_of(batch(values, flags=flags), plan=other)[0] for _ in range(2)]
    filled = [block.values["a"].iloc[0] for block in blocks]
    assert filled[0] == filled[1] != pytest.approx(np.log2(RAW[1:, 0].min() / 2))
    assert np.isfinite(filled[0])


def test_features_that_the_way_does_not_fit_are_counted_with_what_stands_in():
    flags = np.zeros((8, 3))
    flags[1:, 0] = 1
    values = np.where(flags == 1, np.nan, RAW)
    block, notes = block_of(
        batch(values, flags=flags), plan=replace(PLAN, below_lod="tobit_mean", min_detected=0.1)
    )
    assert block.values["a"].iloc[1] == pytest.approx(np.log2(RAW[0, 0] / 2))
    told = "tobit_mean fits too few values on LC-MS: half of the smallest"
    assert {"n": 1, "why": told}.items() <= notes[0].items()


def test_a_measured_zero_counts_as_below_detection():
    values = RAW.copy()
    values[0, 0] = 0
    block, _ = block_of(batch(values))
    assert block.values["a"].iloc[0] == pytest.approx(np.log2(RAW[1:, 0].min() / 2))


def test_a_feature_that_is_rarely_detected_is_left_out_and_counted():
    flags = np.zeros((8, 3))
    flags[:5, 2] = 1
    values = np.where(flags == 1, np.nan, RAW)
    block, notes = block_of(batch(values, flags=flags))
    assert "c" not in block.values
    assert notes[0]["why"] == "detected in under 50% of the site's people on LC-MS"


def test_who_is_in_neither_arm_is_counted_with_the_group():
    persons = people(8)
    persons.loc[0, "group"] = "pre_hikikomori"
    block, notes = block_of(batch(RAW), persons=persons)
    assert len(block.values) == 7
    assert notes[0]["why"] == "group pre_hikikomori is in neither arm of the plan"


def test_a_person_measured_again_counts_once_with_the_first_sample():
    again = batch(RAW[:2] * 100, number=2)
    block, notes = block_of(batch(RAW), again, persons=people(8))
    np.testing.assert_allclose(block.values["a"], np.log2(RAW[:, 0]))
    assert {
        "n": 2,
        "why": "measured again on this platform; the earliest sample counts",
    }.items() <= notes[0].items()


def test_two_batches_of_a_site_keep_their_names_for_the_model():
    second = batch(np.exp(RNG.normal(size=(8, 3))), first=8, number=2)
    persons = pd.concat([people(8), people(8, first=8)])
    block, _ = block_of(batch(RAW), second, persons=persons)
    assert block.batch.nunique() == 2


def test_a_class_is_the_mean_of_its_members_within_the_site():
    block, _ = block_of(batch(RAW))
    logged = np.log2(RAW[:, :2])
    z = (logged - logged.mean(axis=0)) / logged.std(axis=0, ddof=1)
    np.testing.assert_allclose(block.values["pair"], z.mean(axis=1))


def test_the_same_person_at_two_sites_counts_once_where_the_arm_is_smaller():
    values = np.exp(RNG.normal(size=(8, 20)))
    names = [f"m{k}" for k in range(20)]
    other = np.vstack([values[:1], np.exp(RNG.normal(size=(19, 20)))])
    persons = pd.concat([people(8), people(20, site="TYO", first=8)])
    persons.loc[8, "age_years"] = persons.loc[0, "age_years"]
    frames = StudyFrames(
        persons,
        (batch(values, names=names), batch(other, names=names, first=8, site="TYO", number=2)),
    )
    prepared = prepare(frames, PLAN, Anew())
    assert 8 not in prepared.people.index
    assert 0 in prepared.people.index
    (note,) = [note for note in prepared.notes if "one person" in note.why]
    assert note.why.startswith("P8 has the same ")
    assert note.why.endswith("values as P0 of FUK: one person, counted there")


def test_two_different_people_are_not_one():
    persons = pd.concat([people(8), people(8, site="TYO", first=8)])
    frames = StudyFrames(
        persons, (batch(RAW), batch(np.exp(RNG.normal(size=(8, 3))), first=8, site="TYO", number=2))
    )
    assert len(prepare(frames, PLAN, Anew()).people) == 16
