"""Whatever changes, the right plans run again: once, soon, and without the broker's help."""

import socket
import time
from datetime import timedelta

import pytest
from celery import current_app
from django.db.models.functions import Now
from django.utils import timezone

from analysis import tasks
from analysis.models import Plan, Run
from analysis.services import bell, freshness, runs, versions
from cohorts.models import Change, Participant
from cohorts.services import consent
from tests.factories import SiteFactory, StudyFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _settled(settings):
    settings.SETTLE_SECONDS = 0


def sweep_and_run():
    for run_id in freshness.sweep():
        runs.execute(run_id)


def test_nothing_is_owed_before_the_first_change(plan):
    assert freshness.why_stale(plan) == ""
    assert freshness.sweep() == []


def test_a_change_is_owed_one_run_and_after_it_nothing(plan, consortium):
    assert freshness.why_stale(plan) == "the plan is new"
    sweep_and_run()
    assert Run.objects.filter(state=Run.State.PUBLISHED).count() == 1
    assert freshness.sweep() == []


def test_before_the_first_values_arrive_there_is_nothing_to_run(plan):
    site = SiteFactory(study=plan.study)
    Change.objects.record(study=plan.study, site=site, kind="participants", counts={}, cause="test")
    assert freshness.why_stale(plan) == ""
    assert freshness.sweep() == []


def test_many_changes_become_one_run(plan, consortium):
    for _ in range(50):
        Change.objects.record(
            study=plan.study, site=consortium[0], kind="assays", counts={}, cause="burst"
        )
    freshness.sweep()
    freshness.sweep()
    assert Run.objects.count() == 1


def test_a_burst_is_waited_for_but_not_for_ever(plan, consortium, settings):
    settings.SETTLE_SECONDS = 60
    assert freshness.sweep() == []
    settings.SETTLE_AT_MOST_SECONDS = 0
    assert len(freshness.sweep()) == 1


def test_a_change_that_arrives_while_a_run_computes_is_not_forgotten(plan, consortium, monkeypatch):
    compute = runs.compute

    def arriving(*args, **kwargs):
        results = compute(*args, **kwargs)
        monkeypatch.undo()
        consent.withdraw(Participant.objects.last().pk, level=1, by=None)
        return results

    monkeypatch.setattr(runs, "compute", arriving)
    sweep_and_run()
    assert freshness.why_stale(plan).startswith("withdrawal from ")


def test_a_withdrawal_makes_the_plan_stale(plan, consortium):
    sweep_and_run()
    consent.withdraw(Participant.objects.first().pk, level=3, by=None)
    assert freshness.why_stale(plan).endswith(": no further use")


def test_another_study_is_left_alone(plan, consortium):
    sweep_and_run()
    other = SiteFactory(code="GUT", study=StudyFactory(code="gut", title="Gut"))
    Change.objects.record(study=other.study, site=other, kind="assays", counts={}, cause="test")
    assert freshness.why_stale(plan) == ""


def test_new_code_runs_again(plan, consortium, monkeypatch):
    sweep_and_run()
    monkeypatch.setattr(versions, "code_version", lambda: "another")
    assert freshness.why_stale(plan) == "the analysis code has changed"


def test_two_versions_side_by_side_do_not_ask_each_other_without_end(plan, consortium, monkeypatch):
    """In an update the sweeper is new and the worker is not: the run that it asks for is as old."""
    sweep_and_run()
    first = Run.objects.get()
    monkeypatch.setattr(versions, "code_version", lambda: "another")
    asked = runs.request(plan, cause=freshness.why_stale(plan))
    Run.objects.filter(pk=asked.pk).update(
        state="merged", code_version=first.code_version, same_as=first
    )
    assert freshness.why_stale(plan) == ""
    long_ago = timezone.now() - freshness.CODE_ASKED_AGAIN
    Run.objects.exclude(pk=first.pk).update(queued_at=long_ago)
    Run.objects.filter(pk=first.pk).update(queued_at=long_ago - timedelta(minutes=1))
    assert freshness.why_stale(plan) == "the analysis code has changed"


def test_only_the_newest_version_of_a_plan_is_followed(plan, consortium):
    newer = Plan.objects.create(study=plan.study, name=plan.name, version=2, data=plan.data)
    freshness.sweep()
    assert [run.plan for run in Run.objects.all()] == [newer]


