"""Programs are told what happened: signed, once it is true, and never more than they may know."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone
from rest_framework.test import APIClient

from analysis.models import Claim, Plan, Run, Verdict, WebhookEndpoint, WebhookEvent, WebhookMessage
from analysis.services import webhook_events, webhook_sending, webhooks
from analysis.services.webhook_secrets import secret_of
from cohorts.models import ApiToken, Change
from cohorts.models.repeat import SentRequest
from tests.factories import SiteFactory, StudyFactory, user_with

pytestmark = pytest.mark.django_db


class Receiver:
    """A server of this machine that keeps what it was told and answers as asked."""

    def __init__(self) -> None:
        self.status, self.got = 200, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((self.path, dict(self.headers), body))
                self.send_response(outer.status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def receiver(settings):
    settings.WEBHOOKS_TO_LOOPBACK = True
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def plan():
    return Plan.objects.create(study=StudyFactory(), name="p", data={"case": ["a"], "control": []})


def a_run(plan, state="running", **fields):
    return Run.objects.create(plan=plan, state=state, key=str(Run.objects.count()), **fields)


def released(run):
    now = timezone.now()
    Run.objects.filter(pk=run.pk).update(state="published", published_at=now, released_at=now)


def endpoint_of(user, receiver, *events):
    made = webhooks.register(user, receiver.url, events or ["run.released"])
    # In a test's one transaction the clock of the database stands still.
    WebhookEndpoint.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    return made


def told(receiver):
    return [json.loads(body) for _, _, body in receiver.got]


def dispatch():
    WebhookMessage.objects.update(next_at=timezone.now() - timedelta(days=1))
    webhook_events.pass_on()
    return webhook_sending.send_due()


def program(user):
    _, key = ApiToken.objects.issue(user, "notebook")
    return APIClient(HTTP_AUTHORIZATION=f"Bearer {key}")


# --- what is told


def test_a_release_is_told_once_and_signed(plan, receiver):
    endpoint, run = endpoint_of(user_with("CA"), receiver), a_run(plan)
    released(run)
    assert dispatch() == 1
    assert dispatch() == 0
    [(path, headers, body)] = receiver.got
    assert path == "/hook"
    assert json.loads(body)["type"] == "run.released"
    assert json.loads(body)["data"] == {
        "run": str(run.pk),
        "plan": "p",
        "url": f"/api/v1/runs/{run.pk}",
    }
    key = base64.b64decode(secret_of(endpoint).removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


def test_what_is_rolled_back_is_never_told(plan, receiver):
    endpoint_of(user_with("CA"), receiver)
    run = a_run(plan)
    with contextlib.suppress(RuntimeError), transaction.atomic():
        released(run)
        raise RuntimeError
    assert dispatch() == 0
    assert not WebhookEvent.objects.exists()


EVERY = ("run.released", "run.published", "run.held", "run.failed")


@pytest.mark.parametrize(
    ("role", "expected"),
    [("CA", {"run.failed"}), ("CD", {"run.failed", "run.published", "run.held"})],
)
def test_nobody_is_told_of_what_they_may_not_see(plan, receiver, role, expected):
    endpoint_of(user_with(role), receiver, *EVERY)
    Run.objects.filter(pk=a_run(plan).pk).update(
        state="published", published_at=timezone.now(), held_because="two people differ"
    )
    Run.objects.filter(pk=a_run(plan).pk).update(state="failed", failure="P0001 has no age")
    dispatch()
    assert {each["type"] for each in told(receiver)} == expected
    assert b"P0001" not in b"".join(body for _, _, body in receiver.got)
    assert b"differ" not in b"".join(body for _, _, body in receiver.got)


def test_a_right_that_ended_before_the_call_ends_the_message(plan, receiver):
    analyst = user_with("CA")
    endpoint_of(analyst, receiver)
    released(a_run(plan))
    webhook_events.pass_on()
    analyst.memberships.update(until_date=timezone.localdate())
    webhook_sending.send_due()
    assert receiver.got == []
    assert WebhookMessage.objects.get().state == "dropped"


def test_a_verdict_that_changed_is_told_in_words_alone(plan, receiver):
    endpoint_of(user_with("CA"), receiver, "verdict.changed")
    claim = Claim.objects.create(code="K1", study=plan.study, kind="feature", stratum="all")
    for word in ("undecided", "replicated", "replicated"):
        run = a_run(plan)
        Verdict.objects.create(
            run=run, claim=claim, stratum="all", verdict=word, n_sites=2, n_case=31, n_control=32
        )
        released(run)
    dispatch()
    [only] = told(receiver)
    assert only["data"]["verdicts"] == [
        {"claim": "K1", "stratum": "all", "before": "undecided", "now": "replicated"}
    ]
    assert set(only["data"]) == {"run", "plan", "url", "verdicts"}


def test_a_withdrawal_is_told_where_the_feed_tells_it(receiver):
    here, there = SiteFactory(code="FUK"), SiteFactory(code="NGO")
    endpoint_of(user_with("SC", here), receiver, "participants.withdrawn")
    for site in (here, there):
        change = Change.objects.create(
            study=site.study, site=site, kind="withdrawal", cause="withdrawal of P0001"
        )
        Change.objects.filter(pk=change.pk).update(recorded_at=timezone.now())
    dispatch()
    first = Change.objects.order_by("pk").first()
    assert [each["data"] for each in told(receiver)] == [
        {"url": f"/api/v1/changes?after={first.pk - 1}"}
    ]


# --- failures


@pytest.mark.parametrize("status", [500, 302, 404])
def test_a_failed_call_is_tried_later_and_written_down(plan, receiver, status):
    endpoint, receiver.status = endpoint_of(user_with("CA"), receiver), status
    released(a_run(plan))
    dispatch()
    message = WebhookMessage.objects.get()
    assert (message.state, message.attempts) == ("waiting", 1)
    assert message.tries.get().status == status
    assert WebhookEndpoint.objects.get().state == "failing"
    assert len(receiver.got) == 1, "a redirect is not followed"
    receiver.status = 204
    dispatch()
    message.refresh_from_db()
    assert (message.state, WebhookEndpoint.objects.get(pk=endpoint.pk).state) == (
        "delivered",
        "active",
    )


def test_the_waits_grow_and_come_to_an_end(plan, receiver):
    endpoint_of(user_with("CA"), receiver)
    receiver.status = 500
    released(a_run(plan))
    waits = []
    for _ in range(len(webhook_sending.WAITS) + 1):
        dispatch()
        waits.append(WebhookMessage.objects.get().next_at)
    assert waits[:-1] == sorted(waits[:-1])
    assert WebhookMessage.objects.get().state == "failed"
    assert dispatch() == 0


def test_an_endpoint_that_fails_for_days_is_disabled_and_its_owner_told(
    plan, receiver, django_capture_on_commit_callbacks
):
    endpoint_of(user_with("CA", email="ana@example.org"), receiver)
    receiver.status = 500
    WebhookEndpoint.objects.update(failing_since=timezone.now() - timedelta(days=6))
    released(a_run(plan))
    with django_capture_on_commit_callbacks(execute=True):
        dispatch()
    assert WebhookEndpoint.objects.get().state == "disabled"
    assert "no longer called. It has failed for 5 days." in mail.outbox[0].body
    released(a_run(plan))
    assert dispatch() == 0


def test_replay_sends_again_under_the_same_identity(plan, receiver):
    endpoint = endpoint_of(user_with("CA"), receiver)
    released(a_run(plan))
    dispatch()
    since = (timezone.now() - timedelta(hours=1)).isoformat()
    call_command("webhooks", replay=str(endpoint.pk), since=since)
    dispatch()
    first, second = (headers["webhook-id"] for _, headers, _ in receiver.got)
    assert first == second


@pytest.mark.parametrize(
    ("replay", "since", "sentence"),
    [("x", "", "Say since when"), ("x", "2026-11-01T00:00:00Z", "There is no webhook 'x'")],
)
def test_the_command_refuses_in_words(replay, since, sentence):
    with pytest.raises(CommandError, match=sentence):
        call_command("webhooks", replay=replay, since=since)


# --- the API


def test_a_webhook_is_registered_used_and_ended_over_the_api(plan, receiver):
    client = program(user_with("CA"))
    body = {"url": receiver.url, "events": ["run.released"]}
    key = {"HTTP_IDEMPOTENCY_KEY": "once"}
    made = client.post("/api/v1/webhooks", body, format="json", **key)
    assert made.status_code == 201, made.content
    secret, path = made.json()["secret"], f"/api/v1/webhooks/{made.json()['id']}"
    again = client.post("/api/v1/webhooks", body, format="json", **key)
    assert again.json()["id"] == made.json()["id"]
    assert again.json()["secret"].startswith("Shown once")
    assert secret.encode() not in bytes(SentRequest.objects.get().body)
    assert "secret" not in client.get(path).json()
    assert client.post(f"{path}/rotate").json()["secret"] != secret
    WebhookEndpoint.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    released(a_run(plan))
    dispatch()
    assert " " in receiver.got[0][1]["webhook-signature"], "by the new secret and the old one"
    [delivery] = client.get(f"{path}/deliveries").json()
    assert delivery["state"] == "delivered"
    assert delivery["tries"][0]["status"] == 200
    assert client.post(f"{path}/end").json()["state"] == "ended"
    refused = client.post(f"{path}/take-up")
    assert refused.status_code == 409
    assert refused.json()["detail"] == "This webhook was ended; register it anew."


def test_an_internal_address_is_refused_at_registration():
    body = {"url": "https://169.254.169.254/latest", "events": ["run.released"]}
    answer = program(user_with("CA")).post("/api/v1/webhooks", body, format="json")
    assert answer.status_code == 409
    assert "open internet only" in answer.json()["detail"]
    assert not WebhookEndpoint.objects.exists()


def test_an_address_that_became_internal_is_not_called(plan, receiver, settings):
    endpoint_of(user_with("CA"), receiver)
    settings.WEBHOOKS_TO_LOOPBACK = False
    released(a_run(plan))
    dispatch()
    assert receiver.got == []
    assert WebhookMessage.objects.get().tries.get().error


def test_a_token_of_some_sites_registers_nothing(receiver):
    here = SiteFactory(code="FUK")
    _, key = ApiToken.objects.issue(user_with("SD", here), "narrow", sites=[here])
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {key}")
    body = {"url": receiver.url, "events": ["run.released"]}
    answer = client.post("/api/v1/webhooks", body, format="json")
    assert answer.status_code == 409
    assert "held to some sites" in answer.json()["detail"]


def test_nobody_has_an_eleventh(receiver):
    analyst = user_with("CA")
    for _ in range(webhooks.AT_MOST):
        webhooks.register(analyst, receiver.url, ["run.released"])
    with pytest.raises(webhooks.RefusedWebhook, match="You have 10 webhooks; end one first"):
        webhooks.register(analyst, receiver.url, ["run.released"])


def test_an_event_that_there_is_not_is_refused_in_its_place():
    client = APIClient()
    client.force_authenticate(user_with("CA"))
    asked = {"url": "https://example.org/hook", "events": ["run.released", "x"]}
    answer = client.post("/api/v1/webhooks", asked, format="json")
    assert answer.json()["errors"] == [
        {"pointer": "/events/1", "detail": '"x" is not a valid choice.'}
    ]
