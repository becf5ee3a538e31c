"""Pieces of a run shared among workers: computed once, in whatever hands, to the same numbers."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from django.core.files.storage import storages
from django.db import connection
from django.db.models.functions import Now

from analysis.models import Run, RunPart, RunTable
from analysis.services import artefacts, parts, reproduction, runs
from cohorts.models import Participant
from cohorts.services import consent
from hikiproject.artefacts import storage_of
from tests.limits import within

pytestmark = pytest.mark.django_db(transaction=True)
SECONDS = 120  # it takes 1 to 2; a part that nobody frees would be waited for without end


@pytest.fixture(autouse=True)
def shared_always(monkeypatch):
    """Even the least work is shared, a piece a part, and no bell rings for anybody."""
    monkeypatch.setattr(parts, "SHARED_FROM_SECONDS", 0.0)
    monkeypatch.setattr(parts, "PART_SECONDS", 1e-9)
    monkeypatch.setattr(parts.bell, "ring", lambda *_args, **_options: True)


@pytest.fixture(autouse=True)
def nothing_from_before(transactional_db):
    """What a broken test left in the folder is not this one's."""
    artefacts.remove_left_over()


def run_now(plan):
    run = runs.request(plan, cause="test")
    with within(SECONDS, "a run whose parts are shared"):
        runs.execute(run.pk)
    return Run.objects.select_related("plan__study", "snapshot").get(pk=run.pk)


class Helper:
    """Another worker: takes what is free until it is told to stop."""

    def __init__(self, run_id):
        self.run_id, self.n_done, self._end = run_id, 0, threading.Event()
        self._thread = threading.Thread(target=self._help)

    def _help(self):
        while not self._end.wait(0.005):
            self.n_done += parts.help_with(self.run_id)
        connection.close()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_error):
        self._end.set()
        self._thread.join()


def claimed_part(plan, monkeypatch, meanwhile):
    """Executes a run whose first part is in another worker's hands when ``meanwhile`` is called."""
    claim, seen = RunPart.objects.claim, []

    def claiming(run_id, seconds, **end):
        if not seen:
            seen.append(claim(run_id, 60))
            meanwhile(seen[0])
        return claim(run_id, seconds, **end)

    monkeypatch.setattr(RunPart.objects, "claim", claiming)
    return run_now(plan)


def nothing_is_left():
    folders, files = storages[artefacts.STORAGE].listdir("")
    left = [name for name in folders if storages[artefacts.STORAGE].listdir(name)[0]]
    return not RunPart.objects.exists() and not left and not files


def test_two_workers_make_what_one_makes_bit_for_bit(plan, consortium):
    run = runs.request(plan, cause="test")
    with Helper(run.pk) as helper:
        runs.execute(run.pk)
    run = Run.objects.select_related("plan__study", "snapshot").get(pk=run.pk)
    assert (run.state, run.failure) == (Run.State.PUBLISHED, "")
    assert helper.n_done > 0
    assert reproduction.reproduce(run).differences == ()
    assert nothing_is_left()


def test_a_part_whose_worker_died_is_taken_over(plan, consortium, monkeypatch):
    def dies(part):
        RunPart.objects.filter(pk=part.pk).update(lease_until=Now() - timedelta(seconds=1))

    run = claimed_part(plan, monkeypatch, dies)
    assert run.state == Run.State.PUBLISHED
    assert reproduction.reproduce(run).differences == ()


def test_a_part_that_fails_three_times_fails_the_run_and_says_so(plan, consortium, monkeypatch):
    def fails(part):
        told = {"attempts": 3, "failure": "MemoryError in a worker", "lease_until": None}
        RunPart.objects.filter(pk=part.pk).update(**told)

    run = claimed_part(plan, monkeypatch, fails)
    assert run.state == Run.State.FAILED
    assert run.failure == "A part of step site effects was tried 3 times: MemoryError in a worker."
    assert nothing_is_left()


def test_data_that_a_part_refuses_end_the_run_with_its_sentence(plan, consortium, monkeypatch):
    def refuses(part):
        parts._give_back(part, "No feature varies.", unusable=True)

    run = claimed_part(plan, monkeypatch, refuses)
    assert (run.state, run.failure) == (Run.State.FAILED, "No feature varies.")


def test_two_deliveries_of_a_part_store_one_output(plan, consortium, monkeypatch):
    def twice(part):
        assert RunPart.objects.claim(part.run_id, 60).pk != part.pk
        other = RunPart(pk=part.pk, run_id=part.run_id, token=part.token, claim=uuid.uuid4())
        parts._store(other, [{"table": "of a zombie"}])
        assert RunPart.objects.get(pk=part.pk).output is None
        RunPart.objects.update(lease_until=None)

    assert claimed_part(plan, monkeypatch, twice).state == Run.State.PUBLISHED


