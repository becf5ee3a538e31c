"""Addresses and forms with what no page asks for: refused with words, never a fault of ours."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from django.test import Client
from django.urls import reverse

from cohorts.models import Participant
from tests.factories import user_with
from tests.portal import shelf
from tests.portal.test_every_page import pages_by_role

pytestmark = pytest.mark.django_db(transaction=True)

NAMES = (
    *("q", "page", "cursor", "status", "state", "kind", "group", "sex", "site", "consent", "next"),
    *("participant", "sample", "code", "feature", "stratum", "plot", "plan", "batch", "since"),
)
ODD = ("\0", "9" * 30, "-1", "2024-13-45", "x" * 5_000, "\U0001f600", "'\"<b>", "//evil.example")


class _Forms(HTMLParser):
    """What a page's forms would send: (address, names of fields)."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, list[str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "form" and (told.get("method") or "").lower() == "post":
            self.found.append((told.get("action") or "", []))
        elif tag in ("input", "select", "textarea", "button") and told.get("name") and self.found:
            self.found[-1][1].append(told["name"] or "")


@pytest.fixture
def full():
    return shelf.filled()


@pytest.fixture(params=["SC", "LT", "SD", "CA", "CD"])
def somebody(request, full):
    client = Client(raise_request_exception=False)
    held_at = None if request.param in ("CA", "CD") else full.site
    client.force_login(user_with(request.param, held_at))
    return client, [address for _, address in pages_by_role(full)[request.param]]


def test_odd_questions_are_answered(somebody):
    client, addresses = somebody
    wrong = []
    for address in addresses:
        for odd in ODD:
            answer = client.get(address, dict.fromkeys(NAMES, odd))
            wrong += [(address, odd, answer.status_code)] * (answer.status_code >= 500)
    assert wrong == []


def test_forms_filled_with_what_nobody_types_are_answered(somebody):
    client, addresses = somebody
    wrong, sent = [], 0
    for address in addresses:
        for target, names in _Forms(client.get(address).text).found:
            if target in (reverse("logout"), reverse("set_language")):
                continue
            for odd in ODD[:6]:
                answer = client.post(target or address, dict.fromkeys(names, odd))
                sent += 1
                wrong += [(address, target, odd, answer.status_code)] * (answer.status_code >= 500)
    assert wrong == []
    assert sent or addresses[0].startswith("/runs/"), "no form was found"


def test_a_character_that_is_no_text_is_answered_with_a_page(full):
    client = Client(raise_request_exception=False)
    client.force_login(user_with("SC", full.site))
    answer = client.get("/sites/FUK/participants/", {"q": "\0"})
    assert answer.status_code == 400
    assert "This cannot be understood" in answer.text


def test_a_fault_of_ours_would_be_found(somebody, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    client, addresses = somebody
    monkeypatch.setattr(type(Participant.objects.all()), "visible_to", broken)
    monkeypatch.setattr("cohorts.access.may", broken)
    assert any(client.get(address).status_code >= 500 for address in addresses)
