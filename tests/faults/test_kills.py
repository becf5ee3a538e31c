"""Workers killed at random points, stalled, stopped in order, and rung for ten times."""

import os
import random
import signal
import time
from pathlib import Path

import pytest
from celery import current_app
from django.conf import settings

from analysis.models import Plan, Run, RunTable
from analysis.services import freshness, runs
from hikiproject import processes as supervision
from hikiproject.processes import Processes
from tests.faults.conftest import QUICK
from tests.faults.test_worker import kill_worker, wait_for
from tests.fixtures_worker import worker_environment

pytestmark = pytest.mark.django_db(transaction=True)
# `python3 manage.py faults --kills 200 --seed 1` sets more, at other moments.
KILLS = int(os.environ.get("HIKI_FAULT_KILLS", "20"))
SEED = int(os.environ.get("HIKI_FAULT_SEED", "20220601"))
PARENT_EVERY = 7  # a dead parent is started anew by its supervisor, which waits longer each time


@pytest.fixture(scope="module")
def supervised(django_db_setup, django_db_blocker):
    """Worker and sweeper for all these tests: to start them costs more than to kill them."""
    log = (Path(settings.STATE_DIR) / "kills.log").open("w")
    with django_db_blocker.unblock():
        environment = worker_environment()
    quick = QUICK | {"HIKI_SWEEP_SECONDS": "0.5"}
    with (
        log,
        pytest.MonkeyPatch.context() as patch,
        Processes.start(
            ["sweeper", "worker"], environment=environment | quick, concurrency=1, log=log
        ) as processes,
    ):
        # Whoever kills hundreds does not wait half a minute for each new parent.
        patch.setattr(supervision, "LONGEST_PAUSE_SECONDS", 1.0)
        processes.wait_until_ready()
        yield processes
        _signal(processes, signal.SIGCONT)


def _signal(processes, number):
    for name in ("sweeper", "worker"):
        os.killpg(processes.pid(name), number)


@pytest.fixture
def running(transactional_db, supervised):
    """The processes, which stand still while the tables are emptied between two tests.

    What one of them reads just then would wait for the emptying and the emptying for it.
    """
    _signal(supervised, signal.SIGCONT)
    yield supervised
    supervised.wait_until_ready()
    _signal(supervised, signal.SIGSTOP)


def owed(plan, number):
    """The plan's next version, with a run that takes long enough to be met."""
    return Plan.objects.create(
        study=plan.study,
        name=plan.name,
        version=plan.version + number,
        data=plan.data | {"seed": number, "n_trees": 100},
    )


def run_of(plan, **facts):
    return Run.objects.filter(plan=plan, **facts).first()


def child_of(running):
    """The process that computes: the worker's own child, whichever of its threads made it."""

    def found():
        tasks = Path(f"/proc/{running.pid('worker')}/task").glob("*/children")
        return [child for task in tasks for child in task.read_text().split()]

    return int(wait_for(found)[0])


def kill(running, number):
    """SIGKILL: to the parent and its children now and then, to the child otherwise."""
    if number % PARENT_EVERY == PARENT_EVERY - 1:
        kill_worker(running)
    else:
        os.kill(child_of(running), signal.SIGKILL)


def work_off(plan, number):
    """A later run is published: the one worker has dealt with all that it was told before."""
    later = owed(plan, number)
    wait_for(lambda: run_of(later, state=Run.State.PUBLISHED))


def under_way_again(plan):
    """Its run, once another worker computes it; or when it was published before it was met."""
    return run_of(plan, state=Run.State.PUBLISHED) or run_of(
        plan, state=Run.State.RUNNING, attempts__gte=2
    )


def one_result_each():
    published = Run.objects.published()
    keys = list(published.values_list("key", flat=True))
    assert len(keys) == len(set(keys))
    assert RunTable.objects.count() == 2 * len(keys)


def test_workers_killed_at_random_points_lose_nothing(running, plan, consortium):
    moments, hits, longest = random.Random(SEED), 0, 0.0
    for number in range(KILLS):
        version = owed(plan, number + 1)
        freshness.nudge()
        wait_for(lambda version=version: run_of(version, attempts__gte=1))
        time.sleep(moments.uniform(0, 0.6))
        hits += run_of(version).state == Run.State.RUNNING
        kill(running, number)
        killed = time.monotonic()
        wait_for(lambda version=version: under_way_again(version))
        longest = max(longest, time.monotonic() - killed)
        # How long it then computes is the machine's business, which may be busy with others.
        wait_for(lambda version=version: run_of(version, state=Run.State.PUBLISHED), seconds=300)
    print(f"{KILLS} kills, {hits} of them met a run; at work again within {longest:.1f} s")  # noqa: T201
    assert hits >= KILLS // 2, f"only {hits} of {KILLS} kills met a run"
    assert longest <= 60
    assert not Run.objects.filter(state=Run.State.FAILED).exists()
    one_result_each()


def test_a_worker_that_stalls_and_wakes_after_its_lease_publishes_nothing(
    running, plan, consortium
):
    version = owed(plan, 1)
    run = wait_for(lambda: run_of(version, state=Run.State.RUNNING))
    zombie = child_of(running)
    os.kill(zombie, signal.SIGSTOP)
    try:
        taken = wait_for(lambda: Run.objects.claimable().filter(pk=run.pk).first())
        runs.execute(taken.pk)
        run.refresh_from_db()
        before = (run.state, run.token, run.published_at, run.attempts)
        assert before[0] == Run.State.PUBLISHED
    finally:
        os.kill(zombie, signal.SIGCONT)
    work_off(plan, 2)
    run.refresh_from_db()
    assert (run.state, run.token, run.published_at, run.attempts) == before
    one_result_each()


def test_a_run_that_is_rung_for_ten_times_is_computed_once(running, plan, consortium):
    run = wait_for(lambda: run_of(plan))
    for _ in range(10):
        current_app.send_task("analysis.execute", args=[str(run.pk)])
    wait_for(lambda: run_of(plan, state=Run.State.PUBLISHED))
    work_off(plan, 1)
    # Of a slow beginning the first run may be superseded before anybody computes it.
    assert set(Run.objects.published().values_list("attempts", flat=True)) == {1}
    assert not Run.objects.filter(attempts__gt=1).exists()
    one_result_each()


def test_a_worker_that_is_told_to_stop_ends_its_run_first(running, plan, consortium):
    version = owed(plan, 1)
    wait_for(lambda: run_of(version, state=Run.State.RUNNING))
    os.kill(running.pid("worker"), signal.SIGTERM)
    run = wait_for(lambda: run_of(version, state=Run.State.PUBLISHED))
    assert run.attempts == 1
    work_off(plan, 2)
    assert not Run.objects.filter(state=Run.State.FAILED).exists()
