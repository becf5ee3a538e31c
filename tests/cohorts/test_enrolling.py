"""Somebody new is enrolled by one form, under every rule that a table of participants obeys."""

from __future__ import annotations

from datetime import date

import pytest
from django.urls import reverse

from cohorts.models import Change, Consent, ConsentForm, Participant
from tests.factories import (
    ConsentFactory,
    ParticipantFactory,
    SampleFactory,
    SiteFactory,
    user_with,
)

pytestmark = pytest.mark.django_db

NEW = {"code": "FUK-014", "group": "hikikomori", "sex": "male", "enrolled_on": "2024-04-01"}
NEW |= {"birth_year": "1995", "drug_free": "true"}
SIGNED = {"signed_on": "2024-04-01", "basis": "signed on paper", "scopes": ["metabolomics"]}


@pytest.fixture
def site():
    return SiteFactory(code="FUK")


@pytest.fixture
def send(browse, site):
    """A function: send the form; the page as text, which is empty after a redirect."""
    nurse = browse(user_with("SC", site))
    return lambda **cells: nurse.post(reverse("enrol", args=["FUK"]), NEW | cells)


def test_a_person_and_a_consent_are_recorded_together(send, site):
    answer = send(**SIGNED)
    person = Participant.objects.get(site=site, code="FUK-014")
    assert answer.url == reverse("person", args=[person.pk])
    assert (person.sex, person.birth_year, person.drug_free) == ("male", 1995, True)
    consent = Consent.objects.get(participant=person)
    assert (consent.scopes, consent.signed_on) == (["metabolomics"], date(2024, 4, 1))
    assert set(Change.objects.values_list("kind", flat=True)) == {"participants", "consent"}


def test_without_a_consent_the_person_is_enrolled_alone(send, site):
    send()
    assert Participant.objects.filter(site=site).count() == 1
    assert not Consent.objects.exists()


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"code": "FUK-001"}, "is already on the books of FUK"),
        ({"enrolled_on": "2199-01-01"}, "is in the future; check the year"),
        ({"birth_year": "1995-03-02"}, "not a year; write the year of birth alone"),
        ({"age_years": "60"}, "does not fit an age"),
        ({"group": ""}, "This field is required."),
        ({"scopes": ["metabolomics"]}, "Give the day on which the consent was signed."),
        ({"signed_on": "2024-04-01", "basis": "paper"}, "Tick what the participant agreed to."),
        ({"signed_on": "2024-04-01", "scopes": ["metabolomics"]}, "or give the basis"),
    ],
)
def test_what_a_table_would_refuse_is_refused_beside_its_field(send, site, cells, words):
    ParticipantFactory(site=site, code="FUK-001")
    answer = send(**cells)
    assert answer.status_code == 422
    assert words in answer.text.replace("&quot;", '"')
    assert Participant.objects.count() == 1


def test_a_form_that_was_not_there_to_be_signed_leaves_nobody_enrolled(send, site):
    form = ConsentForm.objects.create(
        site=site, version="2.0", valid_from=date(2025, 1, 1), offered_scopes=["metabolomics"]
    )
    answer = send(signed_on="2024-04-01", form=form.pk, scopes=["metabolomics"])
    assert "it was not signed on 2024-04-01" in answer.text
    assert not Participant.objects.exists()


def test_the_list_of_people_tells_consent_and_tubes_and_finds_a_group(browse, site):
    usable = ParticipantFactory(site=site, code="FUK-001")
    ConsentFactory(participant=usable)
    SampleFactory(participant=usable)
    ParticipantFactory(site=site, code="FUK-002", group="healthy_control")
    nurse = browse(user_with("SC", site))
    page = nurse.get(reverse("people", args=["FUK"])).text
    assert "usable" in page
    assert "no consent" in page
    only = nurse.get(reverse("people", args=["FUK"]) + "?group=healthy_control").text
    assert "FUK-002" in only
    assert "FUK-001" not in only
