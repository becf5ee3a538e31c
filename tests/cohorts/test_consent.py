"""Who may be used, on which day."""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from cohorts.errors import AlreadyWithdrawn, UnusableRequest
from cohorts.models import Change, ConsentForm, Participant
from cohorts.services import consent, consent_corrections, renewals
from cohorts.services.tables import books, table_checks
from cohorts.services.tables.sent_tables import SentTable
from tests.factories import (
    SCOPES,
    ConsentFactory,
    ParticipantFactory,
    SampleFactory,
    SiteFactory,
    user_with,
)

pytestmark = pytest.mark.django_db


def used(participant, on=None):
    day = on or timezone.localdate()
    return Participant.objects.filter(pk=participant.pk).consenting_to(SCOPES, day).exists()


def test_no_consent_on_record_means_no_use():
    assert not used(ParticipantFactory())


def test_a_consent_holds_from_the_day_it_was_signed():
    person = ConsentFactory(signed_on=date(2024, 6, 1)).participant
    assert not used(person, date(2024, 5, 31))
    assert used(person, date(2024, 6, 1))


def test_every_scope_that_the_plan_names_must_be_granted():
    person = ConsentFactory(scopes=["store_samples", "metabolomics"]).participant
    assert not used(person)


def test_a_later_consent_replaces_an_earlier_one():
    first = ConsentFactory(signed_on=date(2024, 1, 1))
    ConsentFactory(
        participant=first.participant, signed_on=date(2024, 6, 1), scopes=["store_samples"]
    )
    assert used(first.participant, date(2024, 5, 31))
    assert not used(first.participant, date(2024, 6, 1))


def test_of_two_consents_of_one_day_the_one_recorded_last_holds():
    first = ConsentFactory(signed_on=date(2024, 1, 1))
    ConsentFactory(
        participant=first.participant, signed_on=date(2024, 1, 1), scopes=["store_samples"]
    )
    assert not used(first.participant, date(2024, 1, 1))


def test_a_participant_leaves_new_analyses_at_once_when_use_is_withdrawn():
    person = ConsentFactory().participant
    consent.withdraw(person.pk, level=3, by=None)
    assert not used(person)


@pytest.mark.parametrize("level", [1, 2])
def test_what_is_there_stays_in_use_where_only_contact_or_new_data_are_refused(level):
    person = ConsentFactory().participant
    consent.withdraw(person.pk, level=level, by=None)
    assert used(person)


def test_a_level_can_be_raised_and_not_lowered():
    person = ConsentFactory().participant
    consent.withdraw(person.pk, level=2, by=None)
    consent.withdraw(person.pk, level=3, by=None)
    with pytest.raises(
        AlreadyWithdrawn, match="a level can be raised, and lowering it is a new consent"
    ):
        consent.withdraw(person.pk, level=1, by=None)


def test_a_new_consent_ends_a_withdrawal():
    person = ConsentFactory().participant
    consent.withdraw(person.pk, level=3, by=None)
    consent.record_consent(
        person.pk,
        form=None,
        basis="signed again",
        signed_on=timezone.localdate() - timedelta(days=1),
        scopes=SCOPES,
        by=None,
    )
    assert used(person)


def test_a_withdrawal_is_a_change_of_its_site():
    person = ConsentFactory().participant
    consent.withdraw(person.pk, level=3, by=None)
    change = Change.objects.latest("pk")
    assert (change.kind, change.site) == ("withdrawal", person.site)


def test_an_expired_ethics_approval_stops_new_enrolment_and_not_old_data(browse):
    person = ConsentFactory(participant__site__ethics_expires_on=date(2024, 12, 31)).participant
    head = "participant,sex,group,enrolled_on\n"
    rows = "N1,f,hikikomori,2025-01-01\nN2,f,hikikomori,2024-12-31\n"
    table = SentTable("participants", (head + rows).encode())
    (fault,) = table_checks.check(table, lambda: books.facts_of(person.site), {}).report.faults
    assert (fault.row, fault.column) == (2, "enrolled_on")
    assert "is after the ethics approval of" in fault.message
    assert "nobody is enrolled without one" in fault.message
    assert used(person)
    page = browse(user_with("SC", person.site)).get(f"/sites/{person.site.code}/enrol/")
    assert "The ethics approval of this site ended on 2024-12-31" in page.text


# --- forms and their windows


def a_form(site, **more):
    window = {"valid_from": date(2024, 1, 1), "valid_until": date(2024, 12, 31)}
    window |= {"document_sha256": "a" * 64} | more
    return ConsentForm.objects.create(site=site, version="1.0", offered_scopes=SCOPES, **window)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"signed_on": date(2025, 1, 1)}, "valid 2024-01-01 to 2024-12-31; it was not signed on"),
        ({"scopes": ["commercial"]}, "Form 1.0 does not offer commercial; tick what was signed"),
        ({"signed_on": date(2124, 1, 1)}, "2124-01-01 is still to come: check the day"),
        ({"form": "elsewhere"}, "This form is another site's"),
    ],
)
def test_a_consent_fits_the_form_that_was_signed(said, words):
    person = ParticipantFactory()
    form = a_form(SiteFactory() if said.pop("form", "") else person.site)
    sent = {"form": form, "basis": "", "signed_on": date(2024, 6, 1), "scopes": SCOPES, "by": None}
    with pytest.raises(UnusableRequest, match=words):
        consent.record_consent(person.pk, **(sent | said))
    assert not person.consents.exists()


