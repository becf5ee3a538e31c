import io
import zipfile
from datetime import UTC, date, datetime

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohorts.ingest.reading import AsNumbers, UnreadableFile, read_table
from cohorts.ingest.sheets import workbook
from tests.cohorts.ingest_books import as_csv


def saved(*rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def repacked(content, replace=None, add=None):
    """A workbook with a part changed by ``replace(name, bytes)`` and parts added."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            part = old.read(name)
            new.writestr(name, replace(name, part) if replace else part)
        for name, part in (add or {}).items():
            new.writestr(name, part)
    return out.getvalue()


def cells(table):
    return [list(table.frame.columns), *table.frame.to_numpy().tolist()]


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_the_separator_is_told_from_the_content(delimiter):
    text = "sample;1,2-diol\nS-1;3\nS-2;4\n".replace(";", delimiter)
    if delimiter == ",":
        text = text.replace("1,2-diol", '"1,2-diol"')
    assert cells(read_table(text.encode())) == [["sample", "1,2-diol"], ["S-1", "3"], ["S-2", "4"]]


def test_rows_are_numbered_as_a_spreadsheet_numbers_them():
    table = read_table(b'a,b\n"two\nlines",1\n,\n\nx,2\n')
    assert table.frame.index.tolist() == [2, 5]


@pytest.mark.parametrize(
    ("codec", "encoding"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8"),
        ("utf-16", "UTF-16"),
        ("utf-32", "UTF-32"),
        ("cp932", "Shift_JIS"),
    ],
)
def test_a_japanese_table_reads_the_same_in_every_certain_encoding(codec, encoding):
    table = read_table("検体,材料\nS-1,血漿テスト\n".encode(codec))
    assert cells(table) == [["検体", "材料"], ["S-1", "血漿テスト"]]
    assert table.encoding == encoding


def test_a_western_micro_sign_before_a_unit_is_certain():
    table = read_table("sample,arginine [µmol/L]\nS-1,3\n".encode("cp1252"))
    assert table.columns == ["sample", "arginine [µmol/L]"]


@pytest.mark.parametrize(
    ("tube", "codec"),
    [
        *(("café", codec) for codec in ("cp1252", "mac_roman", "cp1250")),
        *(("血清", codec) for codec in ("euc_jp", "gb18030", "big5")),
    ],
)
def test_an_uncertain_encoding_is_refused_with_its_line(tube, codec):
    content = f"sample,tube\nS-1,{tube}\n".encode(codec)
    with pytest.raises(UnreadableFile, match=r"line 2 is not UTF-8 .* save the table as CSV UTF-8"):
        read_table(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"%PDF-1.7 a,b", "is a PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "old .xls or a password-protected"),
        (b"<html><table><tr><td>a</td></tr></table>", "is a web page"),
        (b"a,b\n1,\x002\n", "not a text file"),
        (b"a,b\n1,\x1b[31m\n", "line 2 has a control character"),
        (b"a,b\n", "has a header but no rows"),
        (b"\na,b\n1,2\n", "row 1 is empty"),
        (b"a,a\n1,2\n", "two columns are named a"),
        (b"a,\n1,2\n", "column 2 has values but no name"),
        (b"a,b\n1,2\n1,2,3\n", "the header has 2 cells, but row 3 has 3"),
        (b"a,b\n1,2\n1\n", "the header has 2 cells, but row 3 has 1"),
        (b'a,b\n1,"2\n', "unclosed quote"),
        (b"PK\x03\x04 and no more", "not a readable .xlsx"),
    ],
)
def test_what_is_not_a_table_is_refused_in_words(content, message):
    with pytest.raises(UnreadableFile, match=message):
        read_table(content, filename="sent.csv")


def test_an_empty_last_column_that_a_spreadsheet_left_is_dropped():
    assert cells(read_table(b"a,b,\n1,2,\n")) == [["a", "b"], ["1", "2"]]


def test_a_workbook_gives_text_numbers_and_iso_dates():
    content = saved(
        ["sample", "day", "time", "value", "count", "yes"],
        ["007", date(2024, 1, 2), datetime(2024, 1, 2, 9, 30), 0.125, 3, True],  # noqa: DTZ001
    )
    assert cells(read_table(content))[1] == [
        "007",
        "2024-01-02",
        "2024-01-02T09:30:00",
        "0.125",
        "3",
        "true",
    ]


def test_an_error_and_an_uncomputed_formula_are_shown_not_empty():
    content = saved(["sample", "a", "b"], ["S-1", "#N/A", "=1+1"], ["S-2", 1, 2])
    row = cells(read_table(content))[1]
    assert row == ["S-1", "#N/A", "=1+1"]


def test_blank_rows_of_a_workbook_still_count():
    table = read_table(saved(["a"], ["x"], [None], ["y"]))
    assert table.frame.index.tolist() == [2, 4]


def test_other_sheets_are_named_in_the_note():
    book = openpyxl.Workbook()
    book.active.append(["a"])
    book.active.append(["x"])
    book.create_sheet("second")
    out = io.BytesIO()
    book.save(out)
    assert read_table(out.getvalue()).note == 'Read sheet "Sheet"; 1 other sheets left out.'


def test_a_workbook_with_macros_is_refused():
    content = repacked(saved(["a"], ["x"]), add={"xl/vbaProject.bin": b"macro"})
    with pytest.raises(UnreadableFile, match=r"has macros; save it as \.xlsx without them"):
        read_table(content)


def test_a_bomb_is_refused_from_the_directory_alone(monkeypatch):
    monkeypatch.setattr(workbook, "MAX_UNCOMPRESSED", 2**20)
    content = repacked(saved(["a"], ["x"]), add={"xl/media/zeros.bin": b"\0" * 2**21})
    with pytest.raises(UnreadableFile, match="would unpack to 2 MB"):
        read_table(content)


def test_a_part_that_compresses_beyond_reason_is_refused():
    content = repacked(saved(["a"], ["x"]), add={"xl/media/zeros.bin": b"\0" * (8 * 2**20)})
    with pytest.raises(UnreadableFile, match="over what is read"):
        read_table(content)


def test_one_cell_in_the_far_corner_does_not_fill_the_memory():
    def far(name, part):
        return part.replace(b'r="A2"', b'r="XFD1048576"') if name.endswith("sheet1.xml") else part

    with pytest.raises(UnreadableFile, match="spans 1,048,576 rows by 16,384 columns"):
        read_table(repacked(saved(["a"], ["x"]), replace=far))


def test_a_document_type_is_refused():
    def declared(name, part):
        if not name.endswith("sheet1.xml"):
            return part
        return b'<!DOCTYPE x [<!ENTITY a "b">]>' + part

    with pytest.raises(UnreadableFile, match="declares a document type"):
        read_table(repacked(saved(["a"], ["x"]), replace=declared))


def test_a_zip_that_is_no_workbook_is_refused():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("data.csv", "a,b\n1,2\n")
    with pytest.raises(UnreadableFile, match=r"a zip archive but not an \.xlsx"):
        read_table(out.getvalue())


def test_a_time_from_a_spreadsheet_loses_its_rounding_noise():
    moment = datetime(2024, 1, 2, 9, 29, 59, 999_999, tzinfo=UTC).replace(tzinfo=None)
    assert workbook.as_text(moment) == "2024-01-02T09:30:00"


texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp", "Cn"]),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=6))
def test_every_cell_comes_back_as_it_was_written(rows):
    filled = [row for row in rows if any(cell.strip() for cell in row)]
    content = as_csv(["a", "b", "c"], *rows)
    if not filled:
        with pytest.raises(UnreadableFile, match="no rows"):
            read_table(content)
        return
    assert cells(read_table(content))[1:] == [[cell.strip() for cell in row] for row in filled]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 200))
def test_no_bytes_do_worse_than_a_refusal(noise, at):
    good = saved(["a", "b"], ["x", 1]) if at % 4 == 0 else b"a,b\nx,1\ny,2\n"
    content = good[: at % len(good)] + noise + good[at % len(good) + len(noise) :]
    try:
        n_rows = read_table(content).n_rows
    except UnreadableFile:
        return
    assert n_rows


@pytest.mark.parametrize(
    "odd", ["<LOD", "nan", "inf", "1e400", "1e-400", "0x10", "1_0", "0." + "0" * 330 + "1", "1,5"]
)
def test_numbers_are_read_at_once_unless_a_cell_is_more_than_a_plain_number(odd):
    def numbers(cell: str):
        content = f"sample\ta\tb\nT1\t1.5\t0\nT2\t\t{cell}\n".encode()
        return read_table(content, as_numbers=AsNumbers(lambda header: header == "sample")).numbers

    plain = numbers("-2e5")
    assert plain is not None
    assert plain.names == ("a", "b")
    assert plain.values.tolist()[0] == [1.5, 0.0]
    assert plain.values[1, 1] == -2e5
    assert numbers(odd) is None


@pytest.mark.parametrize(
    "content", [b"a,b\n1,2\n\n3,4\n", b"a\n1\n\n3\n", b"a,b\r\n1,2\r\n\r\n3,4\r\n"]
)
def test_a_blank_line_of_a_plain_table_counts_and_is_left_out(content):
    table = read_table(content)
    assert table.frame.index.tolist() == [2, 4]
    assert table.frame["a"].tolist() == ["1", "3"]
