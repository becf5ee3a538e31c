"""Records taken away by request: two people where the table asks for them, and for some days."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from cohorts.errors import NoSuchSite, NotAllowed, RefusedExport, UnusableRequest
from cohorts.models import ExportRequest, Membership, RecordExport
from cohorts.services import consent
from cohorts.services.erasing import erasure
from cohorts.services.exporting import export_requests
from cohorts.services.exporting.export_requests import Wish
from tests.factories import SCOPES, ConsentFactory, SiteFactory, user_with

pytestmark = pytest.mark.django_db
WISH = Wish(format="redcap", recipient="Kyushu registry", recipient_country="JP", reason="yearly")


@pytest.fixture
def site():
    here = SiteFactory(code="FUK", name="Fukuoka", country="JP")
    for code, more in (("F001", []), ("F002", ["share_abroad"]), ("F003", ["commercial"])):
        ConsentFactory(participant__site=here, participant__code=code, scopes=[*SCOPES, *more])
    ConsentFactory(participant__site=here, participant__code="F004", scopes=["store_samples"])
    return here


def asked(site, by, **more):
    return export_requests.ask(site, Wish(**{**WISH.__dict__, **more}), by=by)


def codes_in(made) -> list[str]:
    return [row["record_id"] for row in csv.DictReader(io.StringIO(made.content.decode()))]


def test_a_sites_data_manager_takes_the_own_sites_records_alone(site):
    manager = user_with("SD", site)
    made = export_requests.file_of(asked(site, manager).pk, by=manager)
    assert codes_in(made) == ["F001", "F002", "F003", "F004"]
    kept = RecordExport.objects.get()
    assert (kept.exported_by, kept.reason, kept.n_participants) == (manager, "yearly", 4)


def test_the_consortiums_data_manager_waits_for_another_person(site):
    manager, other = user_with("CD"), user_with("CD")
    wish = asked(site, manager)
    with pytest.raises(RefusedExport, match="Nobody has approved this export yet"):
        export_requests.file_of(wish.pk, by=manager)
    with pytest.raises(NotAllowed, match="You asked for this export: somebody else decides"):
        export_requests.decide(wish.pk, approve=True, by=manager)
    export_requests.decide(wish.pk, approve=True, by=other)
    assert codes_in(export_requests.file_of(wish.pk, by=manager)) == ["F001", "F002", "F003"]
    with pytest.raises(NotAllowed, match="Only the person who asked"):
        export_requests.file_of(wish.pk, by=other)
    with pytest.raises(RefusedExport, match="waits for nobody's decision"):
        export_requests.decide(wish.pk, approve=True, by=user_with("SD", site))


def test_the_data_manager_of_the_site_may_be_the_second_person(site):
    manager = user_with("CD")
    wish = asked(site, manager)
    with pytest.raises(NotAllowed, match="does not approve exports"):
        export_requests.decide(wish.pk, approve=True, by=user_with("SD", SiteFactory()))
    export_requests.decide(wish.pk, approve=True, by=user_with("SD", site))
    assert export_requests.file_of(wish.pk, by=manager).record.request == wish


def test_a_refusal_says_why_to_the_one_who_asked(site):
    manager, other = user_with("CD"), user_with("CD")
    wish = asked(site, manager)
    with pytest.raises(UnusableRequest, match="Say why the export is refused"):
        export_requests.decide(wish.pk, approve=False, by=other, note=" ")
    export_requests.decide(wish.pk, approve=False, by=other, note="the contract is not signed")
    with pytest.raises(RefusedExport, match="refused: the contract is not signed"):
        export_requests.file_of(wish.pk, by=manager)


def test_an_approval_ends_after_seven_days(site):
    manager = user_with("SD", site)
    wish = asked(site, manager)
    with (
        time_machine.travel(timezone.now() + timedelta(days=7, minutes=1), tick=False),
        pytest.raises(RefusedExport, match=r"was open until .* UTC; ask anew"),
    ):
        export_requests.file_of(wish.pk, by=manager)
    assert not RecordExport.objects.exists()


def test_consents_and_withdrawals_are_read_at_the_moment_of_the_file(site):
    manager = user_with("SD", site)
    wish = asked(site, manager)
    consent.withdraw(site.participants.get(code="F002").pk, level=3, by=None)
    assert "F002" not in codes_in(export_requests.file_of(wish.pk, by=manager))


@pytest.mark.parametrize(
    ("more", "held"),
    [
        ({"recipient_country": "DE"}, ["F002"]),
        ({"commercial": True}, ["F003"]),
        ({}, ["F001", "F002", "F003", "F004"]),
    ],
)
def test_only_whose_consent_covers_the_recipient_is_in_the_file(site, more, held):
    manager = user_with("SD", site)
    assert codes_in(export_requests.file_of(asked(site, manager, **more).pk, by=manager)) == held


def test_a_recipient_whom_nobody_agreed_to_is_refused_at_once(site):
    sentence = "FUK has nobody with the consent commercial, share_abroad whose records"
    with pytest.raises(UnusableRequest, match=sentence):
        asked(site, user_with("SD", site), recipient_country="DE", commercial=True)
    assert not ExportRequest.objects.exists()


def test_the_recipient_is_to_be_told_of_who_withdrew_or_was_erased_since(site):
    manager = user_with("SD", site)
    wish = asked(site, manager)
    export_requests.file_of(wish.pk, by=manager)
    assert export_requests.to_be_told(wish) == 0
    consent.withdraw(site.participants.get(code="F001").pk, level=2, by=None)
    assert export_requests.to_be_told(wish) == 1
    gone = erasure.request(site.participants.get(code="F002").pk, by=user_with("SC", site))
    erasure.approve(gone.pk, by=manager)
    assert erasure.execute(gone.pk, at=timezone.now() + timedelta(days=2))
    assert export_requests.to_be_told(wish) == 2


def test_a_role_that_ended_takes_nothing(site):
    manager = user_with("SD", site)
    wish = asked(site, manager)
    Membership.objects.filter(user=manager).update(role="SC")
    del manager  # the roles of an account are read once a request
    with pytest.raises(NoSuchSite):
        export_requests.site_for(user_with("SD", SiteFactory()), "FUK")
    with pytest.raises(NotAllowed, match="Your role does not export records"):
        export_requests.file_of(wish.pk, by=wish.asked_by)


@pytest.mark.parametrize("role", ["SC", "LT", "AU", "CA"])
def test_nobody_else_asks(site, role):
    with pytest.raises(NotAllowed, match="Your role does not export records"):
        export_requests.site_for(user_with(role, None if role == "CA" else site), "FUK")


def test_the_api_asks_approves_and_hands_out_the_file(site):
    asker, other = APIClient(), APIClient()
    asker.force_authenticate(user_with("CD"))
    other.force_authenticate(user_with("CD"))
    body = {**WISH.__dict__, "site": "FUK"}
    made = asker.post("/api/v1/exports", body, format="json")
    path = f"/api/v1/exports/{made.json()['id']}"
    assert (made.status_code, made.json()["state"]) == (201, "waiting")
    early = asker.get(f"{path}/file")
    assert (early.status_code, early.json()["code"]) == (409, "export_refused")
    assert other.post(f"{path}/approve").json()["state"] == "open"
    file = asker.get(f"{path}/file")
    assert file["Content-Disposition"].startswith('attachment; filename="FUK-redcap-')
    assert b"F001" in file.content
    told = asker.get(path).json()
    assert [each["n_participants"] for each in told["files"]] == [3]
    country = asker.post("/api/v1/exports", body | {"recipient_country": "Japan"}, format="json")
    assert "Two capital letters, such as JP." in country.text


def test_the_page_asks_approves_and_hands_out_the_file(site, browse):
    asker, other = browse(user_with("CD")), browse(user_with("SD", site))
    here = reverse("exports", args=["FUK"])
    sent = {**WISH.__dict__, "batches": [], "commercial": ""}
    assert asker.post(here, sent | {"recipient_country": "Japan"}).status_code == 422
    assert asker.post(here, sent)["Location"] == here
    key = ExportRequest.objects.get().pk
    early = asker.post(reverse("export-file", args=[key]), follow=True)
    assert "Nobody has approved this export yet" in early.text
    assert "waits for a second person" in other.get(here).text
    done = other.post(reverse("export-decide", args=[key]), {"approve": "1"}, follow=True)
    assert "Approved." in done.text
    file = asker.post(reverse("export-file", args=[key]))
    assert b"F001" in file.content
    assert "3 participants, 0 samples" in asker.get(here).text
