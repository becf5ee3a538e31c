"""Polling: one read while nothing moves, an answer soon after something does."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import NotSupportedError, OperationalError, connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from analysis.api import polling
from analysis.models import Plan, Run
from analysis.services import waiting
from cohorts.models import ApiToken, Change
from tests.factories import StudyFactory, user_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def run():
    plan = Plan.objects.create(study=StudyFactory(), name="p", data={"case": ["a"], "control": []})
    now = timezone.now()
    return Run.objects.create(
        plan=plan, state="published", key="k", published_at=now, released_at=now
    )


@pytest.fixture
def program():
    """A function: a client with a token of a new user of that role."""

    def client(role: str = "CA") -> APIClient:
        _, key = ApiToken.objects.issue(user_with(role), "notebook")
        made = APIClient(HTTP_AUTHORIZATION=f"Bearer {key}")
        made.get("/api/v1/runs")  # the first use of a token is written down
        return made

    return client


def reads_of(statement: str, read) -> list[str]:
    """Statements sent while ``read`` runs, those of the prepared read too."""
    with connection.cursor() as cursor, CaptureQueriesContext(connection) as seen:
        executed = []
        original = polling.Prepared.read

        def counted(self, given):
            executed.append(self.sql.decode())
            return original(self, given)

        polling.Prepared.read = counted
        try:
            read()
        finally:
            polling.Prepared.read = original
        cursor.close()
    return executed + [query["sql"] for query in seen.captured_queries]


@pytest.mark.parametrize("path", ["runs/{}", "runs/{}/", "runs/latest?plan=p"])
@pytest.mark.parametrize("role", ["CA", "CD"])
def test_an_unchanged_run_costs_one_read(run, program, path, role):
    client, url = program(role), "/api/v1/" + path.format(run.pk)
    tag = client.get(url)["ETag"]
    answers = []
    reads = reads_of("", lambda: answers.append(client.get(url, HTTP_IF_NONE_MATCH=tag)))
    assert [answer.status_code for answer in answers] == [304]
    assert answers[0]["ETag"] == tag
    assert answers[0]["Cache-Control"] == "private, no-cache"
    assert len(reads) == 1


def test_the_statement_of_a_poll_is_planned_once(run, program):
    client, url = program(), f"/api/v1/runs/{run.pk}"
    tag = client.get(url)["ETag"]
    for _ in range(8):
        assert client.get(url, HTTP_IF_NONE_MATCH=tag).status_code == 304
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT generic_plans, custom_plans FROM pg_prepared_statements"
            " WHERE statement LIKE '%mark_1%' AND statement LIKE '%published_at\" > %'"
        )
        [(generic, custom)] = cursor.fetchall()
    assert generic >= 8
    assert custom == 0


def test_a_plan_of_tables_that_have_changed_goes_the_ordinary_way(run, program, monkeypatch):
    client, url = program(), f"/api/v1/runs/{run.pk}"
    tag = client.get(url)["ETag"]

    def changed(self, given):
        raise NotSupportedError("cached plan must not change result type")

    monkeypatch.setattr(polling.Prepared, "read", changed)
    monkeypatch.setattr(connection, "close", lambda: None)  # the test's own transaction
    assert client.get(url, HTTP_IF_NONE_MATCH=tag).status_code == 304


def at_the_door(url, key, tag, **headers):
    """(status, headers) of a poll that comes to the server itself, or None if Django is asked."""
    told, asked = [], []

    def django(environ, start_response):
        asked.append(environ)
        return ()

    environ = (
        RequestFactory()
        .get(url, HTTP_AUTHORIZATION=f"Bearer {key}", HTTP_IF_NONE_MATCH=tag, **headers)
        .environ
    )
    door = polling.at_the_door(django, before=lambda: None)
    assert list(door(environ, lambda *words: told.append(words))) == []
    return None if asked else (told[0][0], dict(told[0][1]))


def test_a_poll_is_answered_before_django_makes_a_request_of_it(run):
    _, key = ApiToken.objects.issue(user_with("CA"), "notebook")
    url = f"/api/v1/runs/{run.pk}"
    tag = APIClient(HTTP_AUTHORIZATION=f"Bearer {key}").get(url)["ETag"]
    status, headers = at_the_door(url, key, tag, HTTP_X_REQUEST_ID="notebook-7")
    assert status == "304 Not Modified"
    assert headers["ETag"] == tag
    assert headers["Vary"] == "Authorization, Cookie, Accept"
    assert headers["X-Request-ID"] == "notebook-7"
    assert at_the_door(url, key, '"another"') is None
    assert at_the_door(url, "hiki_unknown", tag) is None
    assert at_the_door("/api/v1/runs", key, tag) is None
    ApiToken.objects.update(revoked_at=timezone.now())
    assert at_the_door(url, key, tag) is None


def test_the_door_sends_nobody_past_https(run, settings):
    _, key = ApiToken.objects.issue(user_with("CA"), "notebook")
    url = f"/api/v1/runs/{run.pk}"
    tag = APIClient(HTTP_AUTHORIZATION=f"Bearer {key}").get(url)["ETag"]
    assert at_the_door(url, key, tag) is not None
    settings.SECURE_SSL_REDIRECT = True
    assert at_the_door(url, key, tag) is None
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert at_the_door(url, key, tag, HTTP_X_FORWARDED_PROTO="http") is None
    assert at_the_door(url, key, tag, HTTP_X_FORWARDED_PROTO="https") is not None


MOVES = {
    "progress": lambda run: Run.objects.filter(pk=run.pk).update(step="pooling"),
    "withdrawal": lambda run: Change.objects.create(
        study=run.plan.study, kind="withdrawal", cause="x"
    ),
}


@pytest.mark.parametrize("what", MOVES)
def test_what_moves_the_answer_moves_its_etag(run, program, what):
    client, url = program(), f"/api/v1/runs/{run.pk}"
    tag = client.get(url)["ETag"]
    MOVES[what](run)
    assert client.get(url, HTTP_IF_NONE_MATCH=tag).status_code == 200


def test_a_newer_run_that_an_analyst_may_not_see_yet_moves_nothing_for_her(run, program):
    analyst, manager = program("CA"), program("CD")
    url = "/api/v1/runs/latest?plan=p"
    tags = [client.get(url)["ETag"] for client in (analyst, manager)]
    Run.objects.create(plan=run.plan, state="published", key="2", published_at=timezone.now())
    polls = [
        client.get(url, HTTP_IF_NONE_MATCH=tag).status_code
        for client, tag in zip((analyst, manager), tags, strict=True)
    ]
    assert polls == [304, 200]


def test_a_run_that_is_superseded_says_so_to_those_who_may_see_by_what(run, program):
    analyst, manager = program("CA"), program("CD")
    url = f"/api/v1/runs/{run.pk}"

    def told():
        answers = [client.get(url) for client in (analyst, manager)]
        tags = [answer["ETag"] for answer in answers]
        return [answer.json()["standing"] for answer in answers], tags

    def polls(tags):
        asked = zip((analyst, manager), tags, strict=True)
        return [client.get(url, HTTP_IF_NONE_MATCH=tag).status_code for client, tag in asked]

    before, tags = told()
    newer = Run.objects.create(
        plan=run.plan, state="published", key="2", published_at=timezone.now()
    )
    assert (before, polls(tags)) == (["released", "released"], [304, 200])
    held, tags = told()
    # Who follows the newer one is told what it is, though none of its results.
    assert analyst.get(f"/api/v1/runs/{newer.pk}").json()["standing"] == "held"
    Run.objects.filter(pk=newer.pk).update(released_at=timezone.now())
    assert (held, polls(tags)) == (["released", "superseded"], [200, 304])
    assert told()[0] == ["superseded", "superseded"]


@pytest.mark.parametrize(("end", "status"), [("token", 401), ("membership", 403), ("user", 401)])
def test_a_right_that_has_ended_gets_no_304(run, program, end, status):
    client, url = program(), f"/api/v1/runs/{run.pk}"
    tag = client.get(url)["ETag"]
    token = ApiToken.objects.get()
    if end == "token":
        ApiToken.objects.update(revoked_at=timezone.now())
    elif end == "membership":
        token.user.memberships.update(until_date=timezone.localdate())
    else:
        type(token.user).objects.filter(pk=token.user_id).update(is_active=False)
    assert client.get(url, HTTP_IF_NONE_MATCH=tag).status_code == status


def test_anothers_etag_is_of_no_use(run, program):
    mine, theirs = program(), program()
    url = f"/api/v1/runs/{run.pk}"
    tag = mine.get(url)["ETag"]
    assert theirs.get(url, HTTP_IF_NONE_MATCH=tag).status_code == 200


def test_a_lost_connection_is_left_to_the_ordinary_way(run, program, monkeypatch):
    client, url = program(), f"/api/v1/runs/{run.pk}"
    tag = client.get(url)["ETag"]

    def lost(self, given):
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(polling.Prepared, "read", lost)
    monkeypatch.setattr(connection, "close", lambda: None)
    assert client.get(url, HTTP_IF_NONE_MATCH=tag).status_code == 304


# --- long polling


@pytest.fixture
def working(run):
    Run.objects.filter(pk=run.pk).update(state="running", step="preparing")
    return run


def test_a_poll_waits_no_longer_than_it_says(working, program):
    client, url = program(), f"/api/v1/runs/{working.pk}"
    tag = client.get(url)["ETag"]
    begun = time.monotonic()
    answer = client.get(f"{url}?wait=1", HTTP_IF_NONE_MATCH=tag)
    assert answer.status_code == 304
    assert 1 <= time.monotonic() - begun < 5
    assert answer["Retry-After"] == "2"


def test_a_poll_ends_when_the_run_moves(working, program, monkeypatch):
    client, url = program(), f"/api/v1/runs/{working.pk}"
    tag = client.get(url)["ETag"]
    monkeypatch.setattr(
        waiting.time, "sleep", lambda _: Run.objects.filter(pk=working.pk).update(step="pooling")
    )
    answer = client.get(f"{url}?wait=30", HTTP_IF_NONE_MATCH=tag)
    assert answer.status_code == 200
    assert answer.json()["step"] == "pooling"


def test_who_knows_nothing_yet_and_who_asks_for_an_ended_run_do_not_wait(run, program, monkeypatch):
    monkeypatch.setattr(waiting.time, "sleep", None)
    client, url = program(), f"/api/v1/runs/{run.pk}?wait=30"
    tag = client.get(url)["ETag"]
    assert client.get(url, HTTP_IF_NONE_MATCH=tag).status_code == 304
    Run.objects.filter(pk=run.pk).update(state="running")
    assert client.get(url).status_code == 200


def test_a_few_may_wait_and_the_next_is_answered_at_once(monkeypatch):
    monkeypatch.setattr(waiting, "_places", threading.BoundedSemaphore(1))
    held = threading.Event()
    first = threading.Thread(
        target=waiting.until_changed, args=(1, lambda: 2 if held.is_set() else 1, 20, 0.01)
    )
    first.start()
    while waiting._places.acquire(blocking=False):
        waiting._places.release()
    assert waiting.until_changed(1, lambda: pytest.fail("it waits"), 20) == 1
    held.set()
    first.join(5)
    assert not first.is_alive()
    assert waiting.until_changed(1, lambda: 2, 20) == 2


@pytest.mark.parametrize("wait", ["31", "-1", "long", "1.5"])
def test_a_wait_that_cannot_be_is_refused(run, program, wait):
    answer = program().get(f"/api/v1/runs/{run.pk}?wait={wait}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/wait"


# --- the API's own pages


@pytest.mark.parametrize("path", ["schema", "docs"])
def test_the_description_is_not_sent_twice(program, path):
    client = program()
    first = client.get(f"/api/v1/{path}")
    again = client.get(f"/api/v1/{path}", HTTP_IF_NONE_MATCH=first["ETag"])
    assert (first.status_code, again.status_code) == (200, 304)
    assert not first["ETag"].startswith("W/")
