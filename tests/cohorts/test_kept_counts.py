"""Numbers of sites are kept, and never shown when they do not hold any more."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from redis.exceptions import ConnectionError as NoConnection

from cohorts import access, clock, kept_counts
from cohorts.overview import counts_of
from cohorts.services import consent
from tests.factories import (
    ConsentFactory,
    ParticipantFactory,
    SampleFactory,
    SiteFactory,
    user_with,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def site():
    here = SiteFactory(code="FUK")
    person = ConsentFactory(participant=ParticipantFactory(site=here)).participant
    SampleFactory(participant=person)
    return here


def numbers(site):
    found = kept_counts.counted([site])[site.pk]
    return (sum(n for _, n in found.groups), found.gaps.n, found.n_samples, found.n_batches)


def test_a_site_is_counted_once_while_nothing_is_written_there(site):
    assert numbers(site) == (1, 0, 1, 0)
    other = SampleFactory()
    with CaptureQueriesContext(connection) as seen:
        assert numbers(site) == (1, 0, 1, 0)
    assert len(seen) == 2  # which day it is, and what was written last
    assert numbers(other.site) == (1, 1, 1, 0)


def test_people_tubes_and_withdrawals_are_seen_at_once(site):
    assert numbers(site) == (1, 0, 1, 0)
    ParticipantFactory(site=site)
    assert numbers(site) == (2, 1, 1, 0)
    person = site.participants.earliest("pk")
    SampleFactory(participant=person)
    assert numbers(site) == (2, 1, 2, 0)
    nurse = user_with("SC", site)
    consent.withdraw(person.pk, level=3, by=nurse)
    assert numbers(site) == (2, 2, 2, 0)


def test_a_day_that_begins_is_counted_anew(site, monkeypatch):
    numbers(site)
    tomorrow = clock.today() + timedelta(days=1)
    monkeypatch.setattr(clock, "today", lambda: tomorrow)
    assert kept_counts.count_ahead() > 0
    while kept_counts.count_ahead():
        pass  # some at once
    with CaptureQueriesContext(connection) as seen:
        assert numbers(site) == (1, 0, 1, 0)
    assert len(seen) == 1  # the day is ours


def test_without_valkey_every_site_is_counted(site, monkeypatch):
    def silent(*args, **kwargs):
        raise NoConnection

    monkeypatch.setattr(cache, "get_many", silent)
    monkeypatch.setattr(cache, "set", silent)
    assert numbers(site) == (1, 0, 1, 0)


def test_the_consortium_asks_as_often_for_many_sites_as_for_few(site):
    manager = user_with("CD")

    def asked(sites):
        counts_of(sites, manager)
        with access.one_request(), CaptureQueriesContext(connection) as seen:
            counts_of(sites, manager)
        return len(seen)

    few = asked([site])
    assert asked([site, *(SiteFactory() for _ in range(4))]) == few


def test_an_analyst_reads_no_numbers_of_people(site):
    (told,) = counts_of([site], user_with("CA"))
    assert (told.n_participants, told.gaps, told.n_samples) == (None, None, None)
