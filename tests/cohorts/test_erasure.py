"""Who is erased is gone: from tables, files, reports and inputs; everybody else is untouched."""

from __future__ import annotations

import io
import secrets
from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock

import openpyxl
import pytest
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from analysis import tasks
from analysis.services import erasures, freshness
from cohorts.errors import NotAllowed, RefusedErasure, UnusableRequest
from cohorts.ingest import redaction
from cohorts.ingest.reading import read_table
from cohorts.ingest.redaction import Marks, Redacted, without_person
from cohorts.models import (
    AssayRow,
    Change,
    Consent,
    Erasure,
    Participant,
    Sample,
    Tombstone,
    Upload,
    Withdrawal,
)
from cohorts.services import consent, erasure, files, identity, ledger, redactions, uploads
from tests.factories import ParticipantFactory, SiteFactory, user_with

pytestmark = pytest.mark.django_db
CANARY = f"K{secrets.randbelow(10**9):09}"
PLASMA = {"platform": "LC-MS", "matrix": "plasma"}
HEAD = "participant,sex,group,enrolled_on,age_years,"
HEAD += "consent_version,consent_signed_on,consent_scopes"
PEOPLE = f"""{HEAD}
A001,f,hikikomori,2024-04-01,31,1.0,2024-04-01,store_samples;metabolomics;share_consortium
{CANARY},m,healthy_control,2024-04-02,33,1.0,2024-04-02,store_samples;metabolomics;share_consortium
A003,m,hikikomori,2024-04-02,27,1.0,2024-04-02,store_samples;metabolomics;share_consortium
"""
SAMPLES = f"""sample\tparticipant\tmaterial\tparent
T1\tA001\tplasma\t
T2\t{CANARY}\tplasma\t
T2a\t{CANARY}\tplasma\tT2
T3\tA003\tplasma\t
"""
ASSAYS = """sample,arginine [umol/L],ornithine [umol/L]
T1,82.5,51
T2,77.125,60
T3,"90.5",<0.5
"""


@pytest.fixture(autouse=True)
def store(settings, tmp_path, monkeypatch):
    settings.MEDIA_ROOT = tmp_path
    settings.ERASURE_LEDGER = tmp_path.with_name(f"{tmp_path.name}.jsonl")
    monkeypatch.setattr(freshness, "ring", lambda *args, **kwargs: True)
    return tmp_path


@pytest.fixture
def site(reference):
    return SiteFactory(code="FUK")


@pytest.fixture
def people(site):
    """The site's coordinator, who asks, and its data manager, who approves."""
    return user_with("SC", site), user_with("SD", site)


def send(site, kind, content, filename="", **options):
    content = content.encode() if isinstance(content, str) else content
    table = uploads.SentTable(kind, content, filename or f"{kind}.csv", options)
    return uploads.submit(site, table, by=None)


@pytest.fixture
def canary(site):
    """Somebody with consent, samples, an aliquot, values and a refused table that names them."""
    sent = [
        send(site, "participants", PEOPLE),
        send(site, "samples", SAMPLES, f"tubes of {CANARY}.tsv"),
        send(site, "assays", ASSAYS, **PLASMA),
    ]
    assert [upload.status for upload in sent] == ["accepted"] * 3
    send(site, "participants", PEOPLE + "A009,x,hikikomori,2024-04-01,31,,,\n", "again.csv")
    return Participant.objects.get(code=CANARY)


def erased(person, people, *, hours=25):
    """Asked for, approved, and the sweep that finds it so many hours later."""
    asked = erasure.request(person.pk, by=people[0])
    erasure.approve(asked.pk, by=people[1])
    erasures.execute_due(timezone.now() + timedelta(hours=hours))
    asked.refresh_from_db()
    return asked


def traces(code: str, folder: Path) -> list[str]:
    """Wherever the code still stands: every column of every table, every stored file."""
    found = []
    for model in apps.get_models():
        table = model._meta.db_table
        if not model._meta.managed or model._meta.proxy:
            continue  # a view of other tables, which are searched themselves
        for field in model._meta.local_concrete_fields:
            with connection.cursor() as cursor:
                cell = f'"{table}"."{field.column}"::text'
                cursor.execute(
                    f"SELECT count(*) FROM {table} "  # noqa: S608 - names of our own tables
                    f"WHERE position(%s in {cell}) > 0 OR position(%s in {cell}) > 0",
                    [code, code.encode().hex()],
                )
                if cursor.fetchone()[0]:
                    found.append(f"{table}.{field.column}")
    for path in folder.rglob("*"):
        if path.is_file() and code.encode() in path.read_bytes():
            found.append(path.name)
    return found


