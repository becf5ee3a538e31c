"""Operators see whether the platform works; its logs tell no secret and name nobody."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.utils import timezone
from rest_framework.test import APIClient

from analysis import tasks
from analysis.models import Plan, Run
from analysis.services import freshness, operations
from cohorts.models import ApiToken, Change, Heartbeat
from hikiproject import health, logs
from hikiproject.state import BASE
from tests.factories import ConsentFactory, ParticipantFactory, StudyFactory, UserFactory, user_with

pytestmark = pytest.mark.django_db


# --- alive, and at work


def test_a_process_that_answers_is_alive(client):
    assert client.get("/healthz").json() == {"alive": True}


def test_ready_needs_a_sweep_that_came_to_its_end(client, monkeypatch):
    monkeypatch.setattr(freshness, "ring", lambda *_, **__: True)
    before = client.get("/readyz")
    assert before.status_code == 503
    assert before.json()["because"].startswith("No sweep has finished yet")
    tasks.sweep()
    assert client.get("/readyz").json() == {"ready": True}


def test_a_supervisor_asks_by_a_command_what_readyz_says():
    with pytest.raises(CommandError, match="No sweep has finished yet"):
        call_command("ready")
    Heartbeat.objects.create(name=operations.SWEEP, finished_at=timezone.now())
    call_command("ready")


def test_a_sweep_of_long_ago_is_not_enough(client):
    Heartbeat.objects.create(name="sweep", finished_at=timezone.now() - timedelta(minutes=10))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["because"].startswith("No sweep has finished for 600 s")


def test_a_database_that_is_away_is_said(client, monkeypatch):
    def away(*_args):
        raise DatabaseError("gone")

    monkeypatch.setattr(type(Heartbeat.objects.all()), "age", away)
    assert client.get("/readyz").json()["because"] == "The database does not answer."


@pytest.mark.django_db(transaction=True)
def test_a_database_that_hangs_is_said_before_whoever_asks_gives_up(client, monkeypatch):
    def hanging(*_args):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(5)")

    monkeypatch.setattr(type(Heartbeat.objects.all()), "age", hanging)
    monkeypatch.setattr(health, "DATABASE_SECONDS", 0.2)
    assert client.get("/readyz").json()["because"] == "The database does not answer."
    monkeypatch.undo()
    connection.close()  # as Django does at the end of a request, but for its test client
    assert "No sweep" in client.get("/readyz").json()["because"]


# --- numbers


def test_the_numbers_are_those_of_the_database():
    study = StudyFactory()
    plan = Plan.objects.create(study=study, name="p", data={"case": ["a"], "control": ["b"]})
    Run.objects.create(plan=plan, state="failed")
    Run.objects.create(plan=plan, state="queued")
    change = Change.objects.create(study=study, kind="samples", cause="x")
    Change.objects.filter(pk=change.pk).update(recorded_at=timezone.now() - timedelta(minutes=5))
    _, key = ApiToken.objects.issue(user_with("AD"), "prometheus", scopes=["read"])
    answer = APIClient(HTTP_AUTHORIZATION=f"Bearer {key}").get("/metrics")
    assert answer["Content-Type"].startswith("text/plain; version=")
    told = dict(
        line.rsplit(" ", 1) for line in answer.content.decode().splitlines() if line[0] != "#"
    )
    assert told['hiki_runs{state="failed"}'] == told['hiki_runs{state="queued"}'] == "1.0"
    assert 299 < float(told["hiki_oldest_owed_change_seconds"]) < 400
    assert float(told["hiki_sweep_age_seconds"]) == -1
    assert any(name.startswith("hiki_info{") for name in told)


def test_an_analyst_sees_no_numbers_of_the_platform():
    _, key = ApiToken.objects.issue(user_with("CA"), "x")
    assert APIClient(HTTP_AUTHORIZATION=f"Bearer {key}").get("/metrics").status_code == 403


def test_nothing_is_owed_when_a_run_has_seen_every_change():
    study = StudyFactory()
    plan = Plan.objects.create(study=study, name="p", data={"case": ["a"], "control": ["b"]})
    change = Change.objects.create(study=study, kind="samples", cause="x")
    assert operations.oldest_owed_change() is not None
    Run.objects.create(plan=plan, state="published", change_seen=change.pk)
    assert operations.oldest_owed_change() is None


# --- logs


@pytest.fixture
def written():
    """Everything that is logged, from DEBUG on, in the form of a deployment."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    options = logs.formatter(as_json=True)
    options.pop("()")
    handler.setFormatter(logs.structlog.stdlib.ProcessorFormatter(**options))
    root = logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in ("", "cohorts", "analysis", "django")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def test_no_token_password_or_code_of_a_person_reaches_the_logs(written, client):
    person = ConsentFactory(participant=ParticipantFactory(code="CANARY-77")).participant
    _, key = ApiToken.objects.issue(user_with("SC", person.site), "x")
    program = APIClient(HTTP_AUTHORIZATION=f"Bearer {key}", raise_request_exception=False)
    body = {"site": person.site.code, "participant": "CANARY-77", "level": 2, "note": "CANARY-77"}
    program.post("/api/v1/withdrawals", body, format="json")
    program.post("/api/v1/withdrawals", {**body, "level": 1}, format="json")
    program.post("/api/v1/runs", {"plan": "CANARY-77"}, format="json")
    program.get(f"/api/v1/participants/{person.pk}")
    client.post("/login/", {"username": UserFactory().username, "password": "CANARY-password"})
    logging.getLogger("cohorts").warning("a careless line: Bearer %s password=CANARY-2", key)
    text = written.getvalue()
    assert "a careless line" in text
    assert "denied: POST /api/v1/runs" in text
    assert "CANARY" not in text
    assert key not in text


