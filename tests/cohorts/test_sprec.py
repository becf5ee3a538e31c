"""The code says what was recorded and nothing more."""

from __future__ import annotations

import pytest

from cohorts.models import Sample
from cohorts.sprec import (
    AFTER,
    BEFORE,
    KINDS,
    SECOND_SPINS,
    SPINS,
    STORAGES,
    Facts,
    code,
    container,
    letter,
)


def test_a_sample_of_which_all_is_recorded_has_its_code():
    facts = Facts("serum", "SST, 8 mL", before_hours=1.0, after_hours=0.5, temperature="room")
    assert code(facts) == "SER-SST-A-X-X-A/B-X"


def test_what_was_not_recorded_is_shown_as_unknown():
    assert code(Facts("plasma")) == "PL1/PL2-XXX-X-X-X-X-X"
    assert code(Facts("whole_blood", "EDTA", before_hours=3)) == "BLD-PED-C/D-X-X-X-X"


@pytest.mark.parametrize(("second", "kind"), [("", "PL1/PL2"), ("N", "PL1"), ("F", "PL2")])
def test_plasma_is_spun_once_or_twice_as_recorded(second, kind):
    assert code(Facts("plasma", spin="A", second_spin=second)).startswith(f"{kind}-XXX-X-A-")


def test_what_can_be_recorded_has_words_and_the_letters_of_sprec():
    assert tuple(Sample.Spin.values) == SPINS
    assert set(SECOND_SPINS) == set(SPINS) - {"M"}
    assert set(Sample.Storage.values) == set(STORAGES)


def test_a_material_that_is_no_fluid_has_no_code():
    assert code(Facts("dna")) == ""
    assert all(code(Facts(kind)).count("-") == 6 for kind in KINDS)


@pytest.mark.parametrize(
    ("tube", "letters"),
    [
        ("", "XXX"),
        ("EDTA", "PED"),
        ("K2-EDTA", "PED"),
        ("Na2EDTA", "ZZZ"),
        ("EDTA gel", "EDG"),
        ("lithium heparin", "HEP"),
        ("Li-heparin gel", "LHG"),
        ("Na-heparin", "SHP"),
        ("heparin", "HEP/SHP"),
        ("sodium citrate 3.2%", "SCI"),
        ("serum, without clot activator", "CAT"),
        ("serum_separator", "SST"),
        ("green top", "ZZZ"),
    ],
)
def test_a_container_is_what_the_name_of_the_tube_says(tube, letters):
    assert container(tube) == letters


@pytest.mark.parametrize(
    ("hours", "room", "cold"), [(0, "B", "A"), (1, "D", "C"), (2, "F", "E"), (47.9, "J", "I")]
)
def test_the_delay_after_the_centrifuge_has_letters_of_its_own(hours, room, cold):
    assert (letter(hours, "room", AFTER), letter(hours, "cold", AFTER)) == (room, cold)


def test_longer_than_the_letters_is_other_and_a_negative_delay_is_unknown():
    assert letter(48, "room", AFTER) == "Z"
    assert (letter(48, "room", BEFORE), letter(47, "cold", BEFORE)) == ("M", "L")
    assert letter(-0.1, "room", BEFORE) == "X"
