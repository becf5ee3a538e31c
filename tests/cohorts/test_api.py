"""Records over HTTP: tables sent, refused in words, read in pages, and polled for nothing."""

from __future__ import annotations

import base64
import io
import json

import pandas as pd
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from rest_framework.test import APIClient

from cohorts.api.renderers import CsvRenderer, neutralised
from cohorts.models import ApiToken, Change, Consent, Feature, Participant, Sample, Upload
from cohorts.services import consent
from tests.factories import (
    ConsentFactory,
    ParticipantFactory,
    SampleFactory,
    SiteFactory,
    user_with,
)

pytestmark = pytest.mark.django_db

CONSENTED = "consent_version,consent_signed_on,consent_scopes"
GRANTED = "1.0,2024-04-01,store_samples;metabolomics;share_consortium"
PEOPLE = f"participant,sex,group,enrolled_on,age_years,{CONSENTED}\n"
F001 = f"F001,f,hikikomori,2024-04-01,31,{GRANTED}\n"
PLASMA = {"platform": "LC-MS", "matrix": "plasma"}


@pytest.fixture
def site(reference):
    return SiteFactory(code="FUK")


@pytest.fixture
def coordinator(site, api):
    api.force_authenticate(user_with("SC", site))
    return api


@pytest.fixture
def laboratory(site):
    client = APIClient()
    client.force_authenticate(user_with("LT", site))
    return client


def send(client, kind, text, site="FUK", name="table.csv", **options):
    content = text if isinstance(text, bytes) else text.encode()
    file = SimpleUploadedFile(name, content)
    return client.post("/api/v1/uploads", {"site": site, "kind": kind, "file": file, **options})


def faults(answer):
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    return [fault["text"] for fault in answer.json()["report"]["faults"]]


# --- sending tables


def test_a_sent_table_is_stored_and_the_same_file_again_is_the_same_upload(coordinator, site):
    sent = send(coordinator, "participants", PEOPLE + F001)
    assert sent.status_code == 201
    assert sent.json()["report"]["summary"]
    assert Participant.objects.get(site=site).code == "F001"
    found = coordinator.get(sent["Location"])
    assert found.json()["status"] == "accepted"
    again = send(coordinator, "participants", PEOPLE + F001)
    assert again.status_code == 200
    assert again.json()["id"] == sent.json()["id"]
    assert Change.objects.count() == 1


def test_a_refused_table_stores_no_row_and_its_report_can_be_read_later(coordinator, site):
    refused = send(coordinator, "participants", PEOPLE + F001.replace("2024-04-01,31", "31/02,31"))
    assert any("row 2, column enrolled_on" in text for text in faults(refused))
    assert "nothing was stored" in refused.json()["detail"]
    assert not Participant.objects.exists()
    upload = coordinator.get(f"/api/v1/uploads/{refused.json()['upload']}").json()
    assert upload["status"] == "rejected"
    assert upload["report"] == refused.json()["report"]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (b"", "empty"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\xff\xfe", "table"),
        (PEOPLE + F001.replace("F001,f", "F001,x"), "column sex"),
        ("participant,sex,group,enrolled_on,shoe\nF1,f,hikikomori,2024-04-01,4\n", "shoe"),
        ("participant,sex,group,enrolled_on,name\nF1,f,hikikomori,2024-04-01,Aki\n", "name"),
        (PEOPLE + F001.replace("31,1.0", "thirty,1.0"), "column age_years"),
        (PEOPLE + F001 + F001, "row 3"),
    ],
    ids=["empty", "not a table", "word", "unknown column", "personal", "text in a number", "twice"],
)
def test_a_bad_table_is_refused_in_words_that_name_the_place(coordinator, table, words):
    assert any(words in text for text in faults(send(coordinator, "participants", table)))
    assert not Participant.objects.exists()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("sample,arginine [umol/L]\nT1,80\nT1,81\n", "T1"),
        ("sample,arginine [U/L]\nT1,80\n", "U/L"),
        ("sample,arginine [umol/L]\nT1,plenty\n", "plenty"),
        ("sample,arginine [umol/L]\nT1,-5\n", "-5"),
        ("sample,arginine [umol/L]\nT9,80\n", "T9"),
    ],
    ids=["sample twice", "unit that does not fit", "text", "negative", "unknown sample"],
)
def test_a_bad_assay_table_is_refused_in_words(laboratory, site, table, words):
    person = ParticipantFactory(site=site)
    ConsentFactory(participant=person)
    SampleFactory(participant=person, code="T1")
    assert any(words in text for text in faults(send(laboratory, "assays", table, **PLASMA)))


