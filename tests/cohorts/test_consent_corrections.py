"""A consent recorded wrongly is corrected with a reason; a withdrawal stands as it stood."""

from __future__ import annotations

from datetime import date

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from cohorts.errors import ChangedMeanwhile, NotAllowed, UnusableRequest
from cohorts.models import EVENTS, Change, Consent, ConsentForm, Participant
from cohorts.services import consent, consent_corrections
from tests.factories import SCOPES, ConsentFactory, SampleFactory, SiteFactory, user_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def signed():
    return ConsentFactory(scopes=["metabolomics", "store_samples"], signed_on=date(2024, 4, 1))


@pytest.fixture
def nurse(signed):
    return user_with("SC", signed.participant.site)


def corrected(signed, nurse, *, reason="read from the wrong line", version=1, **changes):
    return consent_corrections.correct(signed.pk, changes, reason=reason, by=nurse, version=version)


def used(person):
    return Participant.objects.filter(pk=person.pk).consenting_to(SCOPES, timezone.localdate())


def test_a_correction_is_a_new_version_and_the_old_one_is_kept(signed, nurse):
    assert not used(signed.participant).exists()
    done = corrected(signed, nurse, scopes=SCOPES, signed_on=date(2024, 3, 31))
    assert (done.version, done.signed_on) == (2, date(2024, 3, 31))
    assert used(signed.participant).exists()
    past = EVENTS[Consent].objects.filter(pgh_obj=signed).order_by("pgh_id")
    assert [(each.version, each.signed_on) for each in past] == [
        (1, date(2024, 4, 1)),
        (2, date(2024, 3, 31)),
    ]
    assert past.last().pgh_context["reason"] == "read from the wrong line"
    assert Change.objects.last().cause == "a consent was corrected"