def test_a_line_a_problem_and_a_task_carry_the_id_of_their_request(written, monkeypatch):
    _, key = ApiToken.objects.issue(user_with("LT", ParticipantFactory().site), "x")
    program = APIClient(HTTP_AUTHORIZATION=f"Bearer {key}")
    answer = program.get("/api/v1/participants", HTTP_X_REQUEST_ID="ask-12345678")
    assert answer["X-Request-ID"] == answer.json()["request_id"] == "ask-12345678"
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    (denied,) = (line for line in lines if line["event"].startswith("denied"))
    assert denied["request_id"] == "ask-12345678"
    headers: dict[str, str] = {}
    with logs.structlog.contextvars.bound_contextvars(request_id="ask-12345678"):
        logs._send(headers=headers)
    assert headers == {"request_id": "ask-12345678"}


@pytest.mark.parametrize("given", ["", "short", "x" * 65, "a b c d e f", 'x"}\n{"forged": 1'])
def test_an_id_that_could_forge_a_line_is_replaced(client, given):
    taken = client.get("/healthz", HTTP_X_REQUEST_ID=given)["X-Request-ID"]
    assert taken != given
    assert len(taken) == 32


def test_a_line_for_people_has_its_traceback_below():
    line = logs.plain_line(
        None,
        "",
        {"timestamp": "T", "level": "error", "logger": "x", "event": "no", "exception": "why"},
    )
    assert line == "T ERROR x: no\nwhy"


# --- a deployment


def test_the_checks_of_a_deployment_find_nothing():
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=BASE,
        env={
            **{name: text for name, text in os.environ.items() if "ASYNC_UNSAFE" not in name},
            "HIKI_HTTPS": "true",
            "HIKI_SECRET_KEY": settings.SECRET_KEY,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_line_break_in_an_address_forges_no_line():
    said = {"timestamp": "2026-01-01T00:00:00Z", "level": "warning", "logger": "django.request"}
    forged = "/sites/A\n2026-01-01T00:00:01Z ERROR web: all is lost"
    first, second = logs.plain_line(None, "", {**said, "event": forged}).splitlines()
    assert first.endswith("django.request: /sites/A")
    assert second.startswith("    ")
