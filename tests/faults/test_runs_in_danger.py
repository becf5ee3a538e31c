"""A run that meets poison, a full memory, a wrong clock, a database or a person who goes away."""

from __future__ import annotations

import errno
import os
import resource
import signal
import threading
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.db import OperationalError, connection, connections
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from analysis.models import Plan, Run, RunTable
from analysis.services import freshness, lease, runs, snapshots
from cohorts.models import Change, Participant, Upload
from cohorts.services import consent, uploads
from cohorts.services.tables import files
from tests.factories import SiteFactory, user_with
from tests.faults import children
from tests.faults.test_locks import table
from tests.faults.test_worker import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _settled(settings, monkeypatch):
    settings.SETTLE_SECONDS = 0
    monkeypatch.setattr(freshness, "ring", lambda *_args, **_kwargs: True)


def let_leases_run_out():
    Run.objects.filter(state=Run.State.RUNNING).update(lease_until=Now() - timedelta(seconds=1))


def published():
    return Run.objects.published().order_by("published_at").last()


# --- withdrawal at the start, reading, fitting, publishing


def withdrawn_person():
    person = Participant.objects.first()
    consent.withdraw(person.pk, level=3, by=None)
    return person


def stages(monkeypatch, stage, act):
    """Have ``act`` done once, when the run comes to that stage."""
    module, name = {
        "start": (snapshots, "take"),
        "reading": (runs, "claim_facts"),
        "fitting": (runs.snapshots, "still_lawful"),
        "publishing": (runs, "publish"),
    }[stage]
    plain, done = getattr(module, name), []

    def acting(*args, **kwargs):
        if not done:
            done.append(act())
        return plain(*args, **kwargs)

    monkeypatch.setattr(module, name, acting)


@pytest.mark.parametrize("stage", ["start", "reading", "fitting", "publishing"])
def test_a_withdrawal_at_any_stage_is_in_no_run_that_publishes_after_it(
    plan,
    consortium,
    monkeypatch,
    stage,
):
    people = []
    stages(monkeypatch, stage, lambda: people.append(withdrawn_person()))
    for _ in range(3):
        for run_id in freshness.sweep():
            runs.execute(run_id)
    (person,) = people
    assert published() is not None
    assert not any(person.pk in run.snapshot.participant_ids for run in Run.objects.published()), (
        stage
    )
    assert freshness.why_stale(plan) == ""


def test_with_the_look_switched_off_the_test_above_finds_the_person(
    plan,
    consortium,
    monkeypatch,
):
    monkeypatch.setattr(snapshots, "still_lawful", lambda *_: True)
    people = []
    stages(monkeypatch, "publishing", lambda: people.append(withdrawn_person()))
    runs.execute(runs.request(plan, cause="test").pk)
    assert people[0].pk in published().snapshot.participant_ids


def somebody_waits():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return cursor.fetchone()


def test_a_withdrawal_that_meets_a_publication_waits_for_it_and_is_owed_a_run(
    plan,
    consortium,
    monkeypatch,
):
    store, threads, waited = runs._store, [], []

    def storing(run, results):
        def withdraw():
            withdrawn_person()
            connections.close_all()

        threads.append(threading.Thread(target=withdraw))
        threads[0].start()
        wait_for(lambda: somebody_waits() or not threads[0].is_alive())
        waited.append(threads[0].is_alive())
        store(run, results)

    monkeypatch.setattr(runs, "_store", storing)
    runs.execute(runs.request(plan, cause="test").pk)
    threads[0].join(20)
    assert waited == [True]  # for the lock that publication holds
    assert published() is not None
    assert freshness.why_stale(plan).startswith("withdrawal from ")


# --- poison


def killed(*_args, **_kwargs):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_run_that_kills_its_process_is_tried_three_times_and_others_go_on(
    plan,
    consortium,
    monkeypatch,
):
    plain = runs.compute
    (poison,) = freshness.sweep()
    monkeypatch.setattr(runs, "compute", killed)
    for attempt in (1, 2, 3):
        assert children.run(lambda: runs.execute(poison)) == -signal.SIGKILL, attempt
        let_leases_run_out()
    monkeypatch.setattr(runs, "compute", plain)
    other = Plan.objects.create(study=plan.study, name="other", data=plan.data)
    (next_run,) = freshness.sweep()  # the poison is not among them
    runs.execute(next_run)
    assert published().plan == other
    failed = Run.objects.get(pk=poison)
    assert (failed.state, failed.attempts) == (Run.State.FAILED, 3)
    assert failed.failure == "The worker died 3 times while computing it."


def test_a_run_that_fills_the_memory_fails_visibly_and_its_worker_lives(
    plan,
    consortium,
    monkeypatch,
):
    def greedy(*_args, **_kwargs):
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 64 * 1024**2,) * 2)
        bytearray(512 * 1024**2)

    monkeypatch.setattr(runs, "compute", greedy)
    run = runs.request(plan, cause="test")

    def work():
        with pytest.raises(MemoryError):
            runs.execute(run.pk)

    assert children.run(work) == 0
    run.refresh_from_db()
    assert (run.state, run.failure) == (
        Run.State.FAILED,
        "Internal error (MemoryError): the worker's log has it.",
    )


