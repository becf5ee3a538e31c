"""What an address does not take is refused by name, at every address of the document."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from cohorts.api import questions
from hikiproject.openapi import MadeOnce
from tests.factories import SiteFactory, user_with

pytestmark = pytest.mark.django_db
# Each role reads what others may not.
ROLES = ("CD", "SC", "CA")
NO_CURSOR = "This cursor is none of this list's: take it from the page before."


@pytest.fixture(scope="module")
def readings() -> dict[str, list[str]]:
    """What each address may be asked, by its path."""
    paths: dict[str, Any] = MadeOnce().get_schema(public=True)["paths"]
    return {
        path: [each["name"] for each in told["get"].get("parameters", []) if each["in"] == "query"]
        for path, told in paths.items()
        if "get" in told
    }


@pytest.fixture
def clients(settings) -> list[APIClient]:
    settings.RATE_PER_MINUTE = 10**9
    site = SiteFactory()
    found = []
    for role in ROLES:
        client = APIClient()
        client.force_authenticate(user_with(role, site if role == "SC" else None))
        found.append(client)
    return found


def answers(clients: list[APIClient], path: str, query: dict[str, str]) -> Iterator[Any]:
    """Of everybody who may ask at all; there need be nothing at the address."""
    url = path.replace("{code}", "X").replace("{id}", str(uuid.UUID(int=1)))
    told = (client.get(url, query) for client in clients)
    yield from (each for each in told if each.status_code != 403)


def test_what_an_address_does_not_take_is_refused_by_name_with_what_it_takes(readings, clients):
    unread = []
    for path, known in readings.items():
        told = list(answers(clients, path, {"participnat": "A-1"}))
        unread += [] if told else [path]
        for answer in told:
            assert answer.status_code == 400, path
            assert answer["Content-Type"] == "application/problem+json"
            (fault,) = answer.json()["errors"]
            assert fault["pointer"] == "/participnat"
            listed = fault["detail"].removeprefix("This is not asked here; choose from ")
            assert set(listed.removesuffix(".").split(", ")) == set(known or [questions.ALWAYS])
    assert unread == []
    assert len(readings) > 70


def test_every_list_refuses_a_cursor_that_it_did_not_give(readings, clients):
    said_nothing = base64.b64encode(b"hello").decode()  # DRF reads it as the first page
    lists = [path for path, known in readings.items() if {"cursor", "rows"} <= set(known)]
    assert len(lists) > 20
    for path in lists:
        for cursor in ("zzz", said_nothing, "", "é"):
            answer = next(answers(clients, path, {"cursor": cursor}))
            assert answer.status_code == 400, (path, cursor)
            assert answer.json()["errors"] == [{"pointer": "/cursor", "detail": NO_CURSOR}]


def test_a_cursor_that_a_list_gave_leads_on_and_back(clients):
    SiteFactory()
    manager = clients[0]
    first = manager.get("/api/v1/sites?page_size=1").json()
    second = manager.get(first["next"]).json()
    assert [*first["results"], *second["results"]] == manager.get("/api/v1/sites").json()["results"]
    assert manager.get(second["previous"]).json()["results"] == first["results"]


@pytest.mark.parametrize("name", ["sites", "participants", "uploads"])
def test_a_position_that_a_list_cannot_have_is_refused(clients, name):
    cursor = base64.b64encode(b"p=nothing").decode()
    answer = clients[0].get(f"/api/v1/{name}", {"cursor": cursor})
    assert answer.json()["errors"] == [{"pointer": "/cursor", "detail": NO_CURSOR}]