# --- four eyes and a wait


def test_every_use_stops_when_the_erasure_is_asked_for(canary, people):
    erasure.request(canary.pk, by=people[0])
    assert Withdrawal.objects.get(participant=canary).level == Withdrawal.Level.ERASE
    usable = Participant.objects.consenting_to(["metabolomics"], timezone.localdate())
    assert canary not in usable
    assert Participant.objects.filter(pk=canary.pk).exists()


def test_whoever_asked_does_not_approve(canary, people, site):
    both = people[0]
    both.memberships.create(site=site, role="SD")
    asked = erasure.request(canary.pk, by=both)
    with pytest.raises(RefusedErasure, match="somebody else must approve it"):
        erasure.approve(asked.pk, by=both)
    with pytest.raises(IntegrityError), transaction.atomic():
        Erasure.objects.filter(pk=asked.pk).update(approved_by=both, approved_at=timezone.now())


@pytest.mark.parametrize("role", ["LT", "AU", "SC"])
def test_only_data_managers_approve(canary, people, site, role):
    asked = erasure.request(canary.pk, by=people[0])
    with pytest.raises(NotAllowed, match="does not approve"):
        erasure.approve(asked.pk, by=user_with(role, site))


def test_a_data_manager_does_not_ask(canary, people):
    with pytest.raises(NotAllowed, match="does not ask"):
        erasure.request(canary.pk, by=people[1])
    assert not Withdrawal.objects.exists()


def test_one_erasure_of_a_participant_is_open_at_a_time(canary, people, site):
    erasure.request(canary.pk, by=people[0])
    with pytest.raises(RefusedErasure, match="open already"):
        erasure.request(canary.pk, by=people[0])
    with pytest.raises(ValidationError, match="open already"):
        Erasure(site=site, participant=canary, requested_by=people[1]).full_clean()


def test_nothing_is_removed_before_the_wait_is_over(canary, people, store):
    assert erased(canary, people, hours=23.9).state == "approved"
    assert traces(CANARY, store)
    assert Participant.objects.filter(pk=canary.pk).exists()


def test_nothing_is_removed_without_approval(canary, people):
    asked = erasure.request(canary.pk, by=people[0])
    assert erasures.execute_due(timezone.now() + timedelta(days=90)) == 0
    with pytest.raises(IntegrityError), transaction.atomic():
        Erasure.objects.filter(pk=asked.pk).update(executed_at=timezone.now())


def test_a_stopped_erasure_is_never_carried_out(canary, people):
    asked = erasure.request(canary.pk, by=people[0])
    erasure.approve(asked.pk, by=people[1])
    with pytest.raises(UnusableRequest, match="Say why"):
        erasure.stop(asked.pk, by=people[0], reason=" ")
    erasure.stop(asked.pk, by=people[0], reason="she asked to wait")
    assert erasures.execute_due(timezone.now() + timedelta(days=9)) == 0
    with pytest.raises(RefusedErasure, match="is stopped"):
        erasure.approve(asked.pk, by=user_with("CD"))
    # The withdrawal stands, so that it can be asked for again.
    assert erasure.request(canary.pk, by=people[0]).state == "requested"


def test_a_consent_signed_during_the_wait_stops_the_erasure(canary, people):
    asked = erasure.request(canary.pk, by=people[0])
    erasure.approve(asked.pk, by=people[1])
    consent.record_consent(
        canary.pk, form=None, basis="signed anew", signed_on=timezone.localdate(),
        scopes=["metabolomics"], by=None,
    )  # fmt: skip
    erasures.execute_due(timezone.now() + timedelta(hours=25))
    asked.refresh_from_db()
    assert (asked.state, asked.reason) == ("stopped", "A consent was signed after the request.")
    assert Participant.objects.filter(pk=canary.pk).exists()


def test_the_sweep_carries_out_what_is_due(canary, people, settings):
    settings.ERASURE_GRACE = timedelta(0)
    asked = erasure.request(canary.pk, by=people[0])
    erasure.approve(asked.pk, by=people[1])
    tasks.sweep()
    assert not Participant.objects.filter(code=CANARY).exists()


# --- what is gone


def test_after_an_erasure_the_code_stands_nowhere(canary, people, store):
    assert len(traces(CANARY, store)) > 5
    assert erased(canary, people).state == "executed"
    assert traces(CANARY, store) == []


