"""Four eyes and a wait: nothing is removed before both, and every use stops at once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from analysis import tasks
from analysis.services import erasures
from cohorts.errors import NotAllowed, RefusedErasure, UnusableRequest
from cohorts.models import (
    Erasure,
    Participant,
    Withdrawal,
)
from cohorts.services import consent
from cohorts.services.erasing import erasure
from tests.cohorts.erasing.canaries import (
    CANARY,
    erased,
    traces,
)
from tests.factories import user_with

pytestmark = pytest.mark.django_db


def test_every_use_stops_when_the_erasure_is_asked_for(canary, people):
    erasure.request(canary.pk, by=people[0])
    assert Withdrawal.objects.get(participant=canary).level == Withdrawal.Level.ERASE
    usable = Participant.objects.consenting_to(["metabolomics"], timezone.localdate())
    assert canary not in usable
    assert Participant.objects.filter(pk=canary.pk).exists()


def test_whoever_asked_does_not_approve(canary, people, site):
    both = people[0]
    both.memberships.create(site=site, role="SD")
    asked = erasure.request(canary.pk, by=both)
    with pytest.raises(RefusedErasure, match="somebody else must approve it"):
        erasure.approve(asked.pk, by=both)
    with pytest.raises(IntegrityError), transaction.atomic():
        Erasure.objects.filter(pk=asked.pk).update(approved_by=both, approved_at=timezone.now())


@pytest.mark.parametrize("role", ["LT", "AU", "SC"])
def test_only_data_managers_approve(canary, people, site, role):
    asked = erasure.request(canary.pk, by=people[0])
    with pytest.raises(NotAllowed, match="does not approve"):
        erasure.approve(asked.pk, by=user_with(role, site))


def test_a_data_manager_does_not_ask(canary, people):
    with pytest.raises(NotAllowed, match="does not ask"):
        erasure.request(canary.pk, by=people[1])
    assert not Withdrawal.objects.exists()


def test_one_erasure_of_a_participant_is_open_at_a_time(canary, people, site):
    erasure.request(canary.pk, by=people[0])
    with pytest.raises(RefusedErasure, match="open already"):
        erasure.request(canary.pk, by=people[0])
    with pytest.raises(ValidationError, match="open already"):
        Erasure(site=site, participant=canary, requested_by=people[1]).full_clean()


def test_nothing_is_removed_before_the_wait_is_over(canary, people, store):
    assert erased(canary, people, hours=23.9).state == "approved"
    assert traces(CANARY, store)
    assert Participant.objects.filter(pk=canary.pk).exists()


def test_nothing_is_removed_without_approval(canary, people):
    asked = erasure.request(canary.pk, by=people[0])
    assert erasures.execute_due(timezone.now() + timedelta(days=90)) == 0
    with pytest.raises(IntegrityError), transaction.atomic():
        Erasure.objects.filter(pk=asked.pk).update(executed_at=timezone.now())


def test_a_stopped_erasure_is_never_carried_out(canary, people):
    asked = erasure.request(canary.pk, by=people[0])
    erasure.approve(asked.pk, by=people[1])
    with pytest.raises(UnusableRequest, match="Say why"):
        erasure.stop(asked.pk, by=people[0], reason=" ")
    erasure.stop(asked.pk, by=people[0], reason="she asked to wait")
    assert erasures.execute_due(timezone.now() + timedelta(days=9)) == 0
    with pytest.raises(RefusedErasure, match="is stopped"):
        erasure.approve(asked.pk, by=user_with("CD"))
    # The withdrawal stands, so that it can be asked for again.
    assert erasure.request(canary.pk, by=people[0]).state == "requested"


def test_a_consent_signed_during_the_wait_stops_the_erasure(canary, people):
    asked = erasure.request(canary.pk, by=people[0])
    erasure.approve(asked.pk, by=people[1])
    consent.record_consent(
        canary.pk, form=None, basis="signed anew", signed_on=timezone.localdate(),
        scopes=["metabolomics"], by=None,
    )  # fmt: skip
    erasures.execute_due(timezone.now() + timedelta(hours=25))
    asked.refresh_from_db()
    assert (asked.state, asked.reason) == ("stopped", "A consent was signed after the request.")
    assert Participant.objects.filter(pk=canary.pk).exists()


def test_the_sweep_carries_out_what_is_due(canary, people, settings):
    settings.ERASURE_GRACE = timedelta(0)
    asked = erasure.request(canary.pk, by=people[0])
    erasure.approve(asked.pk, by=people[1])
    tasks.sweep()
    assert not Participant.objects.filter(code=CANARY).exists()
