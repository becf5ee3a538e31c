"""Files of every kind lose the rows of the person, and keep all others."""

from __future__ import annotations

import io
from unittest.mock import Mock

import openpyxl
import pytest
from django.core.management import call_command

from cohorts.ingest import redaction
from cohorts.ingest.reading import read_table
from cohorts.ingest.redaction import Marks, Redacted, without_person
from cohorts.models import (
    Participant,
    Upload,
)
from cohorts.services.tables import files
from tests.cohorts.erasing.canaries import (
    erased,
)
from tests.factories import user_with

pytestmark = pytest.mark.django_db


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