@pytest.mark.parametrize("level", [2, 3])
def test_a_correction_lowers_no_withdrawal(signed, nurse, level):
    person = signed.participant
    tube = SampleFactory(participant=person)
    consent.withdraw(person.pk, level=level, by=None)
    before = signed.recorded_at
    corrected(signed, nurse, scopes=SCOPES, signed_on=timezone.localdate())
    standing = person.withdrawals.effective(timezone.localdate())
    assert [each.level for each in standing] == [level]
    tube.refresh_from_db()
    assert tube.status == ("blocked" if level == 3 else "stored")
    signed.refresh_from_db()
    assert signed.recorded_at == before
    if level == 3:
        assert not used(person).exists()


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"reason": " "}, "Say why the record is corrected"),
        ({"recorded_by": 1}, "'recorded_by' is not corrected here; what can be is form_version"),
        ({"signed_on": date(2999, 1, 1)}, "2999-01-01 is still to come"),
        ({"form_version": "9.9"}, "has no form of the version 9.9"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(signed, nurse, more, sentence):
    with pytest.raises(UnusableRequest, match=sentence):
        corrected(signed, nurse, **{"basis": "by letter"} | more)
    signed.refresh_from_db()
    assert (signed.version, signed.basis) == (1, "signed on paper")


def test_the_rules_of_a_consent_hold_for_its_correction(signed, nurse):
    site = signed.participant.site
    ConsentForm.objects.create(
        site=site, version="2", document_sha256="a" * 64, offered_scopes=["store_samples"]
    )
    with pytest.raises(UnusableRequest, match="Form 2 does not offer metabolomics"):
        corrected(signed, nurse, form_version="2")
    with pytest.raises(ValidationError):
        corrected(signed, nurse, scopes=["everything"])
    with pytest.raises(ValidationError):
        corrected(signed, nurse, basis="")
    with pytest.raises(UnusableRequest, match="Name what is to be corrected"):
        corrected(signed, nurse)


def test_only_who_records_consents_corrects_them_and_only_what_was_seen(signed, nurse):
    corrected(signed, nurse, basis="by letter")
    with pytest.raises(ChangedMeanwhile, match="it is version 2, you have seen 1"):
        corrected(signed, nurse, basis="by telephone")
    for role in ("SD", "CD"):
        other = user_with(role, signed.participant.site if role == "SD" else None)
        with pytest.raises(NotAllowed, match="does not correct consents"):
            corrected(signed, other, version=2, basis="by telephone")


def test_nothing_is_corrected_of_who_asked_to_be_erased(signed, nurse):
    consent.withdraw(signed.participant.pk, level=4, by=nurse)
    with pytest.raises(UnusableRequest, match="has asked to be erased; nothing is corrected"):
        corrected(signed, nurse, basis="by letter")


def test_the_api_corrects_the_state_that_it_names(signed, nurse, api):
    api.force_authenticate(nurse)
    client, path = api, f"/api/v1/consents/{signed.pk}"
    body = {"reason": "a slip", "changes": {"signed_on": "2024-03-30"}}
    assert client.post(f"{path}/correct", body, format="json").status_code == 428
    seen = {"If-Match": client.get(path)["ETag"]}
    done = client.post(f"{path}/correct", body, format="json", headers=seen)
    assert (done.json()["version"], done.json()["signed_on"]) == (2, "2024-03-30")
    assert client.post(f"{path}/correct", body, format="json", headers=seen).status_code == 412


def test_a_form_of_two_languages_is_named_with_its_language(signed, nurse):
    site = signed.participant.site
    for language in ("en", "ja"):
        ConsentForm.objects.create(site=site, version="2", language=language)
    with pytest.raises(UnusableRequest, match="the version 2 in several languages: say which"):
        corrected(signed, nurse, form_version="2")
    assert corrected(signed, nurse, form_version="2", form_language="ja").form.language == "ja"
    assert corrected(signed, nurse, form_version="", version=2).form is None


def filled_in(signed, **changed):
    """What the page sends: every field as it stands, but for what was changed."""
    said = {"signed_on": signed.signed_on, "basis": signed.basis, "scopes": signed.scopes}
    return {**said, "form": "", "version": signed.version, "reason": "wrong line", **changed}


def test_the_page_corrects_a_consent_and_shows_what_was(signed, nurse, browse):
    form = ConsentForm.objects.create(
        site=signed.participant.site, version="2", language="ja", offered_scopes=SCOPES
    )
    page, address = browse(nurse), f"/consents/{signed.pk}/"
    assert address in page.get(f"/participants/{signed.participant_id}/").content.decode()
    sent = filled_in(signed, form=form.pk, scopes=SCOPES, reason="read from the wrong line")
    answer = page.post(address, sent, follow=True)
    shown = answer.content.decode()
    assert "The consent is corrected: this is version 2." in shown
    assert "Signed form: nothing → 2 ja" in shown
    assert "What the participant agreed to: Measure substances in the samples, Keep blood" in shown
    assert ("read from the wrong line" in shown, nurse.username in shown) == (True, True)
    signed.refresh_from_db()
    assert (signed.form, signed.scopes) == (form, SCOPES)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"version": 7, "basis": "by letter"}, "it is version 1, you have seen 7"),
        ({"reason": ""}, "Say why the record is corrected."),
        ({}, "Name what is to be corrected."),
        ({"basis": ""}, "Name the signed form, or on what basis data may be used."),
        ({"signed_on": "31/02/2024"}, "Not a date; write YYYY-MM-DD."),
        ({"signed_on": "2999-01-01"}, "2999-01-01 is still to come: check the day."),
    ],
)
def test_the_page_refuses_in_words_and_changes_nothing(signed, nurse, browse, changed, sentence):
    answer = browse(nurse).post(f"/consents/{signed.pk}/", filled_in(signed, **changed))
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    signed.refresh_from_db()
    assert (signed.version, signed.basis) == (1, "signed on paper")


def test_who_only_reads_consents_sees_the_history_and_no_form(signed, browse):
    page = browse(user_with("SD", signed.participant.site))
    shown = page.get(f"/consents/{signed.pk}/").content.decode()
    assert "What was recorded before" in shown
    assert "Why it is corrected" not in shown
    assert page.post(f"/consents/{signed.pk}/", filled_in(signed)).status_code == 403
    elsewhere = user_with("SC", SiteFactory())
    assert browse(elsewhere).get(f"/consents/{signed.pk}/").status_code == 404