# --- a database that goes away for a moment


def test_a_run_whose_connection_is_cut_is_given_back_and_done(
    plan,
    consortium,
    monkeypatch,
):
    plain, cut = runs.compute, []

    def cutting(*args, **kwargs):
        if not cut:
            cut.append(True)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return plain(*args, **kwargs)

    monkeypatch.setattr(runs, "compute", cutting)
    (run_id,) = freshness.sweep()
    runs.execute(run_id)
    assert freshness.sweep() == [run_id]  # at once, without waiting for the lease
    runs.execute(run_id)
    assert (published().pk, published().attempts) == (run_id, 2)


def test_a_database_that_is_always_away_ends_in_a_failure_that_says_so(
    plan,
    consortium,
    monkeypatch,
):
    def away(*_args, **_kwargs):
        raise OperationalError("gone")

    monkeypatch.setattr(runs, "compute", away)
    for _ in range(5):
        for run_id in freshness.sweep():
            runs.execute(run_id)
    assert list(Run.objects.values_list("state", "attempts")) == [(Run.State.FAILED, 3)]


# --- clocks


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_worker_whose_clock_is_wrong_computes_and_holds_no_longer_than_others(
    plan,
    consortium,
    monkeypatch,
    settings,
    hours,
):
    settings.SETTLE_SECONDS = 60
    freshness.sweep()
    assert not Run.objects.exists()  # a burst: the wrong clock must not end it ...
    beyond = []
    plain = runs.compute

    def looking(*args, **kwargs):
        held = Run.objects.get(state=Run.State.RUNNING)
        assert lease.renew(held.pk, held.token)
        limit = Now() + timedelta(seconds=settings.RUN_LEASE_SECONDS + 5)
        wrong = Q(lease_until__gt=limit) | Q(lease_until__lte=Now())
        beyond.append(Run.objects.filter(wrong).exists())
        return plain(*args, **kwargs)

    monkeypatch.setattr(runs, "compute", looking)
    with time_machine.travel(timezone.now() + timedelta(hours=hours)):
        assert freshness.sweep() == []
        settings.SETTLE_SECONDS = 0
        (run_id,) = freshness.sweep()  # ... nor put it off
        runs.execute(run_id)
        assert lease.renew(run_id, None) is False
    assert beyond == [False]
    run = published()
    assert abs((run.published_at - timezone.now()).total_seconds()) < 120
    assert freshness.why_stale(plan) == ""


def test_a_withdrawal_at_a_desk_whose_clock_is_ahead_is_in_force_at_once(
    plan,
    consortium,
):
    with time_machine.travel(timezone.now() + timedelta(days=1)):
        person = withdrawn_person()
    runs.execute(runs.request(plan, cause="test").pk)
    assert person.pk not in published().snapshot.participant_ids


# --- no room on the disk


def test_a_full_disk_stores_nothing_says_so_and_takes_the_file_when_there_is_room(
    api, settings, tmp_path
):
    settings.MEDIA_ROOT = tmp_path  # where no earlier test has left the same file
    site = SiteFactory(code="FUK")
    sent = table(*(f"P{n:04}" for n in range(2000)))

    def full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        with pytest.raises(OSError, match="File too large") as told:
            uploads.submit(site, sent, by=None)
        assert told.value.errno == errno.EFBIG

    assert children.run(full) == 0
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []
    assert (Upload.objects.count(), Change.objects.count()) == (0, 0)
    assert uploads.submit(site, sent, by=None).status == Upload.Status.ACCEPTED
    assert Participant.objects.count() == 2000


def test_a_full_disk_is_told_by_the_api_as_503(api, monkeypatch):
    def full(*_content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "store", full)
    site = SiteFactory(code="FUK")
    api.force_authenticate(user_with("SC", site))
    from django.core.files.uploadedfile import SimpleUploadedFile

    body = {
        "site": "FUK",
        "kind": "participants",
        "file": SimpleUploadedFile("p.csv", table("P1").content),
    }
    answer = api.post("/api/v1/uploads", body, format="multipart")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json()["detail"].startswith("The disk that keeps sent files is full")


def test_a_half_written_table_of_results_is_never_seen(
    plan,
    consortium,
    monkeypatch,
):
    store = runs._store

    def dying(run, results):
        store(run, results)
        os.kill(os.getpid(), signal.SIGKILL)

    (run_id,) = freshness.sweep()
    monkeypatch.setattr(runs, "_store", dying)
    assert children.run(lambda: runs.execute(run_id)) == -signal.SIGKILL
    assert not RunTable.objects.exists()
    monkeypatch.setattr(runs, "_store", store)
    let_leases_run_out()
    runs.execute(run_id)
    assert RunTable.objects.filter(run_id=run_id).count() == 2