def test_values_of_a_participant_without_consent_are_refused(laboratory, site):
    SampleFactory(participant=ParticipantFactory(site=site, code="F009"), code="T1")
    (text,) = faults(send(laboratory, "assays", "sample,arginine [umol/L]\nT1,80\n", **PLASMA))
    assert "row 2" in text
    assert "consent" in text


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"site": "NOPE"}, 404, "There is no site 'NOPE' that you can send tables for."),
        ({"site": "OTH"}, 404, "There is no site 'OTH' that you can send tables for."),
        ({"kind": "letters"}, 400, "'letters' is not a kind of table"),
        ({"kind": "assays"}, 403, "Your role at FUK does not send assays; ask a "),
    ],
)
def test_a_request_that_cannot_be_taken_says_why(coordinator, change, status, words):
    SiteFactory(code="OTH")
    asked = {"site": "FUK", "kind": "participants", **change}
    answer = send(coordinator, asked["kind"], PEOPLE + F001, site=asked["site"])
    assert answer.status_code == status
    assert answer.json()["detail"].startswith(words)
    assert not Upload.objects.exists()


def test_an_assay_table_names_its_platform_and_known_options(laboratory):
    table = "sample,arginine [umol/L]\nT1,80\n"
    assert "needs its platform" in send(laboratory, "assays", table).json()["detail"]
    wrong = send(laboratory, "assays", table, **PLASMA, scale="log3")
    assert wrong.status_code == 400
    assert "scale is 'log3'; choose one of raw" in wrong.json()["detail"]


def test_missing_fields_are_named_one_by_one(coordinator):
    answer = coordinator.post("/api/v1/uploads", {"kind": "samples"})
    assert answer.status_code == 400
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/site", "/file"}


def test_text_that_the_database_cannot_hold_is_refused(coordinator):
    assert send(coordinator, "participants", PEOPLE, site="FU\0K").status_code == 400
    assert send(coordinator, "participants", PEOPLE + F001.replace("F001", "F\0")).status_code in (
        400,
        422,
    )


def test_a_giant_is_refused_before_it_is_read(coordinator, settings):
    settings.UPLOAD_MAX_BYTES = 1024**2
    answer = send(coordinator, "participants", b"a" * (2 * 1024**2))
    assert answer.status_code == 413
    assert "larger than 1 MB" in answer.json()["detail"]
    assert not Upload.objects.exists()


def test_json_is_not_a_table(coordinator):
    answer = coordinator.post("/api/v1/uploads", {"site": "FUK"}, format="json")
    assert answer.status_code == 415
    assert answer["Content-Type"] == "application/problem+json"


# --- log-in


@pytest.mark.parametrize("header", ["Bearer hiki_wrong", "Bearer", "Bearer é", "bearer a b"])
def test_a_wrong_token_is_told_so_and_how_to_log_in(client, reference, header):
    answer = client.get("/api/v1/sites", headers={"authorization": header})
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"] == (
        "This token is unknown, expired or revoked; issue a new one."
    )


def test_without_log_in_the_api_says_how(client, reference):
    answer = client.get("/api/v1/sites")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'


def test_a_session_cannot_send_a_table_without_its_csrf_token(site):
    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(user_with("SC", site))
    refused = send(browser, "participants", PEOPLE + F001)
    assert refused.status_code == 403
    assert not Upload.objects.exists()
    _, key = ApiToken.objects.issue(user_with("SC", site), "script")
    program = APIClient(enforce_csrf_checks=True, HTTP_AUTHORIZATION=f"Bearer {key}")
    assert send(program, "participants", PEOPLE + F001).status_code == 201


# --- withdrawing


def test_a_withdrawal_is_recorded_and_can_only_be_raised(coordinator, site):
    person = ConsentFactory(participant=ParticipantFactory(site=site, code="F001")).participant
    body = {"site": "FUK", "participant": "F001", "level": 3}
    made = coordinator.post("/api/v1/withdrawals", body, format="json")
    assert made.status_code == 201
    assert made.json()["meaning"] == "no further use"
    assert person.withdrawals.get().recorded_by is not None
    again = coordinator.post("/api/v1/withdrawals", body | {"level": 2}, format="json")
    assert again.status_code == 409
    assert "has withdrawn already" in again.json()["detail"]
    assert coordinator.get(made["Location"]).json() == made.json()


@pytest.mark.parametrize(
    "change", [{"level": 5}, {"level": "all"}, {"participant": "F\0"}, {"note": "\ud800"}]
)
def test_a_withdrawal_that_says_nothing_clear_is_refused(coordinator, change):
    body = {"site": "FUK", "participant": "F001", "level": 3} | change
    answer = coordinator.post(
        "/api/v1/withdrawals", json.dumps(body), content_type="application/json"
    )
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == f"/{next(iter(change))}"


# --- reading


def test_a_list_comes_in_pages_that_join_without_gap_or_repeat(coordinator, site):
    codes = [ParticipantFactory(site=site).code for _ in range(7)]
    url, seen = "/api/v1/participants?page_size=3", []
    while url:
        page = coordinator.get(url).json()
        seen += [row["code"] for row in page["results"]]
        url = page["next"]
    assert seen == codes


