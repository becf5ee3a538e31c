"""An encoding is certain or asked for; commas and a spreadsheet's damage are found and named."""

from __future__ import annotations

from datetime import date

import pytest

from cohorts.errors import UnusableRequest
from cohorts.ingest.cells import BadCell, parse_moment
from cohorts.ingest.checking import check_file, read_file
from cohorts.ingest.encodings import UndecidedEncoding
from cohorts.ingest.facts import SiteFacts
from cohorts.ingest.reading import UnreadableFile
from cohorts.models import Participant, Sample, Upload
from cohorts.services.tables import two_steps
from cohorts.services.tables.sent_tables import SentTable
from tests.cohorts.test_uploads import PLASMA, SAMPLES, enrolled, send
from tests.factories import SiteFactory, user_with

HEAD = "sample,tube\n"


def tube(content, encoding=""):
    return read_file("samples", content, "t.csv", encoding).frame["tube"].tolist()


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("採血管", "cp932"),
        ("5 µmol", "cp1252"),
        ("管", "utf-16-le"),
        ("tube é", "utf-16-be"),
        ("管", "utf-8-sig"),
    ],
)
def test_a_certain_encoding_is_read_as_it_is(text, codec):
    assert tube(f'{HEAD}T1,"{text}"\n'.encode(codec)) == [text]


def test_an_uncertain_encoding_is_asked_for_with_a_line_of_each():
    content = f"{HEAD}T1,ｱﾙｷﾞﾆﾝ\n".encode("cp932")
    with pytest.raises(UndecidedEncoding, match="Say which it is") as question:
        tube(content)
    assert dict(question.value.choices)["Shift_JIS"] == "T1,ｱﾙｷﾞﾆﾝ"
    assert tube(content, "Shift_JIS") == ["ｱﾙｷﾞﾆﾝ"]


def test_a_choice_that_does_not_fit_is_refused():
    content = f"{HEAD}T1,Größe\n".encode("cp1252")
    with pytest.raises(UnreadableFile, match=r"t\.csv is not UTF-8: line 2 does not fit"):
        tube(content, "UTF-8")
    with pytest.raises(UnreadableFile, match="choose UTF-8, Shift_JIS, Windows-1252, UTF-16"):
        tube(content, "EBCDIC")


def numbers(text):
    return read_file("assays", text.encode(), "a.csv").frame["a"].tolist()


def test_consistent_decimal_commas_are_read_as_points():
    assert numbers("sample;a\nT1;1,5\nT2;<0,25\nT3;2\nT4;\n") == ["1.5", "<0.25", "2", ""]


@pytest.mark.parametrize("rows", ["T1;1,5;2\nT2;1,5;2.5\n", "T1;1,500;2\nT2;12,500;3\n"])
def test_commas_that_may_mean_something_else_stay(rows):
    assert "," in numbers(f"sample;a;b\n{rows}")[0]


def test_how_a_table_was_read_is_told_where_it_may_be_wrong():
    def told(number):
        content = f"sample;participant;material;fasting_hours\nT1;P;serum;{number}\n".encode()
        facts = SiteFacts("FUK", date(2026, 1, 1))
        return check_file("samples", content, "t.csv", lambda: facts, {}).report.warnings

    assert [w.message for w in told("8,5")] == [
        "Numbers have a decimal comma: 1,5 was read as 1.5."
    ]
    assert told("8") == ()


@pytest.mark.parametrize("cell", ["45000", "45000.395833"])
def test_a_time_that_a_spreadsheet_keeps_as_a_number_is_named(cell):
    with pytest.raises(BadCell, match=r"how a spreadsheet stores a date \(2023-03-15,"):
        parse_moment(cell)


# --- what a person meets


@pytest.fixture
def site(reference):
    return SiteFactory(code="FUK")


@pytest.mark.django_db
def test_a_person_chooses_the_encoding_and_the_table_is_checked_again(site, browse):
    enrolled(site)
    text = "sample,participant,material,tube\nT8,F001,plasma,ｱﾙｷﾞﾆﾝ\n"
    client = browse(user_with("SC", site))
    sent = SentTable("samples", text.encode("cp932"), "tubes.csv")
    upload = two_steps.check(site, sent, by=None)
    page = client.get(f"/uploads/{upload.pk}/").content.decode()
    assert "Which line reads right?" in page
    assert "T8,F001,plasma,ｱﾙｷﾞﾆﾝ" in page
    client.post(f"/uploads/{upload.pk}/encoding/", {"encoding": "Shift_JIS"})
    upload.refresh_from_db()
    assert upload.status == Upload.Status.CHECKED
    two_steps.accept(upload.pk, by=None)
    assert Sample.objects.get(code="T8").tube == "ｱﾙｷﾞﾆﾝ"
    with pytest.raises(UnusableRequest, match="its encoding no longer matters"):
        two_steps.choose_encoding(upload.pk, "UTF-8", by=None)


@pytest.mark.django_db
def test_an_encoding_that_is_none_is_refused_before_the_file_is_stored(site):
    with pytest.raises(UnusableRequest, match="'EBCDIC' is not an encoding; choose one of UTF-8"):
        send(site, "samples", SAMPLES, encoding="EBCDIC")
    assert not Upload.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["2-Sep", "Mar-01", "2.31E+13", "2024-09-02"])
def test_a_name_that_a_spreadsheet_ate_is_named(site, name):
    enrolled(site)
    upload = send(site, "assays", f"sample,{name}\nT1,5\n", **PLASMA)
    assert upload.report["faults"][0]["text"].startswith(
        f'column {name}: "{name}" is a name that a spreadsheet turned into a date or a number'
    )


@pytest.mark.django_db
def test_lost_leading_zeros_are_named(site):
    enrolled(site)
    Participant.objects.filter(code="F001").update(code="0017")
    upload = send(site, "samples", "sample,participant,material\nT9,17,plasma\n")
    assert (
        '"17" is not a participant of FUK (a spreadsheet has taken its leading zeros: it is '
        '"0017"; format the column as text)' in upload.report["faults"][0]["text"]
    )
