"""Who gets which page, and what stands on it; without a browser."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from analysis import figures
from analysis.models import Run
from analysis.views import claim_readings
from cohorts.api import bearer
from cohorts.models import ApiToken, Consent, Participant, Upload, Withdrawal
from tests.factories import (
    SCOPES,
    ConsentFactory,
    ParticipantFactory,
    UploadFactory,
    user_with,
)
from tests.page_source import flat
from tests.portal import books

pytestmark = pytest.mark.django_db


def table(content=books.GOOD, name="participants.csv"):
    return SimpleUploadedFile(name, content.encode(), content_type="text/csv")


# --- who comes in


@pytest.mark.parametrize("address", ["/", "/runs/", "/account/tokens/", "/sites/FUK/"])
def test_whoever_is_not_logged_in_is_sent_to_the_login(client, address):
    answer = client.get(address)
    assert answer.status_code == 302
    assert answer["Location"] == f"/login/?next={address}"


def test_an_account_without_a_role_is_told_so(browse):
    person = user_with("CA")
    person.memberships.update(until_date=timezone.localdate())
    page = browse(person).get("/")
    assert b"Your account has no role yet" in page.content
    assert b"/runs/" not in page.content
    assert browse(person).get("/runs/").status_code == 403


def test_an_upload_of_another_site_is_not_there(browse):
    own, other = books.two_sites()
    mine, theirs = UploadFactory(site=own, kind="samples"), UploadFactory(site=other)
    client = browse(user_with("SC", own))
    assert client.get(f"/uploads/{mine.pk}/").status_code == 200
    assert client.get(f"/uploads/{theirs.pk}/").status_code == 404


def test_a_lab_technician_sees_no_table_of_people(browse):
    site, _ = books.two_sites()
    people = UploadFactory(site=site, kind="participants", filename="people.csv")
    UploadFactory(site=site, kind="samples", filename="tubes.csv")
    ParticipantFactory(site=site, code="FUK-777")
    client = browse(user_with("LT", site))
    page = client.get("/sites/FUK/").content.decode()
    assert "tubes.csv" in page
    assert "people.csv" not in page
    assert "FUK-777" not in page
    assert "Participants" not in page
    assert client.get(f"/uploads/{people.pk}/").status_code == 404


def test_an_analyst_sees_no_numbers_of_a_site(browse):
    site, _ = books.two_sites()
    ParticipantFactory(site=site, code="FUK-777")
    client = browse(user_with("CA"))
    page = client.get("/sites/FUK/").content.decode()
    assert "In the books" not in page
    assert "FUK-777" not in page
    assert client.get("/sites/FUK/upload/").status_code == 403


def test_the_data_manager_of_the_consortium_reads_a_site_and_sends_nothing_for_it(browse):
    books.two_sites()
    client = browse(user_with("CD"))
    assert b"Send a table" not in client.get("/sites/FUK/").content
    sent = {"kind": "participants", "file": table()}
    assert client.post("/sites/FUK/upload/", sent).status_code == 403
    assert not Upload.objects.exists()


def test_the_start_page_asks_the_database_equally_often_for_more_uploads(browse):
    site, _ = books.two_sites()
    person = user_with("SC", site)
    client = browse(person)

    def n_queries():
        with CaptureQueriesContext(connection) as asked:
            client.get("/")
        return len(asked)

    UploadFactory(site=site, kind="samples", sent_by=person)
    few = n_queries()
    UploadFactory.create_batch(12, site=site, kind="samples", sent_by=person)
    assert n_queries() == few < 50


# --- sending


def test_a_table_is_checked_before_any_of_it_is_stored(browse):
    site, _ = books.two_sites()
    client = browse(user_with("SC", site))
    sent = {"kind": "participants", "file": table(books.BAD)}
    page = client.post("/sites/FUK/upload/", sent, follow=True).content.decode()
    assert "Refused: nothing was stored." in page
    assert "is no day of the calendar" in page
    sent["file"] = table(books.GOOD)
    page = client.post("/sites/FUK/upload/", sent, follow=True).content.decode()
    assert "Nothing is stored yet" in page
    assert not Participant.objects.exists()


def test_a_correction_without_its_reason_is_asked_for_one(browse):
    site, _ = books.two_sites()
    client = browse(user_with("SC", site))

    def step(content):
        sent = {"kind": "participants", "file": table(content)}
        return client.post("/sites/FUK/upload/", sent)["Location"]

    client.post(step(books.GOOD) + "accept/")
    address = step(books.GOOD.replace("1995", "1996"))
    answer = client.post(address + "accept/")
    assert answer.status_code == 422
    assert b"Say why the values on the books are corrected." in answer.content
    client.post(address + "accept/", {"reason": "typing error"})
    assert Participant.objects.get(code="FUK-001").birth_year == 1996


def test_a_table_comes_back_with_its_remarks_and_may_be_sent_again(browse):
    site, _ = books.two_sites()
    client = browse(user_with("SC", site))
    sent = {"kind": "participants", "file": table(books.BAD)}
    address = client.post("/sites/FUK/upload/", sent)["Location"]
    answer = client.get(address + "remarks/?as=csv")
    assert answer["Content-Disposition"] == 'attachment; filename="participants-remarks.csv"'
    assert 'enrolled_on: ""2024-02-31"" is no day of the calendar' in answer.content.decode(
        "utf-8-sig"
    )
    again = {"kind": "participants", "file": table(answer.content.decode("utf-8"), "again.csv")}
    page = client.post("/sites/FUK/upload/", again, follow=True).content.decode()
    assert "2 faults in 2 rows" in flat(page)
    assert browse(user_with("SC", site)).get(address + "remarks/").status_code == 403


def test_a_kind_that_the_role_does_not_send_is_not_offered(browse):
    site, _ = books.two_sites()
    client = browse(user_with("LT", site))
    answer = client.post("/sites/FUK/upload/", {"kind": "participants", "file": table()})
    assert answer.status_code == 422
    assert not Upload.objects.exists()


def test_markup_in_a_file_is_shown_as_text(browse):
    site, _ = books.two_sites()
    client = browse(user_with("SC", site))
    nasty = "participant,sex,group,enrolled_on,<script>alert(1)</script>\nX,male,hikikomori,1,1\n"
    sent = {"kind": "participants", "file": table(nasty, "<b>x.csv")}
    page = client.post("/sites/FUK/upload/", sent, follow=True).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


# --- consent


def test_people_without_a_usable_consent_are_listed_by_reason(browse):
    site, _ = books.two_sites()
    ParticipantFactory(site=site, code="NONE-1")
    ConsentFactory(participant__site=site, participant__code="LESS-1", scopes=["store_samples"])
    ConsentFactory(participant__site=site, participant__code="FULL-1")
    nurse = browse(user_with("SC", site))
    page = nurse.get("/sites/FUK/").text
    assert "1 without consent on record, 1 with a scope missing, 0 withdrawn" in page
    for gap, code in (("without", "NONE-1"), ("lacking", "LESS-1")):
        assert f"/sites/FUK/participants/?consent={gap}" in page
        listed = nurse.get(f"/sites/FUK/participants/?consent={gap}").text
        assert [each for each in ("NONE-1", "LESS-1", "FULL-1") if each in listed] == [code]


def test_a_withdrawal_is_recorded_by_code_and_of_the_own_site_only(browse):
    own, other = books.two_sites()
    person = ParticipantFactory(site=own, code="FUK-001")
    ParticipantFactory(site=other, code="TYO-001")
    client = browse(user_with("SC", own))
    said = {"participant": "TYO-001", "level": 3, "note": ""}
    answer = client.post("/sites/FUK/withdrawal/", said)
    assert answer.status_code == 422
    assert b"no participant with that code" in answer.content
    answer = client.post("/sites/FUK/withdrawal/", said | {"participant": "FUK-001"}, follow=True)
    assert b"Recorded for FUK-001: no further use" in answer.content
    assert Withdrawal.objects.get().participant == person
    again = client.post("/sites/FUK/withdrawal/", said | {"participant": "FUK-001", "level": 1})
    assert b"has withdrawn already" in again.content


def test_a_consent_recorded_in_the_portal_makes_somebody_usable(browse):
    site, _ = books.two_sites()
    ParticipantFactory(site=site, code="FUK-001")
    client = browse(user_with("SC", site))
    said = {"participant": "FUK-001", "signed_on": "2024-05-01", "scopes": SCOPES}
    answer = client.post("/sites/FUK/consent/", said)
    assert b"Name the signed form, or on what basis" in answer.content
    answer = client.post("/sites/FUK/consent/", said | {"basis": "on paper"}, follow=True)
    assert b"the consent signed on 2024-05-01" in answer.content
    assert b"0 without consent on record" in answer.content
    late = client.post("/sites/FUK/consent/", said | {"signed_on": "2999-01-01", "basis": "x"})
    assert b"still to come" in late.content
    assert Consent.objects.count() == 1


@pytest.mark.parametrize("page", ["consent", "withdrawal"])
def test_only_a_coordinator_of_the_site_records_consents(browse, page):
    site, other = books.two_sites()
    assert browse(user_with("SD", site)).get(f"/sites/FUK/{page}/").status_code == 403
    assert browse(user_with("SC", other)).get(f"/sites/FUK/{page}/").status_code == 404


# --- tokens


def test_a_token_is_shown_once_and_revoked_by_its_owner_only(browse):
    site, _ = books.two_sites()
    owner, other = user_with("SC", site), user_with("SC", site)
    client = browse(owner)
    answer = client.post("/account/tokens/", {"name": "notebook", "scopes": ["read"], "days": 30})
    assert "no-store" in answer["Cache-Control"]
    key = answer.context["key"]
    assert key.startswith("hiki_")
    assert key in answer.content.decode()
    assert key not in client.get("/account/tokens/").content.decode()
    token = ApiToken.objects.get()
    assert browse(other).post(f"/account/tokens/{token.pk}/revoke/").status_code == 404
    client.post(f"/account/tokens/{token.pk}/revoke/")
    assert bearer.token_of(key) is None


# --- runs


def test_a_run_that_is_held_back_is_there_for_the_data_manager_only(browse):
    run = books.run_of(books.followed_plan(), released_at=None, held_because="Too few changed.")
    assert browse(user_with("CA")).get(f"/runs/{run.pk}/").status_code == 404
    page = browse(user_with("CD")).get(f"/runs/{run.pk}/").content.decode()
    assert "Analysts do not see this run yet." in page
    assert "Too few changed." in page


def test_a_site_with_few_people_shows_an_analyst_no_numbers(browse):
    run = books.concluded(books.run_of(books.followed_plan()), n_case=9)
    page = browse(user_with("CA")).get(f"/runs/{run.pk}/")
    here = {row["site"]: row for row in page.context["forest"].rows}
    assert here["FUK"]["hedges_g"] == 0.5
    assert here["TYO"]["hedges_g"] is None
    assert "TYO:" not in page.context["forest"].drawing
    assert "few" in page.content.decode()
    manager = browse(user_with("CD")).get(f"/runs/{run.pk}/")
    assert "TYO:" in manager.context["forest"].drawing


def test_a_feature_that_the_run_lacks_is_not_there(browse):
    run = books.concluded(books.run_of(books.followed_plan()))
    client = browse(user_with("CA"))
    assert client.get(f"/runs/{run.pk}/?feature=unicorn").status_code == 404
    assert client.get("/runs/latest/?plan=nothing").status_code == 404
    assert client.get("/runs/latest/")["Location"] == f"/runs/{run.pk}/"


def test_a_failed_run_gives_its_reason(browse):
    run = books.run_of(
        books.followed_plan(), state="failed", failure="Nobody has values.", published_at=None
    )
    assert b"Nobody has values." in browse(user_with("CD")).get(f"/runs/{run.pk}/").content


def test_a_run_is_asked_for_by_those_who_may_start_one(browse, monkeypatch):
    books.followed_plan()
    monkeypatch.setattr("analysis.services.freshness.ring", lambda *_, **__: True)
    site, _ = books.two_sites()
    sent = {"plan": "kyushu-2022"}
    assert browse(user_with("SC", site)).post("/runs/ask/", sent).status_code == 403
    manager = user_with("CD")
    answer = browse(manager).post("/runs/ask/", sent)
    run = Run.objects.get()
    assert answer["Location"] == f"/runs/{run.pk}/"
    assert run.requested_by == manager


# --- drawings


def test_a_forest_plot_says_in_words_what_it_draws():
    rows = [figures.ForestRow("FUK", "25 + 24", 0.5, 0.1, 0.9, 1.0)]
    drawn = figures.forest(rows, None, None, title="T <b>", description="FUK: +0.50.")
    assert '<title id="forest-title">T &lt;b&gt;</title>' in drawn
    assert "+0.50 (+0.10 to +0.90)" in drawn
    assert "style=" not in drawn


@pytest.mark.parametrize(("low", "high"), [(-1.3, 0.2), (0.0, 0.003), (-40.0, 900.0)])
def test_an_axis_has_a_few_round_ticks_inside_it(low, high):
    scale = figures.covering([low, high], 0, 100)
    assert 3 <= len(scale.ticks()) <= 10
    assert all(scale.low <= tick <= scale.high for tick in scale.ticks())
    assert scale.x(low) < scale.x(high)


def test_a_long_reason_is_cut_after_its_first_sentence():
    assert claim_readings.cut("Short. Both.") == ("Short. Both.", "")
    head, rest = claim_readings.cut("First. " + "x" * 300)
    assert head == "First."
    assert rest.startswith("xxx")


def test_an_expired_token_is_said_to_be_expired(browse):
    person = user_with("CA")
    token, _ = ApiToken.objects.issue(person, "old")
    ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now() - timedelta(days=1))
    assert b"expired" in browse(person).get("/account/tokens/").content


def test_remarks_are_offered_where_there_are_some(browse):
    found = {"rows": 1200, "summary": {"measured": 10839}, "faults": [], "warnings": []}
    sent = UploadFactory(report=found)
    look = browse(user_with("SD", sent.site))
    page = look.get(f"/uploads/{sent.pk}/").content
    assert b"10,839" in page
    assert b"/remarks/" not in page
    fault = {"row": 2, "column": "unit", "value": "x", "text": "no unit", "message": "no unit"}
    fault["said"] = None
    Upload.objects.filter(pk=sent.pk).update(report=found | {"warnings": [fault]})
    assert b"/remarks/" in look.get(f"/uploads/{sent.pk}/").content
