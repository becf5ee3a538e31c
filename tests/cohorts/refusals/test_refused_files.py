"""Files that are no table: each refusal in the whole sentence that a person reads."""

from __future__ import annotations

import io
import zipfile

import pytest

from cohorts.ingest import reading
from cohorts.ingest.encodings import recoded
from cohorts.ingest.reading import UnreadableFile, read_table
from cohorts.ingest.sheets import opendocument, workbook
from tests.cohorts.test_opendocument import NUMBER, OPEN, WORD, open_document
from tests.cohorts.test_reading import repacked, saved

RAGGED = b"a,b\n" + b"1\n" * 7


def refusal(read, *args, **more):
    with pytest.raises(UnreadableFile) as refused:
        read(*args, **more)
    return refused.value.message


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\x1f\x8b\x08\x00x", "t.csv is a gzip archive; export the table as CSV or .xlsx."),
        (
            b"<html><table>",
            "t.csv is a web page, whatever its name says; export the table as CSV or .xlsx.",
        ),
        (b"PAR1xxxx", "t.csv is a Parquet file; export the table as CSV or .xlsx."),
        (
            b"a,b\n1,x\x07\n",
            "t.csv is not text: line 2 has a control character; export it as CSV in UTF-8.",
        ),
        (b"a\x00\x01b", "t.csv is not a text file; export the table as CSV or .xlsx."),
        (b"\xff\xfea\x00\n\xd8x", "t.csv starts as UTF-16 but byte 4 does not belong; save it ag"),
        (b"\n,\na,b\n1,2\n", "t.csv: row 1 is empty; it must hold the names of the columns."),
        (
            b'a,b\n"1,2\n',
            "t.csv is not a well-formed table (unexpected end of data); look for an unclosed quote",
        ),
        (RAGGED, "row 6 has 1 and 2 more rows; put quotes around cells that hold the separator"),
        (b"a,,b\n1,2,3\n", "t.csv: column 2 has values but no name; name it in row 1."),
        (b"x" * 201 + b",b\n1,2\n", "t.csv: the name of column 1 is over 200 letters; cut it."),
        (b"a,a\n1,2\n", "t.csv: two columns are named a; give each its own name."),
    ],
)
def test_what_is_no_table_is_refused_in_its_sentence(content, sentence):
    assert sentence in refusal(read_table, content, filename="t.csv")


def test_a_table_of_semicolons_says_so():
    assert read_table("a;µ\n1;2\n".encode()).note == "Cells are separated by semicolons."


def test_a_choice_of_encoding_that_does_not_fit_is_refused_with_its_line():
    assert refusal(recoded, b"a,b\nx,\x81\x81\x01\n", "Windows-1252", "t.csv") == (
        "t.csv is not Windows-1252: line 2 does not fit; choose another encoding."
    )


def test_what_is_over_the_limits_is_refused(monkeypatch):
    monkeypatch.setattr(reading, "MAX_CELLS", 3)
    text = "a,b\nä,2\n3,4\n".encode()
    assert refusal(read_table, text, filename="t.csv") == (
        "t.csv has over 3 cells; split it by rows."
    )
    monkeypatch.setattr(reading, "MAX_BYTES", 2**20)
    assert refusal(read_table, b"a," * 2**20, filename="t.csv") == (
        "t.csv is over 1 MB; split it by rows."
    )


# --- workbooks


def cut(content, old, new):
    """A zip whose bytes are changed behind the back of its directory."""
    assert old in content
    return content.replace(old, new, 1)


def stored(content):
    """The workbook with its parts as they are, not packed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return out.getvalue()


BOOK = saved(("sample", "value"), ("S-1", 0.5))
NO_SHEET = repacked(
    BOOK,
    lambda name, part: b"<workbook/>" if name == "xl/workbook.xml" else part,
)
UNREADABLE = "t.xlsx is not a readable .xlsx workbook; save it again."


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (cut(stored(BOOK), b"0.5", b"0.7"), "Bad CRC-32 for file"),
        (NO_SHEET, "the workbook lists no sheet"),
    ],
)
def test_a_damaged_workbook_is_refused_and_its_cause_kept_for_the_log(content, cause):
    with pytest.raises(UnreadableFile) as refused:
        read_table(content, filename="t.xlsx")
    assert refused.value.message == UNREADABLE
    assert cause in str(refused.value.__cause__)


def test_a_workbook_with_a_control_character_is_refused_with_its_row():
    odd = repacked(BOOK, lambda _name, part: part.replace(b"S-1", b"S_x0007_1"))
    assert refusal(read_table, odd, filename="t.xlsx") == (
        "t.xlsx: row 2 has a control character; type the row anew."
    )


def test_a_cell_far_outside_of_a_workbook_is_refused(monkeypatch):
    monkeypatch.setattr(workbook, "MAX_CELLS", 3)
    assert refusal(read_table, BOOK, filename="t.xlsx") == (
        "t.xlsx spans 2 rows by 2 columns; delete what stands far outside the table, or send "
        "it as CSV."
    )
    assert refusal(workbook.put, [["a"]], 3, 3, "#N/A", "t.xlsx") == (
        "t.xlsx has a cell far outside the table; delete it."
    )


# --- open documents


GOOD = ("", WORD.format("a") + NUMBER.format(""))
ERROR = (
    '<table:table-cell table:number-columns-repeated="9" table:formula="of:=1/0" '
    'office:value-type="string" calcext:value-type="error"><text:p>#DIV/0!</text:p>'
    "</table:table-cell>"
)


def test_an_open_document_that_asks_for_all_memory_is_refused(monkeypatch):
    monkeypatch.setattr(opendocument, "MAX_REPEATED", 8)
    assert refusal(read_table, open_document(("", ERROR)), filename="t.ods") == (
        "t.ods: row 2 repeats #DIV/0! in 9 cells; delete them."
    )
    monkeypatch.setattr(opendocument, "MAX_CELLS", 3)
    assert refusal(read_table, open_document(GOOD), filename="t.ods") == (
        "t.ods spans 2 rows by 2 columns; delete what stands far outside the table, or send "
        "it as CSV."
    )


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"add": {"Basic/x.xml": "<x/>"}}, "t.ods has macros; save it as .ods without them."),
        (
            {"manifest": "<encryption-data/>"},
            "t.ods is protected by a password; save it without one.",
        ),
        (
            {"add": {"styles.xml": "<!DOCTYPE x><x/>"}},
            "t.ods declares a document type in styles.xml; save it again.",
        ),
    ],
)
def test_a_harmful_open_document_is_refused_in_its_sentence(more, sentence):
    assert refusal(read_table, open_document(GOOD, **more), filename="t.ods") == sentence


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (cut(open_document(GOOD), b'"0.125"', b'"0.126"'), "Bad CRC-32 for file"),
        (
            open_document((' table:number-rows-repeated="many"', WORD.format("a"))),
            "a repeat count is no number",
        ),
    ],
)
def test_a_damaged_open_document_is_refused_and_its_cause_kept_for_the_log(content, cause):
    with pytest.raises(UnreadableFile) as refused:
        read_table(content, filename="t.ods")
    assert refused.value.message == "t.ods is not a readable .ods workbook; save it again."
    assert cause in str(refused.value.__cause__)


def test_a_directory_that_leads_outside_of_its_archive_is_named():
    # A directory that says of a part that it begins before the archive's first byte.
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a", OPEN)
    with pytest.raises(zipfile.BadZipFile, match="a part begins before the archive"):
        workbook.open_archive(out.getvalue()[4:])
