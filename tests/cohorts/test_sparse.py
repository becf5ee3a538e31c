"""Some columns of a list, sizes of its pages, and problems outside of every view."""

from __future__ import annotations

import csv

import pytest
from rest_framework.test import APIClient

from cohorts.api.people import ParticipantViewSet
from cohorts.models import Change
from tests.factories import ParticipantFactory, SiteFactory, user_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager():
    client = APIClient()
    client.force_authenticate(user_with("CD"))
    return client


def test_a_list_sends_the_columns_that_are_asked_for_in_that_order(manager):
    person = ParticipantFactory(site=SiteFactory(code="FUK"), code="FUK-001")
    (row,) = manager.get("/api/v1/participants?fields=code,site").json()["results"]
    assert list(row.items()) == [("code", person.code), ("site", "FUK")]
    whole = manager.get("/api/v1/participants?fields=code,site&rows=all&format=csv")
    assert list(csv.reader(whole.getvalue().decode().splitlines())) == [
        ["code", "site"],
        [person.code, "FUK"],
    ]


def test_a_column_that_is_not_there_is_refused_by_name(manager):
    answer = manager.get("/api/v1/participants?fields=code,birth_date")
    assert answer.status_code == 400
    (told,) = answer.json()["errors"]
    assert told["pointer"] == "/fields"
    assert told["detail"].startswith("There is no column 'birth_date'; choose from id, site,")


def test_what_an_analyst_may_not_see_is_hidden_before_columns_are_chosen():
    site = SiteFactory(code="FUK")
    Change.objects.create(
        study=site.study, site=site, kind="withdrawal", counts={"n": 1}, cause="one person"
    )
    analyst = APIClient()
    analyst.force_authenticate(user_with("CA"))
    (row,) = analyst.get("/api/v1/changes?fields=site,counts,cause").json()["results"]
    assert row == {"site": None, "counts": {"n": None}, "cause": ""}


@pytest.mark.parametrize("size", ["0", "1001", "many", "-1", "٣"])
def test_a_size_that_no_page_has_is_refused(manager, size):
    answer = manager.get("/api/v1/sites", {"page_size": size})
    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {"pointer": "/page_size", "detail": "A number from 1 to 1000."}
    ]


# --- outside of every view


def problem_of(answer, status: int) -> dict[str, object]:
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == status
    assert told["request_id"] == answer["X-Request-ID"]
    return told


def test_an_address_of_no_api_is_a_problem_and_of_no_page_a_page(client):
    for path in ("/api/v2/runs", "/api", "/api/"):
        told = problem_of(client.get(path), 404)
        assert told["detail"] == "There is nothing here that you can see."
    assert client.get("/nothing")["Content-Type"].startswith("text/html")


def test_a_host_that_is_not_ours_is_a_problem(client, settings):
    settings.ALLOWED_HOSTS = ["study.example.org"]
    told = problem_of(client.get("/api/v1/sites", HTTP_HOST="evil.example"), 400)
    assert told["code"] == "unusable_request"
    assert client.get("/", HTTP_HOST="evil.example")["Content-Type"].startswith("text/html")


def test_a_fault_of_ours_is_a_problem_without_its_words(manager, monkeypatch):
    def broken(*_args, **_kwargs):
        raise RuntimeError("the name of a person")

    monkeypatch.setattr(ParticipantViewSet, "list", broken)
    manager.raise_request_exception = False
    answer = manager.get("/api/v1/participants")
    told = problem_of(answer, 500)
    assert told["detail"] == "Internal error: the operators have been told."
    assert b"name of a person" not in answer.content
