"""Changes, runs, withdrawals and crashes in any order, beside a model in plain Python."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import timedelta

import pandas as pd
import pytest
from django.core.management import call_command
from django.db.models.functions import Now
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from hypothesis.strategies import data, sampled_from

from analysis.models import Plan, Run, RunTable
from analysis.pipeline import Results
from analysis.services import freshness, queue, runs
from cohorts.models import Change, Participant
from cohorts.services import consent
from tests.analysis.conftest import make_site
from tests.factories import StudyFactory, user_with

pytestmark = pytest.mark.django_db(transaction=True)
MOMENTS = ("reading", "fitting", "publishing", "stored")
ATTEMPTS = 3
run_key = runs.run_key  # as it is, whatever a test puts in its place


class Crash(BaseException):
    """The worker is gone: nothing after this line happens, no handler runs."""


@dataclass
class Model:
    """What must be so, in plain Python."""

    changes: int = 0
    tried_on: int = 0  # the newest change that a run has ended on, or was cancelled on
    withdrawn: set[int] = field(default_factory=set)
    attempts: int = 0  # deaths of the run that is under way
    waiting: bool = False

    @property
    def owed(self) -> bool:
        return self.changes > self.tried_on


class AnyOrder(RuleBasedStateMachine):
    """One plan, real services and database; only the numbers of a run are made up."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()

    @initialize()
    def a_study(self) -> None:
        call_command("flush", verbosity=0, interactive=False)
        study = StudyFactory()
        data_ = {"case": ["hikikomori"], "control": ["healthy_control"]}
        self.plan = Plan.objects.create(study=study, name="quick", data=data_)
        self.site = make_site("FUK", 1)
        self.steward = user_with("CD")
        self.crash_at = ""
        self._change()

    def _change(self) -> None:
        Change.objects.record(
            study=self.plan.study, site=self.site, kind="assays", counts={}, cause="test"
        )
        self.model.changes += 1

    # --- what happens

    @rule()
    def data_arrive(self) -> None:
        self._change()

    @rule(number=sampled_from(range(24)))
    def somebody_withdraws(self, number: int) -> None:
        person = Participant.objects.order_by("pk")[number].pk
        if person not in self.model.withdrawn:
            consent.withdraw(person, level=3, by=None)
            self.model.withdrawn.add(person)
            self.model.changes += 1

    @rule()
    def the_sweep_looks(self) -> None:
        rung = freshness.sweep()
        self.model.waiting = self.model.waiting or self.model.owed
        if self.model.attempts >= ATTEMPTS:  # the hopeless run has been failed
            self.model.attempts = 0
            self.model.waiting = self.model.owed
        assert bool(rung) == self.model.waiting

    @rule()
    def a_worker_works(self) -> None:
        self._work("")

    @rule(moment=sampled_from(MOMENTS))
    def a_worker_dies(self, moment: str) -> None:
        self._work(moment)

    @rule(moment=sampled_from(MOMENTS[:3]), pick=data())
    def somebody_withdraws_while_a_worker_works(self, moment: str, pick: object) -> None:
        left = sorted(set(Participant.objects.values_list("pk", flat=True)) - self.model.withdrawn)
        if not self.model.waiting or self.model.attempts or len(left) < 2:
            return
        person = pick.draw(sampled_from(left))  # type: ignore[attr-defined]

        def withdraw() -> None:
            consent.withdraw(person, level=3, by=None)
            self.model.withdrawn.add(person)
            self.model.changes += 1

        before = self.model.changes
        self._work("", meanwhile=(moment, withdraw))
        assert self.model.changes == before + 1

    @precondition(lambda self: self.model.waiting and not self.model.attempts)
    @rule()
    def a_manager_cancels(self) -> None:
        queue.cancel(Run.objects.under_way().get().pk, by=self.steward)
        self.model.waiting, self.model.tried_on = False, self.model.changes

    def _work(self, crash_at: str, meanwhile: tuple[str, object] | None = None) -> None:
        run = Run.objects.claimable().in_turn().first()
        if run is None or run.attempts >= ATTEMPTS:
            return
        seen = self.model.changes
        with pytest.MonkeyPatch.context() as patch:
            _made_up(patch, self.model, crash_at, meanwhile)
            try:
                runs.execute(run.pk)
            except Crash:
                self.model.attempts += 1
                self.model.tried_on = seen  # tried, and owed as a run that is under way
                Run.objects.filter(pk=run.pk).update(lease_until=Now() - timedelta(seconds=1))
                return
        self.model.attempts = 0
        if meanwhile is not None:
            return  # it waits again, and has been tried on nothing
        self.model.waiting, self.model.tried_on = False, seen

    # --- what always holds

    @invariant()
    def nothing_owed_is_forgotten(self) -> None:
        if hasattr(self, "plan") and not self.model.waiting:
            assert bool(freshness.why_stale(self.plan)) == self.model.owed

    @invariant()
    def at_most_one_run_is_under_way_and_one_result_a_key(self) -> None:
        assert Run.objects.under_way().count() <= 2
        keys = list(Run.objects.published().values_list("key", flat=True))
        assert len(keys) == len(set(keys))
        assert RunTable.objects.count() == len(keys)
        told = Run.objects.published().select_related("plan__study", "snapshot")
        assert all(run.key == run_key(run.plan, run.snapshot) for run in told)

    def _newest_change(self) -> int:
        return Change.objects.newest(self.plan.study)

    def teardown(self) -> None:
        """Whatever happened before: left alone, the platform comes to rest with nothing owed."""
        if not hasattr(self, "plan"):
            return
        for _ in range(4):
            for run_id in freshness.sweep():
                with pytest.MonkeyPatch.context() as patch:
                    _made_up(patch, self.model, "", None)
                    runs.execute(run_id)
        assert freshness.sweep() == []
        assert freshness.why_stale(self.plan) == ""
        newest = Run.objects.exclude(state=Run.State.QUEUED).order_by("change_seen").last()
        assert newest is not None
        assert newest.change_seen == self._newest_change()
        if newest.state in (Run.State.PUBLISHED, Run.State.MERGED):
            # A withdrawal that told nobody would leave the last run with the person in it.
            assert not set(newest.snapshot.participant_ids) & self.model.withdrawn


