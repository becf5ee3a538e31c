"""The ledger erases again what a restore brought back."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.core.management import call_command

from analysis.models import StepResult
from analysis.services import erasures
from cohorts.models import (
    Erasure,
    Participant,
    Tombstone,
)
from cohorts.services.erasing import ledger
from tests.cohorts.erasing.canaries import (
    CANARY,
    PEOPLE,
    erased,
    send,
)
from tests.factories import ParticipantFactory, user_with

pytestmark = pytest.mark.django_db


def test_an_erased_code_is_not_enrolled_anew_by_a_changed_file(canary, people, site):
    erased(canary, people)
    changed = PEOPLE.replace("27,1.0", "28,1.0").replace("A003", "A004")
    (fault,) = [
        f for f in send(site, "participants", changed).report["faults"] if CANARY in f["text"]
    ]
    assert f'"{CANARY}" is not a participant of FUK and cannot be enrolled' in fault["text"]
    assert not Participant.objects.filter(code=CANARY).exists()


def test_a_restored_person_is_erased_again_from_the_ledger(canary, people, store, capsys):
    erased(canary, people)
    stone = Tombstone.objects.get()
    line = settings.ERASURE_LEDGER.read_text()
    assert CANARY not in line
    # As a backup of before would be: the person is there, and no tombstone.
    Tombstone.objects.all().delete()
    Erasure.objects.all().delete()
    back = ParticipantFactory(site=canary.site, code=CANARY)
    ParticipantFactory(site=canary.site, code=f"{CANARY}1")
    Erasure.objects.create(
        site=back.site, participant=back, requested_by=user_with("SC", back.site)
    )
    kept = {"kind": "frozen forest", "payload": b"", "participant_ids": [back.pk]}
    StepResult.objects.create(study=canary.site.study, digest="d", **kept)
    call_command("replay_erasures")
    assert "1 of the ledger were in this database" in capsys.readouterr().out
    assert not Participant.objects.filter(pk=back.pk).exists()
    assert not StepResult.objects.exists()  # a backup brings back the models that saw them
    assert Participant.objects.filter(code=f"{CANARY}1").exists()
    assert Tombstone.objects.get().pk == stone.pk
    stopped, done = Erasure.objects.order_by("pk")
    assert (stopped.reason, done.replayed) == ("Carried out again from the ledger.", True)
    call_command("replay_erasures")
    assert "0 of the ledger were in this database" in capsys.readouterr().out


def test_a_damaged_ledger_stops_the_replay(site, capsys):
    settings.ERASURE_LEDGER.write_text("{}\n")
    with pytest.raises(SystemExit):
        call_command("replay_erasures")
    assert "line 1: not a line of the ledger of erasures" in capsys.readouterr().err


def test_the_ledger_keeps_the_tombstone_of_somebody_whom_the_backup_lacks(canary, people):
    erased(canary, people)
    Tombstone.objects.all().delete()
    assert erasures.replay() == (0, 1)
    assert ledger.erased_at(canary.site)(CANARY)
