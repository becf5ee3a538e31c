"""The broker is a bell: dead, silent or slow, no upload waits for it."""

import statistics
import time

import pytest
from celery import current_app
from django.core.files.uploadedfile import SimpleUploadedFile

from analysis.services import bell, freshness
from cohorts.models import Change, Participant
from cohorts.services import counting
from tests.factories import SiteFactory, user_with
from tests.faults.proxy import Proxy
from tests.faults.test_locks import table

pytestmark = pytest.mark.django_db(transaction=True)
UPLOADS = 12


@pytest.fixture
def broker_through(settings, monkeypatch):
    """A function: this process talks to its broker and cache through a proxy in that mode."""
    opened = []

    def through(mode):
        proxy = Proxy(settings.REDIS_URL)
        opened.append(proxy)
        proxy.mode = mode
        # In this order: the first, where unset, is read from the second.
        for name in ("broker_write_url", "broker_url"):
            monkeypatch.setattr(current_app.conf, name, proxy.url)
        monkeypatch.setattr(bell, "_silent_until", 0.0)
        settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": proxy.url}}
        settings.SETTLE_SECONDS = 0
        return proxy

    yield through
    for proxy in opened:
        proxy.__exit__(None, None, None)


def seconds_of_uploads(api, monkeypatch, n=UPLOADS):
    """How long each of n uploads took, and what of it bell and cache; all of them are accepted."""
    site = SiteFactory(code="FUK")
    api.force_authenticate(user_with("SC", site))
    taken, bells = [], [0.0]

    def timed(plain):
        def measured(*args, **kwargs):
            began = time.monotonic()
            try:
                return plain(*args, **kwargs)
            finally:
                bells[-1] += time.monotonic() - began

        return measured

    monkeypatch.setattr(freshness, "ring", timed(freshness.ring))
    # Requests are counted by account.
    monkeypatch.setattr(counting.Counter, "add_one", timed(counting.Counter.add_one))
    for number in range(n):
        body = SimpleUploadedFile("p.csv", table(f"P{number}").content)
        began = time.monotonic()
        answer = api.post(
            "/api/v1/uploads",
            {"site": "FUK", "kind": "participants", "file": body},
            format="multipart",
        )
        taken.append((time.monotonic() - began, bells[-1]))
        bells.append(0.0)
        assert answer.status_code in (200, 201), answer.content
    return taken


def p95(seconds):
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1]


@pytest.mark.parametrize("mode", ["refuse", "silence", "slow"])
def test_uploads_go_on_with_a_broker_that_is_away(api, broker_through, monkeypatch, mode):
    broker_through(mode)
    pairs = seconds_of_uploads(api, monkeypatch)
    taken, waited = zip(*pairs, strict=True)
    assert p95(waited) <= 0.8
    # On a machine that has nothing else to do an upload needs much less without a bell.
    assert p95(taken) <= max(1.0, 0.8 + p95([all_ - bell_ for all_, bell_ in pairs]))
    assert Participant.objects.count() == Change.objects.count() == UPLOADS


def test_a_bell_that_waits_for_the_broker_would_be_noticed(api, broker_through, monkeypatch):
    broker_through("silence")
    monkeypatch.setattr(counting, "silent", lambda: False)
    monkeypatch.setattr(bell, "BELL_SECONDS", 1.5)
    monkeypatch.setattr(bell, "_SILENCE_SECONDS", 0.0)
    assert max(bell_ for _, bell_ in seconds_of_uploads(api, monkeypatch, n=2)) > 1.0


def test_a_count_that_waits_for_the_cache_each_time_would_be_noticed(
    api, broker_through, monkeypatch, settings
):
    broker_through("silence")
    slow = {"socket_timeout": 1.0}
    settings.CACHES = {"default": settings.CACHES["default"] | {"OPTIONS": slow}}
    monkeypatch.setattr(counting, "SILENCE_SECONDS", 0.0)
    assert p95([bell_ for _, bell_ in seconds_of_uploads(api, monkeypatch, n=3)]) > 0.8


def test_the_bell_rings_through_a_broker_that_answers(broker_through):
    broker_through("pass")
    assert freshness.ring("analysis.sweep")