def test_the_canary_search_finds_a_file_that_was_not_rewritten(canary, people, store, monkeypatch):
    """The seeded fault: an erasure that forgets the files."""
    monkeypatch.setattr(redactions, "without_person", lambda content, *_: Redacted(content))
    erased(canary, people)
    assert len(traces(CANARY, store)) == 3  # people, samples, the refused table


def test_the_canary_search_finds_a_report_that_was_not_scrubbed(canary, people, store, monkeypatch):
    monkeypatch.setattr(redactions, "_mask_uploads", lambda *_: None)
    erased(canary, people)
    assert {"cohorts_upload.report", "cohorts_upload.filename"} <= set(traces(CANARY, store))


def test_a_second_record_that_was_merged_goes_with_the_first(canary, people, store):
    first = Participant.objects.get(code="A001")
    Participant.objects.filter(pk=canary.pk).update(sex=first.sex, group=first.group)
    identity.merge(first.pk, canary.pk, reason=f"{CANARY} has the same card", by=people[0])
    assert erased(first, people).state == "executed"
    assert traces(CANARY, store) == []
    assert traces("A001", store) == []
    assert [p.code for p in Participant.objects.all()] == ["A003"]


def test_everybody_else_is_unchanged_bit_for_bit(canary, people):
    others = Participant.objects.exclude(pk=canary.pk)
    rows = AssayRow.objects.exclude(sample__participant=canary)

    def state():
        return (
            list(others.values()),
            list(rows.values()),
            list(Sample.objects.exclude(code__startswith="T2").values()),
            list(Consent.objects.filter(participant__in=others).values()),
        )

    before = state()
    erased(canary, people)
    assert state() == before
    assert AssayRow.objects.count() == 2


def test_the_other_rows_of_a_file_keep_every_byte(canary, people):
    erased(canary, people)
    kept = {u.kind: files.read(u.sha256).decode() for u in Upload.objects.filter(status="accepted")}
    assert kept["participants"] == "".join(
        line for line in PEOPLE.splitlines(keepends=True) if CANARY not in line
    )
    assert kept["samples"] == "".join(
        line for line in SAMPLES.splitlines(keepends=True) if CANARY not in line
    )
    assert kept["assays"] == ASSAYS.replace("T2,77.125,60\n", "")


def test_the_receipt_counts_and_names_nobody(canary, people):
    before = set(Upload.objects.values_list("sha256", flat=True))
    done = erased(canary, people)
    assert done.receipt["rows"] == {
        "assayrow": 1,
        "custodyevent": 2, "consent": 1, "participant": 1, "sample": 2, "withdrawal": 1,
    }  # fmt: skip
    assert {entry["before"] for entry in done.receipt["files"]} == before
    assert {entry["after"] for entry in done.receipt["files"]} == set(
        Upload.objects.values_list("sha256", flat=True)
    )
    assert done.proof["withdrawals"] == [{"level": 4, "effective_on": f"{timezone.localdate()}"}]
    assert done.proof["consents"][0]["signed_on"] == "2024-04-02"
    stone = Tombstone.objects.get()
    assert (str(stone.pk), stone.level) == (done.receipt["tombstone"], 4)


def test_the_feed_of_changes_shows_a_tombstone(canary, people):
    erased(canary, people)
    change = Change.objects.latest("pk")
    assert (change.kind, change.counts["participant"]) == ("erasure", 1)
    assert change.cause == "erasure carried out"


def test_the_files_as_sent_leave_the_store(canary, people, store):
    before = set(Upload.objects.values_list("sha256", flat=True))
    erased(canary, people)
    assert not [digest for digest in before if files.path_of(digest).exists()]
    assert {path.name for path in store.rglob("*") if path.is_file()} == set(
        Upload.objects.values_list("sha256", flat=True)
    )


def test_a_file_that_could_not_be_removed_is_swept_later(canary, people, store, monkeypatch):
    monkeypatch.setattr(redactions, "remove_replaced", lambda: None)
    erased(canary, people)
    assert traces(CANARY, store)
    monkeypatch.undo()
    erasures.execute_due()
    assert Erasure.objects.with_files_to_remove().count() == 0


def test_an_erasure_that_fails_changes_nothing(canary, people, store, monkeypatch):
    def full(_content):
        raise OSError("no space left on device")

    monkeypatch.setattr(files, "store", full)
    assert erased(canary, people).state == "approved"
    assert Participant.objects.filter(pk=canary.pk).exists()
    assert Upload.objects.get(status="accepted", kind="participants").report["faults"] == []
    monkeypatch.undo()


