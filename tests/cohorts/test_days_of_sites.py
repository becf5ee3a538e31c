"""What is today where the site is: people write that down, whatever day the study has."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from cohorts import clock
from cohorts.errors import UnusableRequest
from cohorts.models import Consent, Withdrawal
from cohorts.services import consent, visits
from cohorts.services.tables import books
from tests.factories import ParticipantFactory, SiteFactory, user_with

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def test_sites_have_days_of_their_own():
    east, west = SiteFactory(time_zone="Etc/GMT-14"), SiteFactory(time_zone="Etc/GMT+12")
    assert clock.today_at(west) < clock.today_at(east)
    assert clock.today_at(west) <= clock.today() <= clock.today_at(east)


@pytest.fixture
def morning(monkeypatch):
    """Somebody at a site where it is a day later than in the study, as in Tokyo before nine."""
    person = ParticipantFactory(site=SiteFactory(time_zone="Asia/Tokyo"))
    here = clock.today_at(person.site)
    monkeypatch.setattr(clock, "today", lambda: here - DAY)
    return person, here


def test_a_withdrawal_is_told_by_the_day_at_its_site_and_in_force_at_once(morning, api):
    person, here = morning
    nurse = user_with("SC", person.site)
    told = consent.withdraw(person.pk, level=3, by=nurse)
    # Recorded before nine in Tokyo, when the study's day is the one before.
    early = datetime.combine(here, time(8), ZoneInfo("Asia/Tokyo"))
    Withdrawal.objects.filter(pk=told.pk).update(recorded_at=early)
    api.force_authenticate(nurse)
    (row,) = api.get("/api/v1/withdrawals").json()["results"]
    assert row["effective_on"] == f"{here}"
    assert consent.use_is_stopped(person)


def test_what_was_done_this_morning_is_recorded_this_morning(morning):
    person, here = morning
    nurse = user_with("SC", person.site)

    def records(day):
        said = {"form": None, "basis": "paper", "scopes": ["metabolomics"], "by": nurse}
        yield lambda: consent.record_consent(person.pk, signed_on=day, **said)
        yield lambda: visits.record_visit(person.pk, label="V1", on=day, by=nurse)
        yield lambda: visits.record_interview(
            person.pk, {"isolated_at_home": True}, on=day, by=nurse
        )

    for record in records(here + DAY):
        with pytest.raises(UnusableRequest, match="still to come: check the day"):
            record()
    for record in records(here):
        record()
    assert Consent.objects.get(participant=person).signed_on == here


def test_a_wish_to_stop_holds_at_once_where_it_is_still_yesterday(monkeypatch):
    person = ParticipantFactory(site=SiteFactory(time_zone="America/Los_Angeles"))
    here = clock.today_at(person.site)
    monkeypatch.setattr(clock, "today", lambda: here + DAY)
    consent.withdraw(person.pk, level=2, by=user_with("SC", person.site))
    assert books.facts_of(person.site).participants[person.code].withdrawal_level == 2
