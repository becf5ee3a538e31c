"""A correction over the API names the state of the record that was seen."""

from __future__ import annotations

import pytest

from cohorts.api import preconditions
from cohorts.services import enrolment
from tests.factories import ParticipantFactory, user_with

pytestmark = pytest.mark.django_db
SAID = {"reason": "typed twice", "changes": {"birth_year": 1991}}


@pytest.fixture
def person():
    return ParticipantFactory(birth_year=1990)


@pytest.fixture
def nurse(person, api):
    api.force_authenticate(user_with("SC", person.site))
    return api


def correct(nurse, person, body=SAID, **headers):
    path = f"/api/v1/participants/{person.pk}/correct"
    answer = nurse.post(path, body, format="json", headers=headers)
    person.refresh_from_db()
    return answer


def tag_of(nurse, person):
    return nurse.get(f"/api/v1/participants/{person.pk}")["ETag"]


def test_the_etag_that_was_read_lets_the_correction_through_once(nurse, person):
    tag = tag_of(nurse, person)
    assert (
        nurse.get(f"/api/v1/participants/{person.pk}", headers={"If-None-Match": tag}).status_code
        == 304
    )
    assert correct(nurse, person, **{"If-Match": tag}).status_code == 200
    assert (person.birth_year, person.version) == (1991, 2)
    late = correct(nurse, person, SAID | {"changes": {"birth_year": 1992}}, **{"If-Match": tag})
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    assert "read it again, then correct it" in late.json()["detail"]
    assert person.birth_year == 1991


@pytest.mark.parametrize(("named", "status"), [("If-Match", 412), ("version", 409)])
def test_who_loses_to_a_faster_one_is_told_by_what_named_the_state(
    nurse, person, monkeypatch, named, status
):
    look = preconditions.version_seen

    def and_then_somebody_else(request, in_body, current):
        seen = look(request, in_body, current)
        enrolment.correct(
            person.pk, {"birth_year": 1970}, reason="faster", by=request.user, version=current
        )
        return seen

    monkeypatch.setattr(preconditions, "version_seen", and_then_somebody_else)
    tag = tag_of(nurse, person)
    body, headers = (
        (SAID, {"If-Match": tag}) if named == "If-Match" else (SAID | {"version": 1}, {})
    )
    assert correct(nurse, person, body, **headers).status_code == status
    assert (person.birth_year, person.version) == (1970, 2)


@pytest.mark.parametrize("headers", [{}, {"If-Match": "*"}])
def test_a_correction_that_names_no_state_is_refused(nurse, person, headers):
    answer = correct(nurse, person, **headers)
    assert (answer.status_code, answer.json()["code"]) == (428, "precondition_required")
    assert "send the ETag that you have read as If-Match" in answer.json()["detail"]
    assert person.birth_year == 1990


@pytest.mark.parametrize("held", ['"v7-00ff"', "W/{tag}", '"something else"', "v1", '"v01-00ff"'])
def test_another_etag_than_the_records_own_is_refused(nurse, person, held):
    held = held.format(tag=tag_of(nurse, person))
    assert correct(nurse, person, **{"If-Match": held}).status_code == 412
    assert person.version == 1


def test_a_version_in_the_body_does_too_and_does_not_contradict_the_etag(nurse, person):
    tag = tag_of(nurse, person)
    assert correct(nurse, person, SAID | {"version": 9}, **{"If-Match": tag}).status_code == 412
    assert correct(nurse, person, SAID | {"version": 9}).status_code == 409
    assert correct(nurse, person, SAID | {"version": 1}).status_code == 200