def test_filters_choose_rows(coordinator, site):
    ParticipantFactory(site=site, code="A", sex="female", group="healthy_control")
    ParticipantFactory(site=site, code="B", sex="male")
    rows = coordinator.get("/api/v1/participants?sex=female&group=healthy_control").json()
    assert [row["code"] for row in rows["results"]] == ["A"]


def test_a_list_is_told_as_csv_and_parquet_too(coordinator, site):
    person = ParticipantFactory(site=site, code="F001")
    SampleFactory(participant=person, code="T1", material="=1+1", fasting_hours=-1.5)
    (row,) = coordinator.get("/api/v1/samples").json()["results"]
    text = coordinator.get("/api/v1/samples", HTTP_ACCEPT="text/csv").content.decode()
    assert ",'=1+1," in text
    assert ",-1.5," in text
    table = coordinator.get("/api/v1/samples?format=parquet")
    frame = pd.read_parquet(io.BytesIO(table.content))
    assert frame.loc[0, "fasting_hours"] == row["fasting_hours"]
    assert frame.loc[0, "material"] == row["material"]


@pytest.mark.parametrize(
    "question",
    [
        "participants/" + "9" * 40,
        "participants/abc",
        "uploads/not-a-uuid",
        "participants/%00",
        "sites/FUK%00",
        "participants/1/unknown",
    ],
)
def test_what_cannot_be_is_not_found(coordinator, question):
    answer = coordinator.get(f"/api/v1/{question}")
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "question",
    [
        "participants?site=%00",
        "samples?collected_since=yesterday",
        "uploads?status=lost",
        "withdrawals?level=x",
        "changes?after=1e400",
    ],
)
def test_a_filter_that_says_nothing_clear_is_refused(coordinator, question):
    answer = coordinator.get(f"/api/v1/{question}")
    assert answer.status_code == 400
    assert answer.json()["errors"]


@pytest.mark.parametrize(
    "question",
    [
        "changes?after=99999999999999999999999",
        "participants?page_size=99999999999999",
        "participants?cursor=" + base64.b64encode(b"p=" + b"9" * 30).decode(),
    ],
)
def test_a_giant_number_breaks_nothing(coordinator, question):
    assert coordinator.get(f"/api/v1/{question}").status_code in (200, 400)


@pytest.mark.parametrize("slash", ["", "/"])
def test_an_address_works_with_and_without_its_slash(coordinator, slash):
    assert coordinator.get(f"/api/v1/sites{slash}").status_code == 200
    assert coordinator.get(f"/api/v1/sites/FUK{slash}").status_code == 200


# --- polling


@pytest.mark.parametrize(
    ("resource", "change"),
    [
        ("participants", lambda site: Participant.objects.update(age_years=40)),
        ("participants", lambda site: Participant.objects.all().delete()),
        ("consents", lambda site: Consent.objects.update(basis="other")),
        ("samples", lambda site: Sample.objects.update(status="used_up")),
        ("sites", lambda site: type(site).objects.update(name="Renamed")),
        ("features", lambda site: Feature.objects.filter(name="arginine").update(reviewed=False)),
    ],
)
def test_an_etag_moves_with_what_it_stands_for_and_only_then(coordinator, site, resource, change):
    ConsentFactory(participant=ParticipantFactory(site=site))
    if resource == "samples":
        SampleFactory(participant=Participant.objects.get())
    if change.__code__.co_names[-1] == "delete":
        Consent.objects.all().delete()
    url = f"/api/v1/{resource}"
    first = coordinator.get(url)
    held = {"HTTP_IF_NONE_MATCH": f'W/"other", {first["ETag"]}'}
    unchanged = coordinator.get(url, **held)
    assert (unchanged.status_code, unchanged["ETag"]) == (304, first["ETag"])
    assert unchanged["Cache-Control"] == "private, no-cache"
    with transaction.atomic():  # as in life, not in the transaction that wrote the row before
        change(site)
    changed = coordinator.get(url, **held)
    assert changed.status_code == 200
    assert changed.json() != first.json()


def test_a_withdrawal_moves_the_etags_of_the_site(coordinator, site):
    person = ParticipantFactory(site=site)
    first = coordinator.get("/api/v1/participants")["ETag"]
    consent.withdraw(person.pk, level=3, by=None)
    assert coordinator.get("/api/v1/participants")["ETag"] != first


# --- cells


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\ta", "\ra", "\na", "＝1", "'a", "\0=1"])
def test_no_text_is_a_formula_and_each_can_be_read_back(text):
    frame = pd.DataFrame({"word": [text, "plain"], "number": [-1.5, 2.0]})
    told = neutralised(frame)
    assert told["word"].tolist() == [f"'{text}", "plain"]
    assert told["number"].tolist() == [-1.5, 2.0]


def test_an_empty_page_is_an_empty_csv():
    assert CsvRenderer().render({"results": [], "next": None}) == b"\n"
