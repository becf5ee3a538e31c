"""Addresses with keys that no record has, or another site's: refused as such, never a fault."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from cohorts.models import Sample
from tests.access.test_routes import routes
from tests.access.world import Identity, account_of, api_of

pytestmark = pytest.mark.django_db

PLACE = re.compile(r"\(\?P<(\w+)>(?:[^()\[\]]|\[[^\]]*\])+\)|<(?:(\w+):)?(\w+)>")
NO_UUID = "00000000-0000-4000-8000-000000000000"
# Absent, larger than any number there is, negative, words.
ODD = ("999999", str(2**70), "-1", "word", "%00", NO_UUID)
ASKERS = [
    Identity("SC", "own"),
    Identity("LT", "own"),
    Identity("SD", "other"),
    Identity("CA", "everywhere"),
    Identity("CD", "everywhere"),
    Identity("AD", "everywhere"),
]


def addresses(key: str, site: str) -> list[str]:
    """Every address that names a record, with this key, and the site's code where it wants one."""
    found = set()
    for _, pattern in routes():
        if "format" in pattern or pattern.startswith("admin/") or not PLACE.search(pattern):
            continue
        whole = PLACE.sub(lambda place: site if "code" in place[0] else key, pattern)
        found.add("/" + re.sub(r"/\?|[\^$\\]", "", whole.replace("/?", "")))
    return sorted(found)


def answers(who: Identity, world: Any, keys: tuple[str, ...]) -> dict[int, list[str]]:
    """Addresses by the status of their answers."""
    pages = Client(raise_request_exception=False)
    pages.force_login(account_of(who, world, "-odd"))
    program: Any = api_of(who, world)
    program.raise_request_exception = False
    found: dict[int, list[str]] = {}
    for key in keys:
        for address in addresses(key, "OWN"):
            client = program if address.startswith("/api/") else pages
            found.setdefault(client.get(address).status_code, []).append(address)
    return found


def test_every_kind_of_address_is_among_them():
    assert {"/api/v1/samples/7", "/samples/7/", "/runs/7/plots/"} <= set(addresses("7", "OWN"))
    assert len(addresses("7", "OWN")) > 150


@pytest.mark.parametrize("who", ASKERS, ids=str)
def test_no_key_is_a_fault_of_ours(who, world):
    # One key each: all roles together ask all of them, and each of them the first two.
    mine = {*ODD[:2], ODD[ASKERS.index(who)]}
    found = answers(who, world, tuple(sorted(mine)))
    assert [status for status in found if status >= 500] == []
    assert found[404]


def test_records_of_every_kind_and_site_are_shown_or_refused(world):
    """Keys of all kinds of record, each at every address: another kind's key is no fault either."""
    keys = {str(key) for of in world.keys.values() for key in of.values()}
    few = tuple(sorted(keys, key=lambda key: (len(key), key)))[:6]
    found = answers(Identity("SC", "own"), world, few)
    assert [status for status in found if status >= 500] == []
    assert found[200]


def test_a_fault_of_ours_would_be_found(world, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(type(Sample.objects.all()), "visible_to", broken)
    found = answers(Identity("SC", "own"), world, ("1",))
    assert "/api/v1/samples/1" in found[500]