def test_a_run_whose_worker_died_three_times_is_failed_in_words(plan, consortium):
    run = runs.request(plan, cause="test")
    for _ in range(3):
        assert Run.objects.claim(run.pk) is not None
        Run.objects.filter(pk=run.pk).update(lease_until=Now() - timedelta(seconds=1))
    freshness.sweep()
    run.refresh_from_db()
    assert (run.state, run.failure) == (
        Run.State.FAILED,
        "The worker died 3 times while computing it.",
    )


def listening_and_silent():
    """A broker that accepts connections and never says a word."""
    server = socket.create_server(("127.0.0.1", 0))
    return server, f"redis://127.0.0.1:{server.getsockname()[1]}/0"


@pytest.mark.parametrize("fault", ["refuses", "is silent"])
def test_a_broker_that_is_down_costs_an_upload_less_than_a_second(
    plan, consortium, caplog, monkeypatch, fault
):
    server, url = listening_and_silent()
    if fault == "refuses":
        server.close()
    monkeypatch.setattr(bell, "_silent_until", 0.0)
    # In this order: the second, where unset, is read from the first, and would be put back wrong.
    monkeypatch.setattr(current_app.conf, "broker_write_url", url)
    monkeypatch.setattr(current_app.conf, "broker_url", url)
    began = time.monotonic()
    Change.objects.record(
        study=plan.study, site=SiteFactory(), kind="assays", counts={}, cause="test"
    )
    first = time.monotonic() - began
    assert not freshness.ring("analysis.sweep")
    server.close()
    assert first < 1
    assert time.monotonic() - began - first < 0.01
    assert "the next sweep finds what is owed" in caplog.text
    assert freshness.why_stale(plan) == "the plan is new"


def test_the_change_log_is_read_in_the_order_of_its_commits(plan, consortium):
    numbers = list(Change.objects.order_by("recorded_at").values_list("pk", flat=True))
    assert numbers == sorted(numbers)
    assert Change.objects.newest(plan.study) == numbers[-1]
    assert Change.objects.latest("pk").recorded_at <= timezone.now()


@pytest.fixture
def sent(monkeypatch):
    """The names of messages that were really sent; the marks are those of the real broker."""
    names = []
    monkeypatch.setattr(bell, "BELL_SECONDS", 10.0)  # on a busy machine too
    monkeypatch.setattr(bell, "_silent_until", 0.0)
    monkeypatch.setattr(current_app, "send_task", lambda name, **_: names.append(name))
    bell.heard("test.bell", "run")
    yield names
    bell.heard("test.bell", "run")


def test_a_thousand_rings_are_one_message_until_it_is_heard(sent):
    assert all(bell.ring("test.bell", "run") for _ in range(20))
    assert sent == ["test.bell"]
    bell.heard("test.bell", "run")
    assert bell.ring("test.bell", "run")
    assert len(sent) == 2


def test_a_message_for_later_does_not_keep_one_for_now_from_being_sent(sent):
    assert all(bell.ring("test.bell", "run", countdown=5) for _ in range(3))
    assert all(bell.ring("test.bell", "run") for _ in range(3))
    assert len(sent) == 2


def test_a_message_that_is_never_heard_is_sent_again_after_a_while(sent, settings):
    settings.SWEEP_SECONDS = 0.5
    bell.ring("test.bell", "run")
    time.sleep(1.2)
    bell.ring("test.bell", "run")
    assert len(sent) == 2


def test_helpers_are_called_one_by_one(sent):
    assert all(bell.ring("test.bell", "run", each=True) for _ in range(3))
    assert len(sent) == 3


def test_what_is_rung_while_a_sweep_looks_at_the_database_is_heard_by_the_next(
    plan, consortium, monkeypatch, sent
):
    monkeypatch.setattr(freshness, "sweep", lambda: freshness.nudge() or [])
    bell.heard("analysis.sweep")
    freshness.nudge()
    tasks.sweep()
    assert sent == ["analysis.sweep"] * 2
    bell.heard("analysis.sweep")


def test_a_bell_for_a_run_that_is_not_free_rings_for_nothing(plan, consortium, sent):
    (run_id,) = freshness.sweep()
    Run.objects.claim(run_id)
    tasks.execute(str(run_id))
    assert sent == []


def test_a_sweep_that_finds_a_burst_going_on_looks_again(plan, consortium, settings, monkeypatch):
    settings.SETTLE_SECONDS = 60
    rung = []
    monkeypatch.setattr(freshness, "ring", lambda task, **_: rung.append(task))
    assert freshness.sweep() == []
    assert rung == ["analysis.sweep"]
