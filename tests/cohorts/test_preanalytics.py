import re
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohorts.preanalytics import Handling, judge
from cohorts.sprec import BEFORE, letter

DRAWN = datetime(2024, 5, 1, 9, 0, tzinfo=timezone(timedelta(hours=9)))


def handled(hours=None, **facts):
    spun_at = None if hours is None else DRAWN + timedelta(hours=hours)
    return judge(Handling(collected_at=DRAWN, spun_at=spun_at, **facts))


@pytest.mark.parametrize(
    ("hours", "room", "cold"),
    [(0, "A", "B"), (1.99, "A", "B"), (2, "C", "D"), (4, "E", "F"), (8, "G", "H"), (24, "K", "L")],
)
def test_the_delay_letter_is_that_of_sprec(hours, room, cold):
    assert letter(hours, "room", BEFORE) == room
    assert letter(hours, "cold", BEFORE) == cold


def test_an_unknown_temperature_shows_both_letters():
    assert letter(1, None, BEFORE) == "A/B"


def test_without_times_the_letter_is_unknown_and_the_gap_is_named():
    judged = handled()
    assert judged.sprec_delay == "X"
    assert "spun_at" in judged.gaps


def test_good_handling_has_no_flags_and_no_gaps():
    facts = {"haemolysis_index": 5, "light_protected": True, "freeze_thaws": 2}
    facts |= {"tube": "EDTA", "frozen_at": DRAWN + timedelta(hours=3)}
    facts |= {"centrifugation": "C", "second_centrifugation": "N", "storage": "A"}
    judged = handled(2, temperature="room", material="plasma", **facts)
    assert judged.sprec == "PL1-PED-C-C-N-C/D-A"
    assert (judged.flags, judged.gaps) == ((), ())


@pytest.mark.parametrize(
    ("facts", "code", "reason"),
    [
        ({"hours": 2.5}, "late_spin", r"spun 2.5 h after collection \(over 2 h\): arginine falls"),
        ({"haemolysis_index": 80}, "haemolysed", r"haemolysis index 80 \(over 50\)"),
        ({"light_protected": False}, "light", "not protected from light: bilirubin falls"),
        ({"freeze_thaws": 3}, "thawed_often", r"thawed 3 times \(over 2\)"),
    ],
)
def test_each_departure_is_flagged_with_its_reason(facts, code, reason):
    (flag,) = handled(**facts).flags
    assert flag.code == code
    assert re.match(reason, flag.reason)


def test_a_site_may_bring_its_own_haemolysis_limit():
    assert judge(Handling(haemolysis_index=20), haemolysis_limit=10).flags
    assert not judge(Handling(haemolysis_index=20)).flags


def test_spun_before_collected_is_unknown_rather_than_prompt():
    assert handled(-1, temperature="room").sprec_delay == "X"


@given(st.booleans(), st.booleans(), st.booleans())
def test_a_gap_is_never_read_as_good_or_bad_handling(light, thaws, index):
    facts = {
        "light_protected": True if light else None,
        "freeze_thaws": 0 if thaws else None,
        "haemolysis_index": 1.0 if index else None,
    }
    judged = judge(Handling(**facts))
    assert judged.flags == ()
    assert {name for name, value in facts.items() if value is None} <= set(judged.gaps)
