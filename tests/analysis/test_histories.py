"""What the runs said of a claim over time, and how much of it an analyst reads."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from analysis.models import Claim, Run, Verdict
from analysis.services import release
from tests.factories import user_with
from tests.portal import books

pytestmark = pytest.mark.django_db


@pytest.fixture
def three_runs():
    """Two released runs, and a newer one that is held back and says otherwise."""
    books.two_sites()
    plan, now = books.followed_plan(), timezone.now()
    found = []
    for days, released in ((3, True), (2, True), (1, False)):
        at = now - timedelta(days=days)
        run = books.run_of(plan, published_at=at, released_at=at if released else None)
        found.append(books.concluded(run))
    Verdict.objects.filter(run=found[0], claim__code="K22-2").update(verdict="undecided")
    Verdict.objects.filter(run=found[2], claim__code="K22-2").update(verdict="opposite")
    return found


def history(role, query=""):
    client = APIClient()
    client.force_authenticate(user_with(role))
    return client, client.get(f"/api/v1/claims/K22-2/history{query}")


def test_the_history_tells_each_run_and_marks_where_the_verdict_changed(three_runs):
    _, answer = history("CD")
    rows = answer.json()
    assert [row["run"] for row in rows] == [str(run.pk) for run in reversed(three_runs)]
    told = [(row["verdict"], row["changed"]) for row in rows]
    assert told == [("opposite", True), ("replicated", True), ("undecided", False)]


def test_an_analyst_reads_what_was_released_and_no_run_that_is_held(three_runs):
    _, answer = history("CA")
    assert [row["run"] for row in answer.json()] == [
        str(run.pk) for run in reversed(three_runs[:2])
    ]


def test_a_hidden_verdict_stays_hidden_in_the_history_and_has_no_power(three_runs):
    Verdict.objects.filter(run=three_runs[1]).update(n_case=4)
    _, answer = history("CA")
    newest, _ = answer.json()
    assert newest["reason"] in release.HIDDEN
    assert newest["estimate"] is newest["power"] is newest["n_case"] is None


def test_power_is_for_the_published_effect_where_one_is_on_record(three_runs):
    newest = history("CD")[1].json()[0]
    assert (newest["power_of"], newest["power_for"]) == ("smallest", 0.2)
    Claim.objects.filter(code="K22-2").update(published_effect=-0.6)
    stronger = history("CD")[1].json()[0]
    assert (stronger["power_of"], stronger["power_for"]) == ("published", 0.6)
    assert stronger["power"] > newest["power"] > 0.05


def test_a_poll_of_the_history_costs_nothing_until_a_run_is_added(three_runs):
    client, answer = history("CD")
    again = {"HTTP_IF_NONE_MATCH": answer["ETag"]}
    assert client.get("/api/v1/claims/K22-2/history", **again).status_code == 304
    Run.objects.filter(pk=three_runs[2].pk).update(released_at=timezone.now())
    assert client.get("/api/v1/claims/K22-2/history", **again).status_code == 200


def n_questions(client, address):
    with CaptureQueriesContext(connection) as asked:
        assert client.get(address).status_code == 200
    return len(asked)


@pytest.mark.parametrize("role", ["CD", "CA"])
def test_a_history_asks_the_database_as_often_of_three_runs_as_of_two(three_runs, role, browse):
    user = user_with(role)
    api = APIClient()
    api.force_authenticate(user)
    faces = ((api, "/api/v1/claims/K22-2/history"), (browse(user), "/claims/K22-2/"))
    Run.objects.update(released_at=timezone.now())
    for client, address in faces:
        client.get(address)  # what is looked up once for all
    three = [n_questions(*face) for face in faces]
    Run.objects.filter(pk=three_runs[0].pk).update(state="failed")
    assert [n_questions(*face) for face in faces] == three


def test_a_laboratory_knows_the_claim_and_no_verdict(three_runs):
    client = APIClient()
    client.force_authenticate(user_with("LT", three_runs[0].plan.study.sites.first()))
    assert client.get("/api/v1/claims/K22-2/history").json() == []


def test_the_page_of_a_claim_shows_its_history(client, three_runs):
    client.force_login(user_with("CD"))
    page = client.get("/claims/K22-2/").content.decode()
    assert "Opposite" in page or "opposite" in page
    assert "the smallest effect that would matter by the plan" in page
    assert client.get("/claims/K99/").status_code == 404


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"direction": "none"}, "A claim on a marker says higher or lower"),
        ({"published_effect": 0}, "leave it empty where it is not known"),
    ],
)
def test_a_claim_that_says_nothing_is_refused(three_runs, fields, words):
    claim = Claim.objects.get(code="K22-2")
    for name, value in fields.items():
        setattr(claim, name, value)
    with pytest.raises(ValidationError, match=words):
        claim.full_clean()