def test_whoever_signed_a_form_that_lapses_is_asked_again(browse, api):
    form = a_form(SiteFactory(code="FUK"))
    lapsed = ConsentFactory(participant__site=form.site, participant__code="P-1", form=form)
    gone = ConsentFactory(participant__site=form.site, form=form).participant
    consent.withdraw(gone.pk, level=2, by=None)
    renewed = ConsentFactory(participant__site=form.site, form=form).participant
    ConsentFactory(participant=renewed, signed_on=date(2025, 2, 1))
    nurse = user_with("SC", form.site)
    (row,) = renewals.due(nurse)
    assert (row.participant_id, row.lapsed) == (lapsed.participant_id, True)
    assert renewals.due(user_with("SC", SiteFactory())) == []
    assert "P-1" in browse(nurse).get("/sites/FUK/renewals/").content.decode()
    api.force_authenticate(nurse)
    answer = api.get("/api/v1/consents/renewals?site=FUK")
    assert "Link" not in answer.headers
    (told,) = answer.json()
    assert (told["participant"], told["valid_until"]) == ("P-1", "2024-12-31")


def test_whom_to_ask_again_comes_in_pages_form_by_form(api, monkeypatch):
    monkeypatch.setattr("cohorts.api.renewals.PAGE", 2)
    monkeypatch.setattr("cohorts.services.renewals.FORMS_AT_ONCE", 1)
    later = a_form(SiteFactory(), valid_until=date(2025, 1, 31))
    form, superseded = a_form(SiteFactory(code="FUK")), a_form(SiteFactory())
    for code, signed in (("P-2", form), ("P-0", later), ("P-1", later), ("P-0", form)):
        ConsentFactory(participant__site=signed.site, participant__code=code, form=signed)
    renewed = ConsentFactory(participant__site=superseded.site, form=superseded).participant
    ConsentFactory(participant=renewed, signed_on=date(2025, 2, 1))
    api.force_authenticate(user_with("CD"))
    path, told = "/api/v1/consents/renewals", []
    while path:
        answer = api.get(path)
        told.append([(row["site"], row["participant"]) for row in answer.json()])
        path = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
    there = later.site.code
    assert told == [[("FUK", "P-0"), ("FUK", "P-2")], [(there, "P-0"), (there, "P-1")]]
    refused = api.get("/api/v1/consents/renewals?after=x")
    assert (refused.status_code, "begin with the first" in refused.text) == (400, True)


def test_samples_are_blocked_by_a_withdrawal_of_use_and_freed_by_a_new_consent():
    sample = SampleFactory()
    consent.withdraw(sample.participant_id, level=3, by=None)
    sample.refresh_from_db()
    assert sample.status == "blocked"
    consent.record_consent(
        sample.participant_id, form=None, basis="signed again", signed_on=timezone.localdate(),
        scopes=SCOPES, by=None,
    )  # fmt: skip
    sample.refresh_from_db()
    assert sample.status == "stored"


def test_a_paper_that_is_older_than_a_withdrawal_takes_nothing_back_when_it_is_typed_in_late(
    browse,
):
    sample = SampleFactory(participant__site__code="FUK", participant__code="P-1")
    person = sample.participant
    nurse = user_with("SC", person.site)
    consent.withdraw(person.pk, level=3, by=None)
    paper = {"participant": "P-1", "signed_on": "2025-01-01", "basis": "paper", "scopes": SCOPES}
    page = browse(nurse).post("/sites/FUK/consent/", paper, follow=True).content.decode()
    today = timezone.localdate()
    assert f"It is older than the withdrawal of {today} (no further use), which stands." in page
    assert not used(person)
    sample.refresh_from_db()
    assert sample.status == "blocked"


def test_a_consent_whose_day_is_corrected_to_before_a_withdrawal_no_longer_takes_it_back():
    sample = SampleFactory()
    person = sample.participant
    nurse = user_with("SC", person.site)
    consent.withdraw(person.pk, level=3, by=None)
    anew = consent.record_consent(
        person.pk, form=None, basis="paper", signed_on=timezone.localdate(), scopes=SCOPES, by=nurse
    )
    assert used(person)
    consent_corrections.correct(
        anew.pk, {"signed_on": date(2025, 1, 1)}, reason="last year's paper", by=nurse, version=1
    )
    assert not used(person)
    sample.refresh_from_db()
    assert sample.status == "blocked"


def test_nobody_is_used_outside_of_the_days_of_the_form_that_they_signed():
    site = SiteFactory()
    days = {"valid_from": date(2024, 1, 1), "valid_until": date(2024, 12, 31)}
    form = ConsentForm.objects.create(site=site, version="1", language="ja", **days)
    person = ConsentFactory(participant__site=site, form=form, basis="").participant
    assert used(person, date(2024, 12, 31))
    assert not used(person, date(2025, 1, 1))
