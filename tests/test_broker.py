"""A worker does not start on a broker that would lose or repeat its work; it says what to do."""

import pytest
import redis
from celery import Celery, current_app
from django.conf import settings
from django.core.management import call_command

from hikiproject import broker
from hikiproject.management.commands import worker


def app_with(**transport):
    app = Celery("other", broker=settings.REDIS_URL, set_as_current=False)
    app.conf.task_time_limit = 100
    app.conf.broker_transport_options = transport
    return app


def test_the_projects_own_broker_has_no_fault():
    assert broker.faults_of(current_app) == []


def test_a_task_that_would_be_given_out_twice_is_told():
    (told,) = broker.faults_of(app_with(visibility_timeout=100))
    assert told.startswith("The broker gives a task out again after 100 s, but a run may take 100")
    assert "raise visibility_timeout" in told


@pytest.fixture
def evicting():
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        yield
        client.config_set("maxmemory-policy", "noeviction")


def test_a_broker_that_throws_tasks_away_stops_the_worker(evicting, monkeypatch):
    monkeypatch.setattr(worker.app, "worker_main", lambda *_: pytest.fail("Celery was started"))
    with pytest.raises(SystemExit, match=r"maxmemory-policy is allkeys-lru.*Set `maxmemory-policy"):
        call_command("worker")


def test_a_broker_that_is_away_is_waited_for(caplog):
    app = Celery("other", broker="redis://127.0.0.1:1/0", set_as_current=False)
    app.conf.task_time_limit = 1
    broker.refuse_a_wrong_broker(app)
    assert "the broker does not answer yet" in caplog.text
