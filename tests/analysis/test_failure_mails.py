"""Who sees to the platform is told of each failed run once, in their language, without a reason."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.core import mail
from django.db.models.functions import Now
from django.test import override_settings

from analysis import tasks
from analysis.models import Plan, Run, WebhookEvent
from analysis.services import failure_mails, runs
from tests.factories import SiteFactory, StudyFactory, user_with

pytestmark = pytest.mark.django_db
REASON = "2 people at FUK have no values."


@pytest.fixture
def steward():
    return user_with("CD", email="cd@example.org", language="ja")


@pytest.fixture
def administrator():
    return user_with("AD", email="ad@example.org")


def a_plan():
    data = {"case": ["hikikomori"], "control": ["healthy_control"]}
    return Plan.objects.create(study=StudyFactory(), name=uuid.uuid4().hex, data=data)


def failed(plan=None):
    """A run that ends as one ends whose data cannot be used."""
    token = uuid.uuid4()
    run = Run.objects.create(plan=plan or a_plan(), cause="test")
    Run.objects.filter(pk=run.pk).update(state=Run.State.RUNNING, token=token)
    runs._fail(run.pk, token, REASON)
    return run


def test_a_failed_run_is_told_once_to_those_who_see_to_it(steward, administrator):
    for role in ("SC", "SD", "AU"):
        user_with(role, SiteFactory(), email=f"{role}@example.org")
    user_with("CA", email="ca@example.org")
    assert not failure_mails.owed()
    with override_settings(PUBLIC_ORIGIN="https://hiki.example.org"):
        run = failed()
        assert failure_mails.owed()
        assert failure_mails.send_due() == 2
    assert not failure_mails.owed()
    assert failure_mails.send_due() == 0
    japanese, english = mail.outbox
    assert (japanese.to, english.to) == (["cd@example.org"], ["ad@example.org"])
    assert f"https://hiki.example.org/runs/{run.pk}/" in japanese.body
    assert "の解析が失敗しました" in japanese.subject
    # An administrator reads no runs, and is sent to what is at work.
    assert "https://hiki.example.org/admin/" in english.body
    assert "a run of" in english.subject
    assert not any(REASON in each.body + each.subject for each in mail.outbox)


def test_failures_that_come_together_are_one_mail(steward):
    first, second = failed(), failed()
    assert failure_mails.send_due() == 1
    assert all(str(run.pk)[:8] in mail.outbox[0].body for run in (first, second))
    failed(second.plan)
    assert failure_mails.send_due() == 1


def test_nobody_is_told_who_wants_no_such_mails(client, steward):
    client.force_login(steward)
    assert 'name="failure_mails" checked' in client.get("/account/tokens/").text
    client.post("/account/mails/", {"query_mails": "on"})
    failed()
    assert failure_mails.send_due() == 0
    assert not failure_mails.owed()
    steward.refresh_from_db()
    assert (steward.query_mails, steward.failure_mails) == (True, False)


def test_who_sees_to_nothing_is_not_asked_about_such_mails(client):
    coordinator = user_with("SC", SiteFactory(), email="sc@example.org")
    client.force_login(coordinator)
    assert "failure_mails" not in client.get("/account/tokens/").text
    client.post("/account/mails/", {})
    coordinator.refresh_from_db()
    assert coordinator.failure_mails


def test_a_mail_server_that_is_away_delays_the_mail_and_a_week_ends_it(steward):
    failed()
    with override_settings(EMAIL_BACKEND="tests.cohorts.test_mails.Away"):
        assert failure_mails.send_due() == 0
    assert failure_mails.owed()
    WebhookEvent.objects.update(at=Now() - timedelta(days=8))
    assert not failure_mails.owed()
    WebhookEvent.objects.update(at=Now())
    tasks.send_mails()
    assert len(mail.outbox) == 1


def test_what_is_published_or_waits_for_another_is_no_failure(steward):
    plan, token = a_plan(), uuid.uuid4()
    run = Run.objects.create(plan=plan, cause="test")
    Run.objects.filter(pk=run.pk).update(state=Run.State.RUNNING, token=token)
    newer = runs.request(plan, cause="a withdrawal")
    runs._requeue(run.pk, token)  # consent changed while it computed
    run.refresh_from_db()
    assert (run.state, newer.state) == (Run.State.CANCELLED, Run.State.QUEUED)
    assert "a newer run takes its place" in run.failure
    assert not failure_mails.owed()