def test_a_part_of_a_run_that_was_taken_over_stores_nothing(plan, consortium, monkeypatch):
    def taken_over(part):
        Run.objects.filter(pk=part.run_id).update(token=uuid.uuid4())
        parts._store(part, [{"table": "late"}])
        assert RunPart.objects.get(pk=part.pk).output is None
        assert not parts.help_with(part.run_id)

    run = claimed_part(plan, monkeypatch, taken_over)
    assert run.state == Run.State.RUNNING
    assert not RunTable.objects.exists()
    assert nothing_is_left()


def test_a_withdrawal_while_parts_compute_stops_all_hands(plan, consortium, monkeypatch):
    def withdraws(part):
        consent.withdraw(Participant.objects.first().pk, level=3, by=None)
        RunPart.objects.filter(pk=part.pk).update(lease_until=None, claim=None)
        for _ in range(3):
            parts.help_with(part.run_id)
        assert set(RunPart.objects.values_list("output", "failure")) == {(None, "")}

    run = claimed_part(plan, monkeypatch, withdraws)
    assert run.state == Run.State.QUEUED
    assert not RunTable.objects.exists()
    assert nothing_is_left()


def test_what_a_dead_holder_left_is_removed_by_the_sweep(plan, consortium, monkeypatch):
    monkeypatch.setattr(parts.Shared, "end", lambda _self: None)
    run = run_now(plan)
    assert RunPart.objects.filter(run=run).exists()
    assert not nothing_is_left()
    parts.remove_left_over()
    assert nothing_is_left()
    assert storages[artefacts.STORAGE].listdir("") == ([], [])


@pytest.fixture
def storage_away(tmp_path, settings):
    """A function that takes the shared storage away: a file stands where its folder was."""

    def gone():
        place = tmp_path / "file"
        place.write_text("")
        settings.STORAGES = settings.STORAGES | {"artefacts": storage_of(str(place))}

    return gone


def test_without_the_shared_storage_a_run_is_computed_alone(plan, consortium, storage_away):
    storage_away()
    run = run_now(plan)
    assert (run.state, run.failure, run.attempts) == (Run.State.PUBLISHED, "", 1)
    assert reproduction.reproduce(run).differences == ()
    parts.remove_left_over()  # what it cannot reach keeps the sweep from nothing


def test_a_helper_that_does_not_find_the_inputs_costs_the_part_no_try(
    plan, consortium, monkeypatch, settings, storage_away, caplog
):
    def helped_from_elsewhere(part):
        RunPart.objects.filter(pk=part.pk).update(lease_until=None, attempts=0)
        here = settings.STORAGES
        storage_away()
        for _ in range(4):
            assert parts.help_with(part.run_id)
        settings.STORAGES = here
        tried = RunPart.objects.filter(run=part.run_id).values_list("attempts", flat=True)
        assert set(tried) == {0}

    assert claimed_part(plan, monkeypatch, helped_from_elsewhere).state == Run.State.PUBLISHED
    assert "HIKI_ARTEFACTS must be the same storage for every worker" in caplog.text


def test_a_small_study_is_not_shared(plan, consortium, monkeypatch):
    monkeypatch.setattr(parts, "SHARED_FROM_SECONDS", 60.0)
    monkeypatch.setattr(parts.Shared, "_share", None)
    assert run_now(plan).state == Run.State.PUBLISHED


@pytest.mark.parametrize(
    ("place", "said"), [("ftp://host/x", "write the path of a folder, or s3"), ("s3://", "BUCKET")]
)
def test_another_kind_of_place_is_refused(place, said):
    with pytest.raises(ValueError, match=said):
        storage_of(place)


def test_files_are_private_and_whole_or_not_there(tmp_path, settings):
    settings.STORAGES = settings.STORAGES | {"artefacts": storage_of(str(tmp_path / "shared"))}
    name = artefacts.save("run/token", "digest", np.arange(3.0))
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert oct(file.stat().st_mode & 0o777) == "0o600"
    assert oct(file.parent.stat().st_mode & 0o777) == "0o700"
    assert artefacts.load(name).tolist() == [0, 1, 2]
    artefacts.remove("run")
    assert not list((tmp_path / "shared").iterdir())


def part_size(monkeypatch, seconds):
    """Of so many seconds a piece, how many pieces a part gets."""
    clock, left, cut = [0.0], iter(seconds), []

    def computed(*_):
        clock[0] += next(left)
        return b""

    monkeypatch.setattr(parts, "SHARED_FROM_SECONDS", 0.5)
    monkeypatch.setattr(parts, "PART_SECONDS", 0.15)
    monkeypatch.setattr(parts, "packed_result", computed)
    monkeypatch.setattr(parts, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(parts.Shared, "_share", lambda _self, _rest, n: cut.append(n) or [])
    parts.Shared(None, uuid.uuid4(), None, lambda: None).compute([None] * len(seconds))
    return cut


def test_a_piece_that_made_arrays_ready_does_not_say_how_long_the_others_take(monkeypatch):
    assert part_size(monkeypatch, [0.2] + [0.03] * 78) == [5]
    assert part_size(monkeypatch, [2.0] * 10) == [1]
    assert part_size(monkeypatch, [0.2] * 5) == [1]  # few: no second one is waited for
    assert part_size(monkeypatch, [0.2] + [0.001] * 20) == []
