"""Who may be used, on which day."""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from cohorts.errors import AlreadyWithdrawn
from cohorts.models import Change, Participant
from cohorts.services import books, consent, uploads
from tests.factories import SCOPES, ConsentFactory, ParticipantFactory

pytestmark = pytest.mark.django_db


def used(participant, on=None):
    day = on or timezone.localdate()
    return Participant.objects.filter(pk=participant.pk).consenting_to(SCOPES, day).exists()


def test_no_consent_on_record_means_no_use():
    assert not used(ParticipantFactory())


def test_a_consent_holds_from_the_day_it_was_signed():
    person = ConsentFactory(signed_on=date(2024, 6, 1)).participant
    assert not used(person, date(2024, 5, 31))
    assert used(person, date(2024, 6, 1))


def test_every_scope_that_the_plan_names_must_be_granted():
    person = ConsentFactory(scopes=["store_samples", "metabolomics"]).participant
    assert not used(person)


def test_a_later_consent_replaces_an_earlier_one():
    first = ConsentFactory(signed_on=date(2024, 1, 1))
    ConsentFactory(
        participant=first.participant, signed_on=date(2024, 6, 1), scopes=["store_samples"]
    )
    assert used(first.participant, date(2024, 5, 31))
    assert not used(first.participant, date(2024, 6, 1))


def test_a_participant_leaves_new_analyses_at_once_when_use_is_withdrawn():
    person = ConsentFactory().participant
    consent.withdraw(person.pk, level=3, by=None)
    assert not used(person)


@pytest.mark.parametrize("level", [1, 2])
def test_what_is_there_stays_in_use_where_only_contact_or_new_data_are_refused(level):
    person = ConsentFactory().participant
    consent.withdraw(person.pk, level=level, by=None)
    assert used(person)


def test_a_level_can_be_raised_and_not_lowered():
    person = ConsentFactory().participant
    consent.withdraw(person.pk, level=2, by=None)
    consent.withdraw(person.pk, level=3, by=None)
    with pytest.raises(
        AlreadyWithdrawn, match="a level can be raised, and lowering it is a new consent"
    ):
        consent.withdraw(person.pk, level=1, by=None)


def test_a_new_consent_ends_a_withdrawal():
    person = ConsentFactory().participant
    consent.withdraw(person.pk, level=3, by=None)
    consent.record_consent(
        person.pk,
        form=None,
        basis="signed again",
        signed_on=timezone.localdate() - timedelta(days=1),
        scopes=SCOPES,
        by=None,
    )
    assert used(person)


def test_a_withdrawal_is_a_change_of_its_site():
    person = ConsentFactory().participant
    consent.withdraw(person.pk, level=3, by=None)
    change = Change.objects.latest("pk")
    assert (change.kind, change.site) == ("withdrawal", person.site)


def test_an_expired_ethics_approval_stops_new_enrolment_and_not_old_data():
    person = ConsentFactory(participant__site__ethics_expires_on=date(2024, 12, 31)).participant
    head = "participant,sex,group,enrolled_on\n"
    rows = "N1,f,hikikomori,2025-01-01\nN2,f,hikikomori,2024-12-31\n"
    table = uploads.SentTable("participants", (head + rows).encode())
    (fault,) = uploads.check(table, books.facts_of(person.site), {}).report.faults
    assert (fault.row, fault.column) == (2, "enrolled_on")
    assert "is after the ethics approval of" in fault.message
    assert "nobody is enrolled without one" in fault.message
    assert used(person)
