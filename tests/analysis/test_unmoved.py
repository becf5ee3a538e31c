"""What was told once is told again only while nobody committed anything: seen from a server."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test import RequestFactory
from django.utils import timezone
from rest_framework.test import APIClient

from analysis.api import polling, unmoved
from analysis.models import Plan, Run
from cohorts.models import ApiToken, Change, Membership, User
from tests.factories import StudyFactory, user_with

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run():
    unmoved._told.clear()
    plan = Plan.objects.create(study=StudyFactory(), name="p", data={"case": ["a"], "control": []})
    now = timezone.now()
    return Run.objects.create(
        plan=plan, state="published", key="k", published_at=now, released_at=now
    )


class Poller:
    """A program of a new analyst that has read the run, and polled it once."""

    def __init__(self, run: Run, **token) -> None:
        self.token, key = ApiToken.objects.issue(user_with("CA"), "notebook", **token)
        url = f"/api/v1/runs/{run.pk}"
        tag = APIClient(HTTP_AUTHORIZATION=f"Bearer {key}").get(url)["ETag"]
        self.meta = (
            RequestFactory()
            .get(url, HTTP_AUTHORIZATION=f"Bearer {key}", HTTP_IF_NONE_MATCH=tag)
            .META
        )
        assert self.polls()

    def polls(self) -> bool:
        """Whether it is told that nothing has changed."""
        return polling.unchanged(self.meta) is not None

    def is_remembered(self) -> bool:
        return unmoved.told(unmoved.question_of(self.meta)) is not None


ENDS = {
    "token": lambda of: ApiToken.objects.filter(pk=of.pk).update(revoked_at=timezone.now()),
    "person": lambda of: User.objects.filter(pk=of.user_id).update(is_active=False),
    "role": lambda of: Membership.objects.filter(user_id=of.user_id).delete(),
    "a withdrawal": lambda of: Change.objects.create(
        study=Plan.objects.get().study, kind="withdrawal", cause="x"
    ),
    "the run": lambda of: Run.objects.update(released_at=None),
}


def test_what_was_told_holds_until_the_commit_of_what_ends_it(run):
    for what, end in ENDS.items():
        poller = Poller(run)
        assert poller.is_remembered(), what
        with transaction.atomic():
            end(poller.token)
            assert not poller.polls(), f"{what}: one's own writes count before their commit"
            assert _in_another_thread(poller.polls), f"{what}: and nobody else's do"
        assert not poller.polls(), what


def _in_another_thread(ask) -> bool:
    found = []

    def asked() -> None:
        found.append(ask())
        connection.close()

    thread = threading.Thread(target=asked)
    thread.start()
    thread.join()
    return found[0]


def test_anything_else_that_is_committed_has_the_rows_read_again(run):
    poller = Poller(run)
    user_with("CA")
    assert not poller.is_remembered()
    assert poller.polls()
    assert poller.is_remembered()


def test_time_ends_what_was_told_without_any_commit(run, monkeypatch):
    poller = Poller(run, life=timedelta(minutes=5))
    now = unmoved.time.time()
    for later, told in ((290, True), (310, False)):
        monkeypatch.setattr(unmoved.time, "time", lambda at=now + later: at)
        assert poller.is_remembered() is told


def test_nothing_is_remembered_past_midnight_or_the_next_writing_of_a_use(run):
    Poller(run)
    [told] = unmoved._told.values()
    soon = timezone.now() + timedelta(minutes=10)
    assert told.until <= soon.timestamp()
    seen = polling.Seen(1, (), timezone.now(), soon + timedelta(days=9), "", "")
    yesterday = timezone.localdate() - timedelta(days=1)
    assert polling._ends_at(seen, yesterday) <= timezone.now()


def test_as_many_questions_are_remembered_as_fit(run, monkeypatch):
    monkeypatch.setattr(unmoved, "AT_MOST", 1)
    first, second = Poller(run), Poller(run)
    assert second.is_remembered()
    assert len(unmoved._told) == 1
    assert first.polls()