def _made_up(patch, model, crash_at, meanwhile) -> None:
    """Numbers without computing; the crash, or what happens meanwhile, at its moment."""

    def at(moment: str) -> None:
        if crash_at == moment:
            raise Crash
        if meanwhile is not None and meanwhile[0] == moment:
            meanwhile[1]()

    def compute(_frames, _plan, _claims, *, on_step, steps):
        at("reading")
        on_step("fitting", 0.5)
        at("fitting")
        table = pd.DataFrame({"made": [str(uuid.uuid4())]})
        return Results(tables={"pooled": table}, documents={}, verdicts=[], left_out=[])

    publish, store = runs.publish, runs._store

    def publishing(*args):
        at("publishing")
        publish(*args)

    def storing(run, results):
        # The moment that counts: nothing is stored of anybody who has withdrawn by now.
        assert not set(run.snapshot.participant_ids) & model.withdrawn
        store(run, results)
        at("stored")

    for name, stand_in in (("compute", compute), ("publish", publishing), ("_store", storing)):
        patch.setattr(runs, name, stand_in)


SHORT = settings(
    max_examples=10,
    stateful_step_count=16,
    deadline=None,
    report_multiple_bugs=False,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True)
def _quiet(settings, monkeypatch):
    settings.SETTLE_SECONDS = 0
    monkeypatch.setattr(freshness, "ring", lambda *_args, **_kwargs: True)


# A fault that was put in is only to be found, not to be made small.
SEEDED = settings(SHORT, phases=[Phase.generate], max_examples=30)


def test_any_order_of_changes_runs_withdrawals_and_crashes_is_survived(transactional_db):
    run_state_machine_as_test(AnyOrder, settings=SHORT)


def test_a_run_that_forgets_what_arrived_meanwhile_is_found(transactional_db, monkeypatch):
    monkeypatch.setattr(freshness, "why_stale", lambda _plan: "")
    with pytest.raises(AssertionError):
        run_state_machine_as_test(AnyOrder, settings=SEEDED)


def test_a_withdrawal_that_owes_no_run_is_found(transactional_db, monkeypatch):
    monkeypatch.setattr(consent, "_note_change", lambda *_: None)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(AnyOrder, settings=SEEDED)


def test_a_run_under_the_key_of_an_earlier_try_is_found(transactional_db, monkeypatch):
    plain, keys = runs.run_key, {}

    def kept(plan, snapshot):
        return keys.setdefault(plan.pk, plain(plan, snapshot))

    monkeypatch.setattr(runs, "run_key", kept)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(AnyOrder, settings=SEEDED)


def test_a_publication_that_does_not_look_at_consent_is_found(transactional_db, monkeypatch):
    monkeypatch.setattr(runs.snapshots, "still_lawful", lambda *_: True)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(AnyOrder, settings=SEEDED)