def test_the_erased_file_is_not_taken_again(canary, people, site, store):
    erased(canary, people)
    with pytest.raises(UnusableRequest, match="export the table again without them"):
        send(site, "participants", PEOPLE)
    assert traces(CANARY, store) == []


def test_a_refused_table_speaks_of_the_erased_as_of_strangers(canary, people, site):
    def words(code, sample):
        table = f"sample,participant,material\n{sample},{code},plasma\n"
        (fault,) = send(site, "samples", table).report["faults"]
        return fault["text"].replace(code, "X")

    stranger = words("Q7777", "T70")
    erasure.request(canary.pk, by=people[0])
    assert words(CANARY, "T71") == stranger
    erasure.approve(Erasure.objects.get().pk, by=people[1])
    erasures.execute_due(timezone.now() + timedelta(hours=25))
    assert words(CANARY, "T72") == stranger


def test_another_sites_participant_of_the_same_code_stays(canary, people):
    other = ParticipantFactory(code=CANARY, site=SiteFactory(code="TYO"))
    change = Change.objects.record(
        study=other.site.study, site=other.site, kind="samples", counts={}, cause=f"table {CANARY}"
    )
    erased(canary, people)
    assert list(Participant.objects.filter(code=CANARY)) == [other]
    change.refresh_from_db()
    assert change.cause == f"table {CANARY}"


# --- files of every kind

MARKS = Marks({"participant": frozenset({"P1"}), "sample": frozenset({"S1"})})


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "cp932"])
@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_text_keeps_its_encoding_separator_and_line_ends(codec, separator):
    lines = ["participant,tube,note", "P1,EDTA,x", 'P10,EDTA,"a ""b""\r\nc"', "P2,採血管,血漿"]
    text = "\r\n".join(lines).replace(",", separator) + "\r\n"
    kept = "\r\n".join([lines[0], *lines[2:]]).replace(",", separator) + "\r\n"
    done = without_person(text.encode(codec), "t.csv", MARKS)
    assert done == Redacted(kept.encode(codec), frozenset({2}), "rows removed")


def test_a_workbook_becomes_csv():
    book, out = openpyxl.Workbook(), io.BytesIO()
    for row in (["sample", "arginine"], ["S1", 1.5], ["S2", 2.5]):
        book.active.append(row)
    book.save(out)
    done = without_person(out.getvalue(), "t.xlsx", MARKS)
    assert done.content.decode().splitlines() == ["sample,arginine", "S2,2.5"]
    assert (done.rows, done.how) == (frozenset({2}), "rewritten as CSV")


def test_another_sheet_that_names_the_person_goes():
    book, out = openpyxl.Workbook(), io.BytesIO()
    for row in (["sample", "arginine"], ["S2", 2.5]):
        book.active.append(row)
    book.create_sheet("key").append(["S1", "P1"])
    book.save(out)
    done = without_person(out.getvalue(), "t.xlsx", MARKS)
    assert done.content.decode().splitlines() == ["sample,arginine", "S2,2.5"]


def test_a_file_whose_samples_are_columns_is_told_as_the_table_that_was_read(monkeypatch):
    table = read_table(b"sample,arginine\nS1,1\nS2,2\n")
    monkeypatch.setattr(redaction, "known_format", lambda *_args, **_options: Mock(table=table))
    done = without_person(b"#METABOLOMICS WORKBENCH\nSamples\tS1\tS2\n", "t.txt", MARKS)
    assert done.content.decode().splitlines() == ["sample,arginine", "S2,2"]
    assert done.how == "rewritten as CSV"


def test_a_number_that_equals_a_code_is_not_a_person():
    marks = Marks({"participant": frozenset({"12"}), "sample": frozenset()})
    table = b"participant,age_years\n11,12\n12,40\n"
    assert without_person(table, "t.csv", marks).content == b"participant,age_years\n11,12\n"


def test_a_code_in_another_cell_is_masked():
    table = b"participant,note\nP2,sister of P1\nP3,like P10\n"
    kept = b"participant,note\nP2,sister of [erased]\nP3,like P10\n"
    assert without_person(table, "t.csv", MARKS).content == kept


