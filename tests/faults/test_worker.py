"""What is owed is done, whatever happens to the worker that does it."""

import os
import random
import signal
import time

import pytest

from analysis.models import Run, RunTable
from analysis.services import freshness
from cohorts.models import Change, Participant
from cohorts.services import consent

pytestmark = pytest.mark.django_db(transaction=True)
SECONDS = 60


def wait_for(condition, seconds=SECONDS):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    states = list(Run.objects.values("state", "step", "attempts", "failure"))
    raise AssertionError(f"not within {seconds} s; runs: {states}")


def published():
    return Run.objects.filter(state=Run.State.PUBLISHED).first()


def computing(attempt):
    """The run, once a worker computes it for the n-th time."""
    found = Run.objects.filter(state=Run.State.RUNNING, attempts=attempt)
    return found.exclude(step="").first()


def kill_worker(platform):
    """SIGKILL to parent and child at once; the supervisor starts another."""
    os.killpg(os.getpgid(platform.pid("worker")), signal.SIGKILL)


def change(plan, site):
    Change.objects.record(study=plan.study, site=site, kind="assays", counts={}, cause="test")


def test_as_the_platform_comes_a_dead_workers_run_is_at_work_again_within_a_minute(settings):
    # The other tests have shorter leases. At worst a lease runs out just after a sweep has looked.
    found_after = settings.RUN_LEASE_SECONDS + settings.SWEEP_SECONDS
    assert max(found_after, settings.PART_LEASE_SECONDS + settings.SWEEP_SECONDS) <= 50


def test_a_change_becomes_a_published_run_without_anybody_asking(platform, plan, consortium):
    freshness.nudge()
    run = wait_for(published)
    assert run.attempts == 1
    assert freshness.why_stale(plan) == ""


def test_a_worker_killed_twice_while_it_computes_leaves_nothing_owed(platform, plan, consortium):
    plan.data = plan.data | {"n_trees": 1000}
    plan.save()
    moments = random.Random(20220601)
    freshness.nudge()
    for attempt in (1, 2):
        wait_for(lambda attempt=attempt: computing(attempt))
        time.sleep(moments.uniform(0, 0.5))
        kill_worker(platform)
    run = wait_for(published)
    assert run.attempts == 3
    assert RunTable.objects.count() == 2


def test_a_run_that_kills_its_worker_each_time_is_failed_in_the_end(platform, plan, consortium):
    plan.data = plan.data | {"n_trees": 5000}
    plan.save()
    freshness.nudge()
    for attempt in (1, 2, 3):
        wait_for(lambda attempt=attempt: computing(attempt))
        kill_worker(platform)
    failed = wait_for(lambda: Run.objects.filter(state=Run.State.FAILED).first())
    assert failed.failure == "The worker died 3 times while computing it."
    assert not RunTable.objects.exists()


def test_after_a_withdrawal_a_new_run_without_the_person_follows(platform, plan, consortium):
    freshness.nudge()
    first = wait_for(published)
    person = Participant.objects.first()
    consent.withdraw(person.pk, level=3, by=None)
    newer = wait_for(
        lambda: Run.objects.filter(state=Run.State.PUBLISHED).exclude(pk=first.pk).first()
    )
    assert person.pk in first.snapshot.participant_ids
    assert person.pk not in newer.snapshot.participant_ids


def test_without_a_nudge_the_sweep_finds_what_is_owed(platform, plan, consortium, monkeypatch):
    monkeypatch.setattr(freshness, "ring", lambda *_args, **_kwargs: False)
    change(plan, consortium[0])
    wait_for(published)
