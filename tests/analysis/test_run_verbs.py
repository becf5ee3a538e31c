"""Runs are followed to an expected end, cancelled, put first, and told as superseded or held."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models.functions import Now
from django.utils import timezone

from analysis import tasks
from analysis.models import Plan, Run, RunTable
from analysis.services import freshness, progress, queue, runs, versions
from cohorts.errors import NotAllowed
from cohorts.models import Change
from tests.factories import user_with

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _settled(settings, monkeypatch):
    settings.SETTLE_SECONDS = 0
    monkeypatch.setattr(freshness, "ring", lambda *_args, **_kwargs: True)


@pytest.fixture
def steward():
    return user_with("CD", username="kim")


@pytest.fixture
def analyst():
    return user_with("CA")


def other_plan(plan, name="other"):
    return Plan.objects.create(study=plan.study, name=name, data=plan.data)


# --- cancelling


def test_a_waiting_run_that_is_cancelled_is_not_asked_for_again_until_something_changes(
    plan, consortium, steward
):
    run = runs.request(plan, cause="test")
    queue.cancel(run.pk, by=steward)
    runs.execute(run.pk)
    run.refresh_from_db()
    assert (run.state, run.failure) == (Run.State.CANCELLED, "Cancelled by kim.")
    assert freshness.sweep() == []
    Change.objects.record(
        study=plan.study, site=consortium[0], kind="assays", counts={}, cause="new"
    )
    assert len(freshness.sweep()) == 1


@pytest.mark.parametrize("step", [1, 3, 7])
def test_a_computing_run_that_is_cancelled_stops_at_its_next_step(
    plan, consortium, steward, monkeypatch, step
):
    run = runs.request(plan, cause="test")
    lawful, looks = runs.snapshots.still_lawful, []

    def watched(*args):
        looks.append(1)
        if len(looks) == step:
            queue.cancel(run.pk, by=steward)
        return lawful(*args)

    monkeypatch.setattr(runs.snapshots, "still_lawful", watched)
    runs.execute(run.pk)
    run.refresh_from_db()
    assert run.state == Run.State.CANCELLED
    assert len(looks) == step
    assert not RunTable.objects.exists()


def test_a_run_that_is_cancelled_as_it_publishes_publishes_nothing(
    plan, consortium, steward, monkeypatch
):
    run, publish = runs.request(plan, cause="test"), runs.publish

    def late(*args):
        queue.cancel(run.pk, by=steward)
        publish(*args)

    monkeypatch.setattr(runs, "publish", late)
    runs.execute(run.pk)
    assert not RunTable.objects.exists()
    assert Run.objects.get().state == Run.State.CANCELLED


def test_an_ended_run_is_not_cancelled(plan, consortium, steward):
    run = runs.request(plan, cause="test")
    runs.execute(run.pk)
    with pytest.raises(queue.NotWaiting, match="The run is published: only one that waits"):
        queue.cancel(run.pk, by=steward)


def test_an_analyst_cancels_what_they_asked_for_and_nothing_else(plan, analyst):
    own = runs.request(plan, cause="test", by=analyst)
    another = runs.request(other_plan(plan), cause="test")
    queue.cancel(own.pk, by=analyst)
    with pytest.raises(NotAllowed, match="You can cancel the runs that you asked for"):
        queue.cancel(another.pk, by=analyst)
    another.refresh_from_db()
    assert another.state == Run.State.QUEUED


def test_cancelling_over_the_api(plan, api, analyst):
    own = runs.request(plan, cause="test", by=analyst)
    api.force_authenticate(analyst)
    answer = api.post(f"/api/v1/runs/{own.pk}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    again = api.post(f"/api/v1/runs/{own.pk}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "run_not_waiting")


# --- priority


def test_the_run_with_the_highest_priority_starts_first(plan, consortium, steward):
    first = runs.request(plan, cause="test")
    second = runs.request(other_plan(plan), cause="test")
    assert freshness.sweep() == [first.pk, second.pk]
    queue.prioritise(second.pk, priority=1, by=steward)
    assert freshness.sweep() == [second.pk, first.pk]
    tasks.execute(str(first.pk))  # the bell of the one; the other goes before it
    second.refresh_from_db()
    assert second.state == Run.State.PUBLISHED
    assert Run.objects.get(pk=first.pk).state == Run.State.QUEUED


def test_only_a_data_manager_places_only_waiting_runs_and_within_the_range(
    plan, consortium, steward, analyst
):
    run = runs.request(plan, cause="test")
    with pytest.raises(NotAllowed, match="data manager says which run goes first"):
        queue.prioritise(run.pk, priority=1, by=analyst)
    with pytest.raises(ValidationError, match="less than or equal to 9"):
        queue.prioritise(run.pk, priority=10, by=steward)
    with pytest.raises(IntegrityError, match="run_priority_in_range"):
        Run.objects.filter(pk=run.pk).update(priority=-10)
    Run.objects.claim(run.pk)
    with pytest.raises(queue.NotWaiting, match="only one that waits can be put forward"):
        queue.prioritise(run.pk, priority=1, by=steward)


# --- how far, and until when


def test_the_expected_end_is_what_earlier_runs_of_the_same_steps_still_needed(plan, consortium):
    first = runs.request(plan, cause="test")
    runs.execute(first.pk)
    first.refresh_from_db()
    assert [name for name, _ in first.steps][:2] == ["preparing values", "site effects"]
    Run.objects.filter(pk=first.pk).update(
        steps=[["preparing values", 1.0], ["site effects", 10.0]],
        started_at=Now() - timedelta(seconds=100),
        published_at=Now(),
    )
    now = timezone.now()
    run = Run(
        plan=plan,
        state=Run.State.RUNNING,
        started_at=now,
        steps=[["preparing values", 2.0], ["site effects", 20.0]],
    )
    end = progress.expected_end(run)
    assert (end - now).total_seconds() == pytest.approx(20 + 90, abs=0.5)
    run.steps = [["preparing values", 2.0], ["a step that is new", 20.0]]
    assert progress.expected_end(run) is None
    run.steps = [["preparing values", 2.0], ["site effects", 20.0]]
    run.started_at = now - timedelta(hours=1)
    assert progress.expected_end(run) >= now  # late, so any moment; never in the past


def test_of_the_first_run_the_end_is_unknown(plan, api, steward):
    run = runs.request(plan, cause="test")
    Run.objects.claim(run.pk)
    api.force_authenticate(steward)
    told = api.get(f"/api/v1/runs/{run.pk}").json()
    assert (told["state"], told["expected_end"]) == ("running", None)


def test_a_published_run_is_superseded_by_the_next_that_the_reader_may_see(
    plan, api, steward, analyst
):
    made = [
        Run.objects.create(
            plan=plan,
            state="published",
            key=str(n),
            published_at=timezone.now() + timedelta(seconds=n),
            released_at=timezone.now() if n < 2 else None,
        )
        for n in range(3)
    ]

    def told(person):
        api.force_authenticate(person)
        rows = {row["id"]: row["standing"] for row in api.get("/api/v1/runs").json()["results"]}
        return [rows.get(str(run.pk)) for run in made]

    assert told(steward) == ["superseded", "superseded", "held"]
    assert told(analyst) == ["superseded", "released", None]


def test_a_run_that_dies_before_it_has_a_snapshot_is_not_asked_for_for_ever(plan, consortium):
    run = runs.request(plan, cause="test")
    for _ in range(3):
        assert Run.objects.claim(run.pk, versions.code_version())
        Run.objects.filter(pk=run.pk).update(lease_until=Now() - timedelta(seconds=1))
    assert freshness.sweep() == []
    assert freshness.why_stale(plan) == ""
    assert Run.objects.get().state == Run.State.FAILED


def test_a_plan_that_new_code_fails_at_is_tried_once_and_not_at_every_sweep(
    plan, consortium, monkeypatch
):
    runs.execute(runs.request(plan, cause="test").pk)
    monkeypatch.setattr(versions, "code_version", lambda: "newer")
    monkeypatch.setattr(runs, "compute", lambda *_args, **_kwargs: 1 / 0)
    (again,) = freshness.sweep()
    with pytest.raises(ZeroDivisionError):
        runs.execute(again)
    assert freshness.sweep() == []


# --- the pages


def test_the_page_of_runs_shows_what_is_under_way_to_those_who_started_it(
    plan, browse, steward, analyst
):
    run = runs.request(plan, cause="test", by=analyst)
    page = browse(analyst).get("/runs/").content.decode()
    assert "Under way" in page
    assert f"/runs/{run.pk}/cancel/" in page
    assert f"/runs/{run.pk}/priority/" not in page
    manager = browse(steward)
    assert f"/runs/{run.pk}/priority/" in manager.get("/runs/").content.decode()
    manager.post(f"/runs/{run.pk}/priority/")
    assert Run.objects.get(pk=run.pk).priority == 9
    told = manager.post(f"/runs/{run.pk}/cancel/", follow=True).content.decode()
    assert "it publishes nothing" in told
    assert "Cancelled by kim" in manager.get(f"/runs/{run.pk}/").content.decode()


def test_a_data_manager_cancels_in_the_admin(plan, browse, steward):
    run = runs.request(plan, cause="test")
    chosen = {"action": "cancel", "_selected_action": [str(run.pk)]}
    client = browse(steward)
    assert b"is cancelled" in client.post("/admin/analysis/run/", chosen, follow=True).content
    assert (
        b"only one that waits" in client.post("/admin/analysis/run/", chosen, follow=True).content
    )
