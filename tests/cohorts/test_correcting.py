"""A participant's record is corrected with a reason; what stood there before stays readable."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.utils import timezone

from cohorts.errors import ChangedMeanwhile, NotAllowed, UnusableRequest
from cohorts.models import Change, Withdrawal
from cohorts.services import enrolment
from cohorts.services.audit import history
from tests.factories import ParticipantFactory, SiteFactory, user_with

pytestmark = pytest.mark.django_db
STILL_TO_COME = timezone.localdate() + timedelta(days=2)  # at every site


@pytest.fixture
def person():
    return ParticipantFactory(code="FUK-014", sex="male", birth_year=1990, age_years=None)


@pytest.fixture
def nurse(person):
    return user_with("SC", person.site)


def corrected(person, nurse, *, reason="read from the wrong line", version=None, **changes):
    return enrolment.correct(
        person.pk, changes, reason=reason, by=nurse, version=version or person.version
    )


def test_a_correction_is_a_new_version_with_its_reason(person, nurse):
    done = corrected(person, nurse, sex="female")
    assert (done.sex, done.version) == ("female", 2)
    newest, first = history.past_of(done)
    assert newest.changed == (("sex", "male", "female"),)
    assert (newest.by, newest.reason, newest.version) == (
        nurse.username, "read from the wrong line", 2,
    )  # fmt: skip
    assert ("sex", None, "male") in first.changed
    change = Change.objects.latest("pk")
    assert (change.kind, change.site, change.counts) == (
        "participants",
        person.site,
        {"corrected": 1},
    )


def test_whoever_was_slower_looks_again(person, nurse):
    corrected(person, nurse, sex="female")
    with pytest.raises(
        ChangedMeanwhile, match=r"it is version 2, you have seen 1.*look at it again"
    ):
        corrected(person, nurse, birth_year=1980)
    person.refresh_from_db()
    assert person.birth_year == 1990


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"code": "FUK-015"}, "enrol under the right code and merge the two"),
        ({"site_id": 1}, "'site_id' is not corrected here"),
        ({"sex": "male"}, "Nothing would change"),
        ({}, "Nothing would change"),
        ({"group": "patients"}, "'patients' is not a group of this study; the groups are"),
        ({"birth_year": 2030}, "outside 0 to 120 years: check both years"),
        ({"birth_year": 1890}, "outside 0 to 120 years: check both years"),
        ({"enrolled_on": STILL_TO_COME}, "is still to come: check it"),
        ({"drug_free": True, "washout_on": STILL_TO_COME}, "The washout date .* is still to come"),
        ({"washout_on": date(2024, 1, 1)}, "belongs to somebody who is drug-free"),
        ({"age_years": 130.0}, "Age is in years, 0 to 120"),
        ({"sex": "m"}, "not a valid choice"),
    ],
)
def test_a_correction_that_breaks_a_rule_is_refused_in_words(person, nurse, changes, words):
    with pytest.raises(UnusableRequest, match=words):
        corrected(person, nurse, **changes)
    person.refresh_from_db()
    assert person.version == 1


def test_a_correction_has_a_reason(person, nurse):
    with pytest.raises(UnusableRequest, match="Say why the record is corrected"):
        corrected(person, nurse, reason=" ", sex="female")


def test_whoever_asked_to_be_erased_is_not_corrected(person, nurse):
    Withdrawal.objects.create(participant=person, level=4, effective_on=timezone.localdate())
    with pytest.raises(UnusableRequest, match="has asked to be erased"):
        corrected(person, nurse, sex="female")


@pytest.mark.parametrize("role", ["LT", "AU", "CD", "elsewhere"])
def test_only_the_sites_own_people_correct(person, role):
    sites = {"CD": None, "elsewhere": SiteFactory()}
    somebody = user_with(role.replace("elsewhere", "SC"), sites.get(role, person.site))
    with pytest.raises(NotAllowed, match="does not correct participants"):
        corrected(person, somebody, sex="female")


def test_the_api_corrects_and_tells_what_was_there(person, nurse, api):
    api.force_authenticate(nurse)
    path = f"/api/v1/participants/{person.pk}"
    body = {"version": 1, "reason": "typed twice", "changes": {"birth_year": 1991}}
    done = api.post(f"{path}/correct", body, format="json")
    assert (done.status_code, done.json()["version"]) == (200, 2)
    late = api.post(f"{path}/correct", body, format="json")
    assert (late.status_code, late.json()["code"]) == (409, "changed_meanwhile")
    told = api.get(f"{path}/history")
    assert told.json()[0]["changed"] == [{"field": "birth_year", "was": 1990, "became": 1991}]
    assert told.json()[0]["reason"] == "typed twice"
    assert api.get(f"{path}/history")["ETag"] == told["ETag"]
    unknown = body | {"version": 2, "changes": {"shoe_size": 44}}
    assert (
        "is not corrected here"
        in api.post(f"{path}/correct", unknown, format="json").json()["detail"]
    )
    no_changes = api.post(f"{path}/correct", {"version": 1, "reason": "x"}, format="json")
    assert no_changes.json()["errors"][0]["pointer"] == "/changes"


def test_the_page_corrects_and_shows_what_was_there(person, nurse, browse):
    client = browse(nurse)
    said = {
        "sex": "female", "group": "hikikomori", "enrolled_on": "2024-04-01", "birth_year": "1990",
        "version": "1", "reason": "",
    }  # fmt: skip
    page = client.post(f"/participants/{person.pk}/correct/", said)
    assert page.status_code == 422
    assert "Say why the record is corrected." in page.content.decode()
    page = client.post(
        f"/participants/{person.pk}/correct/", said | {"reason": "slip"}, follow=True
    )
    text = page.content.decode()
    assert "FUK-014 is corrected: this is version 2." in text
    assert "Sex: male → female" in text
    late = client.post(f"/participants/{person.pk}/correct/", said | {"reason": "slip"})
    assert "look at it again" in late.content.decode()
    assert (
        "FUK-014" in client.get(f"/sites/{person.site.code}/participants/?q=fuk").content.decode()
    )
