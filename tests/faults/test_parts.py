"""Real workers share a run; one of them is killed in the middle of a part."""

from __future__ import annotations

import os
import signal

import pytest

from analysis.models import Run, RunPart
from analysis.services import freshness, reproduction, runs
from hikiproject.processes import Processes
from tests.faults import children
from tests.faults.conftest import QUICK
from tests.faults.test_worker import published, wait_for
from tests.fixtures_worker import worker_environment

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def two_hosts(platform, tmp_path):
    """The platform, and a second worker as another host would start it."""
    environment = worker_environment() | QUICK | {"HIKI_PART_LEASE_SECONDS": "2"}
    with (
        (tmp_path / "second").open("w") as log,
        Processes.start(["worker"], environment=environment, concurrency=1, log=log) as second,
    ):
        second.wait_until_ready()
        yield platform, second


def test_of_a_run_whose_workers_are_all_killed_in_the_middle_of_parts_nothing_is_owed(
    two_hosts, plan, consortium
):
    plan.data = plan.data | {"n_trees": 2000}
    plan.save()
    freshness.nudge()
    # Two sites are left when the first is timed: whoever holds the run takes one, a helper one.
    wait_for(lambda: RunPart.objects.filter(attempts=1, output=None).count() == 2)
    for host in two_hosts:
        os.killpg(os.getpgid(host.pid("worker")), signal.SIGKILL)
    run = Run.objects.select_related("plan__study", "snapshot").get(pk=wait_for(published).pk)
    assert reproduction.reproduce(run).differences == ()
    wait_for(lambda: not RunPart.objects.exists())


def test_a_helper_killed_in_the_middle_of_a_part_does_not_end_the_run_of_the_living_holder(
    transactional_db, plan, consortium
):
    plan.data = plan.data | {"n_trees": 3000}
    plan.save()
    environment = worker_environment() | QUICK | {"HIKI_PART_LEASE_SECONDS": "2"}
    with Processes.start(["worker"], environment=environment, concurrency=1) as helper:
        helper.wait_until_ready()
        asked = runs.request(plan, cause="test")
        holder = children.fork(lambda: runs.execute(asked.pk))
        try:
            wait_for(lambda: RunPart.objects.filter(attempts=1, output=None).count() == 2)
            token = Run.objects.get(pk=asked.pk).token
            os.killpg(os.getpgid(helper.pid("worker")), signal.SIGKILL)
            wait_for(lambda: RunPart.objects.filter(attempts=2).exists())
        finally:
            ended = children.wait(holder)
        assert ended == 0
    run = Run.objects.select_related("plan__study", "snapshot").get(pk=asked.pk)
    assert (run.state, run.attempts, run.token) == (Run.State.PUBLISHED, 1, token)
    assert reproduction.reproduce(run).differences == ()
