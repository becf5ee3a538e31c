"""Every address has a row in the table; one without it is noticed."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import get_resolver

from tests.access.table import (
    ACTIONS,
    API_SELF,
    GUARDED,
    HEALTH,
    OF_A_KEY,
    ON_REQUEST,
    OWN_ACCOUNT,
    PAGES,
    PUBLIC,
    READERS,
    RESULTS,
    TABLE_ACTIONS,
)

pytestmark = pytest.mark.django_db


def routes(patterns: Any = None, before: str = "") -> list[tuple[str, str]]:
    """(name, pattern) of every address."""
    found = []
    for each in get_resolver().url_patterns if patterns is None else patterns:
        here = before + str(each.pattern)
        if hasattr(each, "url_patterns"):
            found += routes(each.url_patterns, here)
        else:
            found.append((each.name or "", here))
    return found


def names_in_the_table() -> set[str]:
    rows = {f"api-{resource}-{kind}" for resource in READERS for kind in ("list", "detail")}
    rows |= {f"api-runs-{part}" for part in (*RESULTS, *ON_REQUEST, "crate", "latest")}
    pages = PUBLIC | OWN_ACCOUNT | GUARDED | OF_A_KEY | PAGES
    return rows | pages | ACTIONS | TABLE_ACTIONS | API_SELF | HEALTH


def unlisted(found: list[tuple[str, str]]) -> list[str]:
    known = names_in_the_table()
    return [
        pattern
        for name, pattern in found
        if name not in known and not pattern.startswith("admin/")  # one row: test_the_admin
    ]


def test_every_route_has_a_row_in_this_table():
    assert unlisted(routes()) == []
    assert names_in_the_table() <= {name for name, _ in routes()}


def test_a_new_route_without_a_row_is_noticed():
    assert unlisted([*routes(), ("backdoor", "backdoor/")]) == ["backdoor/"]


# --- the matrix of reading
