"""A broker that is emptied, or killed and back with nothing in it: all that is owed is done."""

from __future__ import annotations

import time

import pytest
import redis

from analysis.models import Run
from analysis.services import runs
from hikiproject.processes import Processes
from tests.faults import private
from tests.faults.conftest import QUICK
from tests.faults.test_kills import one_result_each, owed, run_of
from tests.faults.test_worker import SECONDS, wait_for
from tests.fixtures_worker import worker_environment

LOST_BY_KOMBU = "'NoneType' object has no attribute 'hostname'"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def broker(transactional_db, tmp_path):
    """A broker that may be killed; a worker and a sweeper of it, and nobody who rings but these."""
    with private.valkey() as server:
        environment = QUICK | {"REDIS_URL": server.credentials.redis_url}
        with (
            (tmp_path / "log").open("w") as log,
            Processes.start(
                ["sweeper", "worker"],
                environment=worker_environment() | environment,
                concurrency=1,
                log=log,
            ) as running,
        ):
            running.wait_until_ready()
            server.workers = {name: running.pid(name) for name in ("sweeper", "worker")}
            yield server
            # Nothing of what follows was done by a worker that somebody had started anew, unless
            # kombu ended it: it loses its own connection while it gives back a message.
            anew = {name for name, pid in server.workers.items() if running.pid(name) != pid}
            lines = (tmp_path / "log").read_text().splitlines()
            assert anew <= {line.split()[0] for line in lines if LOST_BY_KOMBU in line}


def owed_in_mid_run(plan, number):
    """One version that a worker computes at this moment, and one whose run waits unannounced."""
    computing = owed(plan, number)
    wait_for(lambda: run_of(computing, state=Run.State.RUNNING))
    return computing, runs.request(owed(plan, number + 1), cause="test").plan


def all_published(plans, since):
    for plan in plans:
        wait_for(lambda plan=plan: run_of(plan, state=Run.State.PUBLISHED))
    assert time.monotonic() - since < SECONDS
    assert not Run.objects.filter(state=Run.State.FAILED).exists()
    one_result_each()


def test_a_broker_emptied_in_mid_run_keeps_nothing_that_is_owed_waiting(broker, plan, consortium):
    plans = owed_in_mid_run(plan, 1)
    with redis.Redis.from_url(broker.credentials.redis_url) as client:
        client.flushall()
    all_published(plans, time.monotonic())


def test_a_broker_killed_in_mid_run_and_back_empty_loses_nothing_that_is_owed(
    broker, plan, consortium
):
    plans = owed_in_mid_run(plan, 1)
    private.kill(broker)
    later = owed(plan, 3)
    time.sleep(3)  # long enough for who needs the broker to notice
    private.back_empty(broker)
    with redis.Redis.from_url(broker.credentials.redis_url) as client:
        assert not client.exists("hiki")
    all_published([*plans, later], time.monotonic())
