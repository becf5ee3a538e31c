"""Reference values of R compared to the last digits that its versions share."""

from typing import Any

import pytest

from tests.stats import r_reference


def stored(name: str) -> dict[str, Any]:
    """The values that the script of this name made when it was last run."""
    return r_reference.stored(f"{name}.json")


def made_again(name: str) -> dict[str, Any]:
    """The same values made now; the test is skipped with the reason where that cannot be."""
    return r_reference.run_again(f"{name}.R")


def assert_same(found: Any, expected: Any, where: str = "") -> None:
    """Equal structures, numbers to 1e-9; the line that says which versions made them may differ."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key in expected.keys() - {"made_by"}:
            assert_same(found[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for position, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_same(one, other, f"{where}[{position}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12), where
    else:
        assert found == expected, where
