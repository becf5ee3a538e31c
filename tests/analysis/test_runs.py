"""A run is claimed once, computes what was lawful, and publishes all or nothing."""

import uuid
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from analysis.models import Run, RunTable, Verdict
from analysis.services import lease, release, runs, snapshots
from cohorts.models import Participant
from cohorts.services import consent
from tests.analysis.conftest import FEATURES

pytestmark = pytest.mark.django_db(transaction=True)


def run_now(plan, cause="test"):
    run = runs.request(plan, cause=cause)
    runs.execute(run.pk)
    run.refresh_from_db()
    return run


def test_a_run_publishes_effects_of_every_site_and_their_pool(plan, consortium):
    run = run_now(plan)
    assert (run.state, run.failure) == (Run.State.PUBLISHED, "")
    effects = RunTable.objects.get(run=run, name="effects").frame
    assert set(effects["site"]) == {"FUK", "TYO", "MTL"}
    assert set(effects["stratum"]) == {"all", "men"}
    pooled = RunTable.objects.get(run=run, name="pooled").frame
    row = pooled[(pooled["feature"] == FEATURES[0]) & (pooled["stratum"] == "all")].iloc[0]
    assert row["n_sites"] == 3
    assert (row["n_case"], row["n_control"]) == (36, 36)
    assert row["ci_low"] > 0


def test_the_same_inputs_are_the_same_run(plan, consortium):
    first = run_now(plan)
    second = run_now(plan)
    assert (second.state, second.same_as_id) == (Run.State.MERGED, first.pk)
    assert RunTable.objects.filter(run=second).count() == 0


def test_another_seed_is_another_run(plan, consortium):
    first = run_now(plan)
    plan.data = plan.data | {"seed": 7}
    plan.save()
    assert run_now(plan).key != first.key


def test_a_plan_waits_once(plan):
    assert runs.request(plan, cause="a").pk == runs.request(plan, cause="b").pk


def test_a_run_delivered_twice_is_computed_once(plan, consortium):
    run = run_now(plan)
    runs.execute(run.pk)
    run.refresh_from_db()
    assert run.attempts == 1


def test_of_two_claims_one_holds(plan):
    run = runs.request(plan, cause="test")
    assert Run.objects.claim(run.pk) is not None
    assert Run.objects.claim(run.pk) is None


def test_a_run_of_a_dead_worker_is_claimed_again_when_its_lease_has_run_out(plan):
    run = runs.request(plan, cause="test")
    dead = Run.objects.claim(run.pk)
    Run.objects.filter(pk=run.pk).update(lease_until=Now() - timedelta(seconds=1))
    assert Run.objects.claim(run.pk) is not None
    assert not lease.renew(run.pk, dead)


def test_a_worker_that_lost_its_lease_publishes_nothing(plan, consortium, monkeypatch):
    run = runs.request(plan, cause="test")
    compute = runs.compute

    def slow(*args, **kwargs):
        results = compute(*args, **kwargs)
        Run.objects.filter(pk=run.pk).update(token=uuid.uuid4())
        return results

    monkeypatch.setattr(runs, "compute", slow)
    runs.execute(run.pk)
    run.refresh_from_db()
    assert run.state == Run.State.RUNNING
    assert not RunTable.objects.exists()


@pytest.mark.parametrize("when", ["preparing values", "pooling", "judging the claims"])
def test_a_withdrawal_while_a_run_computes_stops_it(plan, consortium, monkeypatch, when):
    person, begun = Participant.objects.first(), []
    compute = runs.compute

    def withdrawing(frames, parsed, claims, *, on_step, steps):
        def step(name, share_done):
            if name == when and not person.withdrawals.exists():
                consent.withdraw(person.pk, level=3, by=None)
            on_step(name, share_done)
            begun.append(name)

        return compute(frames, parsed, claims, on_step=step, steps=steps)

    monkeypatch.setattr(runs, "compute", withdrawing)
    run = run_now(plan)
    assert run.state == Run.State.QUEUED
    assert when not in begun  # at that very step, not in the end
    assert not RunTable.objects.exists()
    runs.execute(run.pk)
    run.refresh_from_db()
    assert run.state == Run.State.PUBLISHED
    assert person.pk not in run.snapshot.participant_ids


def test_a_withdrawal_just_before_publication_is_seen(plan, consortium, monkeypatch):
    person = Participant.objects.first()
    compute = runs.compute

    def withdrawing(*args, **kwargs):
        results = compute(*args, **kwargs)
        consent.withdraw(person.pk, level=3, by=None)
        return results

    monkeypatch.setattr(runs, "compute", withdrawing)
    run = run_now(plan)
    assert run.state == Run.State.QUEUED
    assert not RunTable.objects.exists()


def test_the_guard_against_withdrawn_people_is_awake(plan, consortium, monkeypatch):
    """The seeded fault: a guard that always says yes publishes somebody who withdrew."""
    monkeypatch.setattr(snapshots, "still_lawful", lambda *_: True)
    person = Participant.objects.first()
    compute = runs.compute

    def withdrawing(*args, **kwargs):
        results = compute(*args, **kwargs)
        consent.withdraw(person.pk, level=3, by=None)
        return results

    monkeypatch.setattr(runs, "compute", withdrawing)
    run = run_now(plan)
    assert run.state == Run.State.PUBLISHED
    assert person.pk in run.snapshot.participant_ids


def test_who_is_not_in_a_run_is_counted_with_the_reason(plan, consortium):
    first, second, third = Participant.objects.filter(site__code="FUK")[:3]
    first.consents.all().delete()
    second.consents.update(scopes=["store_samples"])
    consent.withdraw(third.pk, level=3, by=None)
    run = run_now(plan)
    told = {row["why"]: row["n"] for row in run.left_out if row["what"] == "participants"}
    assert told == {
        "no consent on record": 1,
        "the consent lacks a scope that the plan needs": 1,
        "consent withdrawn": 1,
    }


def test_a_run_without_data_fails_with_its_reason(plan):
    run = run_now(plan)
    assert run.state == Run.State.FAILED
    assert run.failure == "Nobody with consent for this plan has assay values yet."


def test_an_internal_error_is_told_and_leaves_no_half_result(plan, consortium, monkeypatch):
    def broken(*_args, **_kwargs):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(runs, "_store", broken)
    run = runs.request(plan, cause="test")
    with pytest.raises(RuntimeError):
        runs.execute(run.pk)
    run.refresh_from_db()
    assert (run.state, run.failure) == (
        Run.State.FAILED,
        "Internal error (RuntimeError): the worker's log has it.",
    )
    assert not Verdict.objects.exists()


def test_rows_are_withheld_when_a_run_is_released_and_only_then(plan, consortium, monkeypatch):
    looked_at = []
    monkeypatch.setattr(
        runs.releasing.withholding, "withhold", lambda run: looked_at.append(run.pk)
    )
    released = run_now(plan)
    consent.withdraw(Participant.objects.first().pk, level=3, by=None)
    assert run_now(plan).released_at is None
    assert looked_at == [released.pk]


def test_a_run_that_differs_by_one_person_is_held_back(plan, consortium):
    released = run_now(plan)
    assert released.released_at is not None
    assert released.checked_k == 10
    consent.withdraw(Participant.objects.first().pk, level=3, by=None)
    held = run_now(plan)
    assert held.state == Run.State.PUBLISHED
    assert held.released_at is None
    assert held.held_because == release.reason_to_hold(held) != ""
