"""The name that a message asks for: only where it is clear which one was meant."""

from __future__ import annotations

import pytest

from cohorts.ingest.nearest import nearest

GROUPS = ("healthy_control", "hikikomori", "other_control", "pre_hikikomori")


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("plsma", ("plasma", "serum"), "plasma"),
        ("Helthy control", GROUPS, "healthy_control"),
        ("FUK-0001", ("FUK-001", "FUK-002"), "FUK-001"),
    ],
)
def test_the_one_that_is_clearly_nearest_is_asked_for(word, known, meant):
    assert nearest(word, known) == f' (did you mean "{meant}"?)'


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("control", GROUPS),  # of two groups
        ("F020", ("F001", "F002", "F003")),  # somebody else's code
        ("xyz", GROUPS),
        ("plsma", ()),
    ],
)
def test_where_two_are_nearly_as_near_none_is_asked_for(word, known):
    assert nearest(word, known) == ""
