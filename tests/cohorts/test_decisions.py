"""The start page says what waits for whom."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from cohorts.decisions import waiting_for
from cohorts.models import Destruction, DictionaryEdit, Shipment
from cohorts.services.erasing import erasure
from tests.factories import ParticipantFactory, SampleFactory, SiteFactory, user_with

pytestmark = pytest.mark.django_db


def words(user) -> list[tuple[str, str]]:
    return [(each.site, each.words) for each in waiting_for(user)]


def test_an_erasure_waits_for_the_data_manager_of_its_site_and_for_nobody_who_asked():
    site, other = SiteFactory(code="FUK"), SiteFactory(code="TYO")
    nurse, manager = user_with("SC", site), user_with("SD", site)
    erasure.request(ParticipantFactory(site=site).pk, by=nurse)
    assert words(manager) == [("FUK", "1 erasure to approve")]
    assert words(user_with("CD")) == [("FUK", "1 erasure to approve")]
    assert words(nurse) == words(user_with("SD", other)) == []


def test_a_tube_to_destroy_waits_for_the_laboratory_and_a_shipment_for_whom_it_goes_to():
    here, there = SiteFactory(code="FUK"), SiteFactory(code="TYO")
    Destruction.objects.create(site=here, sample=SampleFactory(site=here), cause="withdrawal")
    Shipment.objects.create(from_site=there, to_site=here, courier="Yamato", sent_at=timezone.now())
    assert words(user_with("LT", here)) == [
        ("FUK", "1 tube to destroy"),
        ("FUK", "1 shipment to receive"),
    ]
    assert words(user_with("LT", there)) == words(user_with("SD", here)) == []


def test_the_start_page_leads_to_an_edit_that_somebody_else_proposed(client):
    steward = user_with("CD")
    DictionaryEdit.objects.create(
        kind="change",
        subject="feature",
        subject_id=1,
        label="uric acid",
        was={"hmdb": ""},
        becomes={"hmdb": "HMDB0000289"},
        reason="looked up",
        proposed_by=steward,
    )
    client.force_login(steward)
    assert "Waits for you" not in client.get("/").content.decode()
    client.force_login(user_with("CD"))
    page = client.get("/").content.decode()
    assert "1 edit of the dictionary to approve" in page
    assert f'href="{reverse("dictionary-edits")}"' in page
