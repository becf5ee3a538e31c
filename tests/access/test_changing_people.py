"""People, consents, erasures and exports are changed by those who may."""

from __future__ import annotations

import pytest

from cohorts import models
from tests.access.table import (
    CONSENTERS,
    CORRECTORS,
    ERASURE_APPROVERS,
    ERASURE_ASKERS,
    ERASURE_STOPPERS,
    EXPORT_APPROVERS,
    EXPORT_ASKERS,
    LINKERS,
    MOVERS,
    READERS,
    WITHDRAWERS,
)
from tests.access.world import EVERYBODY, api_of, outcome

pytestmark = pytest.mark.django_db


# Tables that the check refuses for what they lack; only those who may send one come that far.
@pytest.mark.parametrize("who", EVERYBODY, ids=str)
@pytest.mark.parametrize("place", ["own", "other"])
def test_withdrawals_are_recorded_by_those_who_may(who, place, world):
    person = world.people[place]
    body = {"site": world.sites[place].code, "participant": person.code, "level": 2}
    answer = api_of(who, world).post("/api/v1/withdrawals", body, format="json")
    expected = outcome(who, WITHDRAWERS, place)
    assert answer.status_code == (201 if expected == 200 else expected)
    assert person.withdrawals.filter(level=2).exists() == (expected == 200)


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
@pytest.mark.parametrize("place", ["own", "other"])
def test_participants_are_corrected_by_those_who_may(who, place, world):
    client, person = api_of(who, world), world.people[place]
    path = f"/api/v1/participants/{person.pk}"
    body = {"version": 1, "reason": "a slip", "changes": {"birth_year": 1990}}
    corrected = client.post(f"{path}/correct", body, format="json").status_code
    assert corrected == outcome(who, CORRECTORS, place)
    merge = {"other": person.code, "reason": "one card"}
    merged = client.post(f"{path}/merge", merge, format="json").status_code
    # Refused as one record by the service: only those who may come that far.
    expected = outcome(who, CORRECTORS, place)
    assert merged == (400 if expected == 200 else expected)
    linked = client.post(f"{path}/same-person", {"reason": "one card"}, format="json").status_code
    assert linked == (400 if who.holds(LINKERS) else outcome(who, LINKERS, place))
    moving = f"/api/v1/transfers/{world.keys['transfers'][place]}"
    body = {"code": "NEW-1", "on": "2024-06-01"}
    for verb, refused in (("accept", 200), ("call-off", 400)):
        status = client.post(f"{moving}/{verb}", body, format="json").status_code
        expected = outcome(who, MOVERS, place)
        assert status == (refused if expected == 200 else expected), verb
    move = {"site": world.sites[place].code, "participant": person.code, "to_site": "?"}
    asked = client.post("/api/v1/transfers", move | {"reason": "a new home"}, format="json")
    expected = outcome(who, MOVERS, place)
    assert asked.status_code == (400 if expected == 200 else expected)
    for part, sent in (("visits", {"label": "V", "on": "?"}), ("interviews", {"on": "?"})):
        read = client.get(f"{path}/{part}").status_code
        assert read == outcome(who, READERS["assessments"], place), part
        status = client.post(f"{path}/{part}", sent, format="json").status_code
        expected = outcome(who, CONSENTERS, place)
        assert status == (400 if expected == 200 else expected), part
    assessment = f"/api/v1/assessments/{world.keys['assessments'][place]}"
    read = client.get(f"{assessment}/comparison").status_code
    assert read == outcome(who, READERS["assessments"], place)
    for verb in ("second-entry", "settle"):
        status = client.post(f"{assessment}/{verb}", {}, format="json").status_code
        expected = outcome(who, CORRECTORS, place)
        assert status == (400 if expected == 200 else expected), verb
    read = client.get(f"{path}/history").status_code
    assert read == outcome(who, READERS["participants"], place)


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
@pytest.mark.parametrize("place", ["own", "other"])
def test_erasures_are_asked_for_approved_and_stopped_by_those_who_may(who, place, world):
    person, client = world.people[place], api_of(who, world)
    body = {"site": world.sites[place].code, "participant": person.code}
    answer = client.post("/api/v1/erasures", body, format="json")
    expected = outcome(who, ERASURE_ASKERS, place)
    assert answer.status_code == (201 if expected == 200 else expected)
    assert person.erasures.open().exists() == (expected == 200)
    person.erasures.open().delete()
    asker = models.User.objects.get(username=f"asks at {world.sites[place].code}")
    asked = models.Erasure.objects.create(
        site=world.sites[place], participant=person, requested_by=asker
    )
    for verb, roles in (("approve", ERASURE_APPROVERS), ("stop", ERASURE_STOPPERS)):
        path = f"/api/v1/erasures/{asked.pk}/{verb}"
        status = client.post(path, {"reason": "asked to wait"}, format="json").status_code
        assert status == outcome(who, roles, place), verb


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
@pytest.mark.parametrize("place", ["own", "other"])
def test_consent_forms_are_registered_and_corrected_by_those_who_record_consents(who, place, world):
    client, expected = api_of(who, world), outcome(who, CONSENTERS, place)
    said = {"offered_scopes": ["metabolomics"], "document_sha256": "0" * 64}
    body = {"site": world.sites[place].code, "version": "8", "language": "ja", **said}
    answer = client.post("/api/v1/consent-forms", body, format="json")
    assert answer.status_code == (201 if expected == 200 else expected)
    route = f"/api/v1/consent-forms/{world.keys['consent-forms'][place]}/correct"
    assert client.post(route, {**said, "reason": "x"}, format="json").status_code == expected


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
@pytest.mark.parametrize("place", ["own", "other"])
def test_consents_are_corrected_by_those_who_record_them(who, place, world):
    path = f"/api/v1/consents/{world.keys['consents'][place]}/correct"
    body = {"version": 1, "reason": "a slip", "changes": {"signed_on": "2024-03-31"}}
    answer = api_of(who, world).post(path, body, format="json")
    assert answer.status_code == outcome(who, CONSENTERS, place)


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
@pytest.mark.parametrize("place", ["own", "other"])
def test_exports_are_asked_for_decided_and_taken_by_those_who_may(who, place, world):
    client, site = api_of(who, world), world.sites[place]
    body = {"site": site.code, "format": "redcap", "recipient": "a registry", "reason": "yearly"}
    answer = client.post("/api/v1/exports", body | {"recipient_country": "JP"}, format="json")
    expected = outcome(who, EXPORT_ASKERS, place)
    assert answer.status_code == (201 if expected == 200 else expected)
    if expected == 200:
        assert answer.json()["needs_approval"] == (who.role == "CD")
    one = f"/api/v1/exports/{world.keys['exports'][place]}"
    # Somebody else's: whoever may export at all is told whose it is to take.
    taken = client.get(f"{one}/file").status_code
    assert taken == (403 if expected == 200 else expected)
    for verb in ("approve", "refuse"):
        models.ExportRequest.objects.filter(pk=world.keys["exports"][place]).update(
            approved=None, decided_by=None, decided_at=None
        )
        status = client.post(f"{one}/{verb}", {"note": "not now"}, format="json").status_code
        assert status == outcome(who, EXPORT_APPROVERS, place), verb
