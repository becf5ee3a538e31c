"""A version of a consent form is registered with its document, and put right with the reason."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from cohorts.errors import NotAllowed, UnusableRequest
from cohorts.models import Change, Consent, ConsentForm
from cohorts.services import consent, consent_forms
from cohorts.services.consent_forms import Version
from tests.factories import SCOPES, ParticipantFactory, SiteFactory, user_with

pytestmark = pytest.mark.django_db
DOCUMENT = b"%PDF-1.7 what people sign"
SHA = hashlib.sha256(DOCUMENT).hexdigest()
SAID = Version("2.0", "ja", date(2024, 1, 1), date(2030, 12, 31), SCOPES, SHA)


@pytest.fixture
def site():
    return SiteFactory(code="FUK")


@pytest.fixture
def nurse(site):
    return user_with("SC", site)


def signed(site, form, nurse, on=date(2024, 5, 1)):
    person = ParticipantFactory(site=site)
    said = {"form": form, "basis": "", "signed_on": on, "scopes": SCOPES, "by": nurse}
    return consent.record_consent(person.pk, **said)


def test_a_version_is_registered_with_its_window_its_scopes_and_its_document(site, nurse):
    form = consent_forms.register(site, SAID, by=nurse)
    assert (form.valid_until, form.document_sha256) == (date(2030, 12, 31), SHA)
    assert Change.objects.get().kind == "consent"
    with pytest.raises(UnusableRequest, match="was not signed on 2023-12-31"):
        signed(site, form, nurse, on=date(2023, 12, 31))


def test_a_version_that_a_table_had_named_is_filled_in_once(site, nurse):
    opened = ConsentForm.objects.create(site=site, version="2.0", language="ja")
    assert consent_forms.register(site, SAID, by=nurse).pk == opened.pk
    with pytest.raises(UnusableRequest, match=r"FUK has version 2\.0 in that language already"):
        consent_forms.register(site, SAID, by=nurse)


def test_ending_a_version_takes_its_consents_out_of_force_and_the_next_is_signed(site, nurse):
    form = consent_forms.register(site, SAID, by=nurse)
    signed(site, form, nurse)
    said = replace(SAID, valid_until=date(2024, 6, 30))
    consent_forms.correct(form.pk, said, reason="a new version is approved", by=nurse)
    assert not Consent.objects.in_force(timezone.localdate()).exists()
    assert Consent.objects.in_force(date(2024, 6, 30)).exists()
    assert form.events.last().pgh_context["reason"] == "a new version is approved"


@pytest.mark.parametrize(
    ("said", "reason", "sentence"),
    [
        (replace(SAID, valid_until=date(2023, 1, 1)), "x", "ends before it begins: check both"),
        (
            replace(SAID, valid_from=date(2024, 6, 1)),
            "x",
            "these days 1 were signed on this form",
        ),
        (
            replace(SAID, offered_scopes=SCOPES[:1]),
            "x",
            "A scope that is not ticked is granted on",
        ),
        (replace(SAID, offered_scopes=[]), "x", "A form offers at least one scope"),
        (SAID, " ", "Say why the record is corrected"),
    ],
)
def test_what_was_signed_already_is_not_contradicted(site, nurse, said, reason, sentence):
    form = consent_forms.register(site, SAID, by=nurse)
    signed(site, form, nurse)
    with pytest.raises(UnusableRequest, match=sentence):
        consent_forms.correct(form.pk, said, reason=reason, by=nurse)
    form.refresh_from_db()
    assert (form.valid_from, form.valid_until) == (SAID.valid_from, SAID.valid_until)


def test_a_version_without_its_document_or_by_others_is_refused(site, nurse):
    with pytest.raises(UnusableRequest, match="Choose the document that people sign"):
        consent_forms.register(site, replace(SAID, document_sha256=""), by=nurse)
    with pytest.raises(NotAllowed, match="Your role at FUK does not register consent forms"):
        consent_forms.register(site, SAID, by=user_with("SD", site))


def test_the_pages_register_and_correct(site, nurse, browse):
    page, path = browse(nurse), "/sites/FUK/consent-forms/"
    form = {"version": "2.0", "language": "ja", "valid_from": "2024-01-01", "scopes": SCOPES}
    assert "Choose the document" in page.post(path, form).content.decode()
    form["document"] = SimpleUploadedFile("form.pdf", DOCUMENT)
    assert "Registered: version 2.0." in page.post(path, form, follow=True).content.decode()
    kept = ConsentForm.objects.get()
    assert kept.document_sha256 == SHA
    one = f"/consent-forms/{kept.pk}/"
    said = {"valid_from": "2024-01-01", "valid_until": "2025-01-01", "scopes": SCOPES}
    shown = page.post(one, said | {"reason": "approved until then"}, follow=True).content.decode()
    assert "Version 2.0 is corrected." in shown
    assert "approved until then" in shown
    assert page.get(path).content.decode().count("lapsed") == 1
    manager = browse(user_with("SD", site))
    assert manager.get(one).status_code == 200
    assert manager.post(one, said).status_code == 403
    assert browse(user_with("SC", SiteFactory())).get(one).status_code == 404


def test_the_only_version_that_can_be_signed_today_is_chosen_already(client):
    site = SiteFactory(code="FUK")
    client.force_login(user_with("SC", site))
    ended = timezone.localdate() - timedelta(days=1)
    ConsentForm.objects.create(site=site, version="1.0", valid_until=ended)
    now = ConsentForm.objects.create(site=site, version="2.0")
    for page in ("/sites/FUK/consent/", "/sites/FUK/enrol/"):
        assert f'<option value="{now.pk}" selected>' in client.get(page).text
    # It says nothing by itself: somebody without a consent is enrolled without one.
    said = {"code": "FUK-001", "sex": "female", "group": "hikikomori", "enrolled_on": "2024-04-01"}
    assert client.post("/sites/FUK/enrol/", said | {"form": now.pk}).status_code == 302
    assert not Consent.objects.exists()
    ParticipantFactory(site=site, code="FUK-002")
    paper = {"participant": "FUK-002", "signed_on": "2024-04-01", "scopes": ["store_samples"]}
    both = client.post("/sites/FUK/consent/", paper | {"form": now.pk, "basis": "a letter"})
    assert "or the basis where none was: not both" in both.text
    assert not Consent.objects.exists()
    # Of two that can be signed, somebody chooses.
    other = ConsentForm.objects.create(site=site, version="2.1")
    page = client.get("/sites/FUK/consent/").text
    assert not any(f'<option value="{each.pk}" selected>' in page for each in (now, other))


def test_the_api_registers_and_corrects_as_the_pages_do(site, nurse, api):
    api.force_authenticate(nurse)
    body = {
        "site": "FUK", "version": "2.0", "language": "ja", "valid_from": "2024-01-01",
        "offered_scopes": ["metabolomics", "store_samples"], "document_sha256": SHA,
    }  # fmt: skip
    made = api.post("/api/v1/consent-forms", body, format="json")
    assert (made.status_code, made["Location"][-1]) == (201, str(made.json()["id"])[-1])
    assert made.json()["document_sha256"] == SHA
    again = api.post("/api/v1/consent-forms", body, format="json")
    assert again.status_code == 400
    assert "FUK has version 2.0 in that language already: correct that one." in again.text
    route = f"/api/v1/consent-forms/{made.json()['id']}/correct"
    ended = body | {"valid_until": "2026-12-31"}
    without_reason = api.post(route, ended, format="json")
    assert (without_reason.status_code, "reason" in without_reason.text) == (400, True)
    told = api.post(route, ended | {"reason": "version 3.0 follows"}, format="json").json()
    assert (told["valid_until"], told["document_sha256"]) == ("2026-12-31", SHA)
    listed = api.get("/api/v1/consent-forms?site=FUK").json()["results"]
    assert [form["version"] for form in listed] == ["2.0"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"document_sha256": "not a hash"}, "document_sha256"),
        ({"offered_scopes": ["everything"]}, "offered_scopes"),
        ({"offered_scopes": []}, "A form offers at least one scope"),
        ({"document_sha256": ""}, "document_sha256"),
        ({"valid_until": "2020-01-01"}, "The form ends before it begins: check both days."),
    ],
)
def test_the_api_refuses_a_form_that_cannot_be(site, nurse, api, wrong, said):
    api.force_authenticate(nurse)
    body = {
        "site": "FUK", "version": "2.0", "language": "ja", "valid_from": "2024-01-01",
        "offered_scopes": ["metabolomics"], "document_sha256": SHA, **wrong,
    }  # fmt: skip
    answer = api.post("/api/v1/consent-forms", body, format="json")
    assert answer.status_code == 400
    assert said in answer.text
    assert not ConsentForm.objects.exists()