def test_a_file_that_sites_share_keeps_the_other_sites_person():
    marks = Marks(MARKS.codes, {"participant": {"id"}}, {"cohort": ["a"]})
    table = b"id,cohort\nP1,a\nP1,b\n"
    assert without_person(table, "t.csv", marks).content == b"id,cohort\nP1,b\n"


@pytest.mark.parametrize(
    ("content", "after"),
    [
        (b"%PDF-1.7 P1", b""),
        (b"\x1f\x8b\x00", b""),
        (b"participant\nP1,1,2\n", b""),
        (b"participant\nP2,1,2\n", b"participant\nP2,1,2\n"),
        (b"", b""),
    ],
)
def test_a_file_without_a_readable_table_is_emptied_unless_it_clearly_names_nobody(content, after):
    assert without_person(content, "t", MARKS).content == after


TOML = """
title = "Two towns"
platform = "GC-MS"
material = "serum"
consent = { scopes = ["store_samples", "metabolomics"], signed_on = 2020-01-01, basis = "open" }
[[site]]
code = "NOR"
name = "Northtown"
where = { town = "north" }
[[site]]
code = "SOU"
name = "Southtown"
where = { town = "south" }
[participants]
file = "people.csv"
defaults = { enrolled_on = 2020-01-01 }
columns = { participant = "id", sex = "gender", group = "ill" }
[samples]
file = "people.csv"
columns = { sample = "tube", participant = "id" }
[[assays]]
site = "NOR"
file = "north.csv"
sample = "tube"
unit = "relative"
[plan]
case = ["ill"]
control = ["well"]
"""
TOWNS = "id,tube,town,gender,ill\n77,tn1,north,M,ill\n78,77,north,F,well\n77,ts1,south,f,ill\n"


