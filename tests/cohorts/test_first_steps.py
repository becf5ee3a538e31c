"""What the start page says to do first, to whom, and for how long."""

from __future__ import annotations

import pytest

from cohorts.first_steps import first_steps
from cohorts.models import User
from tests.factories import ParticipantFactory, SiteFactory, user_with

pytestmark = pytest.mark.django_db


def addresses(user, *sites):
    user = User.objects.get(pk=user.pk)
    return [step.address for step in first_steps(user, list(sites))]


def test_an_administrator_of_an_empty_platform_adds_sites_and_then_invites():
    boss = user_with("AD")
    assert addresses(boss) == ["/admin/cohorts/site/add/", "/staff/"]
    site = SiteFactory()
    assert addresses(boss) == ["/staff/"]
    user_with("SC", site)
    assert addresses(boss) == []


def test_a_coordinator_begins_with_consent_forms_and_people():
    site = SiteFactory(code="FUK")
    nurse = user_with("SC", site)
    steps = ["/sites/FUK/consent-forms/", "/sites/FUK/enrol/", "/sites/FUK/upload/"]
    assert addresses(nurse, site) == steps
    ParticipantFactory(site=site)
    assert addresses(nurse, site) == []


def test_a_data_manager_alone_at_a_site_invites_and_a_laboratory_waits():
    site = SiteFactory()
    manager = user_with("SD", site)
    assert addresses(manager, site) == ["/staff/"]
    assert addresses(user_with("LT", site), site) == []
    assert addresses(manager, site) == []