def test_of_an_imported_study_the_right_rows_of_the_right_site_go(reference, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    tables = {"study.toml": TOML, "people.csv": TOWNS, "north.csv": "tube,f1\ntn1,1.5\n77,2.5\n"}
    for name, text in tables.items():
        (folder / name).write_text(text, encoding="utf-8")
    call_command("import_study", str(folder))
    person = Participant.objects.get(code="77", site__code="NOR")
    erased(person, (user_with("SC", person.site), user_with("SD", person.site)))
    kept = {(u.site.code, u.filename): files.read(u.sha256).decode() for u in Upload.objects.all()}
    # The tube 77 is somebody else's, and so is the participant 77 of the other town.
    assert kept["NOR", "people.csv"] == TOWNS.replace("77,tn1,north,M,ill\n", "")
    assert kept["SOU", "people.csv"] == kept["NOR", "people.csv"]
    assert kept["NOR", "north.csv"] == "tube,f1\n77,2.5\n"
    with pytest.raises(SystemExit):
        call_command("import_study", str(folder))
    assert Participant.objects.count() == 2


# --- the doors


def test_the_portals_withdrawal_page_asks_for_the_erasure(canary, people, browse):
    said = {"participant": CANARY, "level": 4, "note": ""}
    page = browse(people[0]).post("/sites/FUK/withdrawal/", said, follow=True)
    assert "the approval of a data manager" in page.content.decode()
    assert Erasure.objects.get().requested_by == people[0]
    # The consortium's data manager is told as well, and opens a request all the same.
    browse(user_with("CD")).post("/sites/FUK/withdrawal/", said | {"participant": "A001"})
    assert Withdrawal.objects.get(participant__code="A001").level == 4
    assert Erasure.objects.open().count() == 2


def test_the_command_asks_approves_and_stops(canary, people, capsys):
    asker, approver = (person.username for person in people)
    call_command("erase", "FUK", CANARY, by=asker)
    call_command("erase", "FUK", CANARY, by=approver, approve=True)
    call_command("erase", "FUK", CANARY, by=approver, stop=True, reason="asked to wait")
    with pytest.raises(SystemExit):
        call_command("erase", "FUK", CANARY, by=approver, stop=True, reason="again")
    assert Erasure.objects.get().state == "stopped"
    assert f"No erasure of {CANARY} is open" in capsys.readouterr().err


def test_the_api_tells_the_state_and_then_the_receipt(canary, people, api):
    asker, approver = people
    api.force_authenticate(asker)
    body = {"site": "FUK", "participant": CANARY}
    made = api.post("/api/v1/erasures", body, format="json")
    assert (made.status_code, made.json()["state"]) == (201, "requested")
    assert api.post("/api/v1/erasures", body, format="json").status_code == 409
    path = f"/api/v1/erasures/{made.json()['id']}"
    api.force_authenticate(approver)
    approved = api.post(f"{path}/approve").json()
    assert approved["approved_by"] == approver.username
    assert approved["due_at"] > approved["approved_at"]
    erasures.execute_due(timezone.now() + timedelta(hours=25))
    told = api.get(path).json()
    assert (told["state"], told["participant"]) == ("executed", None)
    assert told["receipt"]["rows"]["participant"] == 1
    assert CANARY not in api.get("/api/v1/changes").content.decode()


def test_the_consortiums_data_manager_approves_in_the_admin(canary, people, browse):
    asked = erasure.request(canary.pk, by=people[0])
    steward = user_with("CD")
    form = {"action": "approve", "_selected_action": [asked.pk]}
    page = browse(steward).post("/admin/cohorts/erasure/", form, follow=True)
    assert "is approved" in page.content.decode()
    asked.refresh_from_db()
    assert asked.approved_by == steward
    again = browse(steward).post("/admin/cohorts/erasure/", form, follow=True)
    assert "approved already" in again.content.decode()


def test_a_withdrawal_of_level_4_over_the_api_opens_the_request(canary, people, api):
    api.force_authenticate(user_with("CD"))
    body = {"site": "FUK", "participant": CANARY, "level": 4}
    assert api.post("/api/v1/withdrawals", body, format="json").json()["meaning"] == "erase"
    assert Erasure.objects.get().state == "requested"
    again = api.post("/api/v1/withdrawals", body, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "erasure_refused")


def test_the_page_approves_and_stops(canary, people, browse):
    asked = erasure.request(canary.pk, by=people[0])
    asker, approver = browse(people[0]), browse(people[1])
    decide = f"/erasures/{asked.pk}/"
    assert "Approve<" not in asker.get("/sites/FUK/erasures/").content.decode()
    assert "Approve<" in approver.get("/sites/FUK/erasures/").content.decode()
    words = asker.post(decide, {"approve": 1}, follow=True).content.decode()
    assert "You asked for this erasure; somebody else must approve it." in words
    assert (
        "Approved; it is carried out after"
        in approver.post(decide, {"approve": 1}, follow=True).content.decode()
    )
    assert "Say why the erasure is stopped" in approver.post(decide, follow=True).content.decode()
    said = {"reason": "asked to wait"}
    assert "Stopped." in approver.post(decide, said, follow=True).content.decode()


# --- the ledger


def test_an_erased_code_is_not_enrolled_anew_by_a_changed_file(canary, people, site):
    erased(canary, people)
    changed = PEOPLE.replace("27,1.0", "28,1.0").replace("A003", "A004")
    (fault,) = [
        f for f in send(site, "participants", changed).report["faults"] if CANARY in f["text"]
    ]
    assert f'"{CANARY}" is not a participant of FUK and cannot be enrolled' in fault["text"]
    assert not Participant.objects.filter(code=CANARY).exists()


def test_a_restored_person_is_erased_again_from_the_ledger(canary, people, store, capsys):
    erased(canary, people)
    stone = Tombstone.objects.get()
    line = settings.ERASURE_LEDGER.read_text()
    assert CANARY not in line
    # As a backup of before would be: the person is there, and no tombstone.
    Tombstone.objects.all().delete()
    Erasure.objects.all().delete()
    back = ParticipantFactory(site=canary.site, code=CANARY)
    ParticipantFactory(site=canary.site, code=f"{CANARY}1")
    call_command("replay_erasures")
    assert "1 of the ledger were in this database" in capsys.readouterr().out
    assert not Participant.objects.filter(pk=back.pk).exists()
    assert Participant.objects.filter(code=f"{CANARY}1").exists()
    assert Tombstone.objects.get().pk == stone.pk
    assert Erasure.objects.get().replayed
    call_command("replay_erasures")
    assert "0 of the ledger were in this database" in capsys.readouterr().out


def test_a_damaged_ledger_stops_the_replay(site, capsys):
    settings.ERASURE_LEDGER.write_text("{}\n")
    with pytest.raises(SystemExit):
        call_command("replay_erasures")
    assert "line 1: not a line of the ledger of erasures" in capsys.readouterr().err


def test_the_ledger_keeps_the_tombstone_of_somebody_whom_the_backup_lacks(canary, people):
    erased(canary, people)
    Tombstone.objects.all().delete()
    assert erasures.replay() == (0, 1)
    assert ledger.erased_at(canary.site)(CANARY)
