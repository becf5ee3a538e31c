"""The quick ways through a spreadsheet find what the slow ones find, and leave the rest to them."""

from __future__ import annotations

import io
import re
import zipfile

import numpy as np
import openpyxl
import pytest

from cohorts.ingest.plain_numbers import AsNumbers
from cohorts.ingest.reading import UnreadableFile, read_table
from cohorts.ingest.remarks import as_xlsx
from cohorts.ingest.sheets import opendocument_extent, sheet_extent, sheet_formulas, workbook

SHEET = '<worksheet xmlns="http://x"><sheetData>{}</sheetData></worksheet>'
AS_NUMBERS = AsNumbers(lambda name: name if name in ("sample", "batch") else "")


def sheet_of(rows):
    book, out = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(out)
    return out.getvalue()


@pytest.mark.parametrize(
    "cells",
    [
        '<row r="1"><c r="A1"/><c r="B1" s="2"><v>1</v></c></row>',
        '<row r="7"><c r="AA7"><v>1</v></c></row><row r="2"><c r="XFD2"/></row>',
        '<row><c s="1" r="C9"/><c r="A2"/></row>',
        "<row><c r = 'D3'/></row>",
        "<row><c/><c><v>1</v></c></row><cols><col/></cols>",
        '<x:row><x:c r="Z1048576"/></x:row>',
        "<row/>",
    ],
)
def test_the_reach_of_a_sheet_is_that_of_its_cells(cells):
    xml = SHEET.format(cells).encode()
    places = re.findall(rb"c[ ][^>]*?r\s*=\s*[\"']([A-Z]+)([0-9]+)", xml)
    rows = max((int(row) for _, row in places), default=0)
    columns = max((sheet_extent.column_number(letters) for letters, _ in places), default=0)
    assert sheet_extent.extent(xml) == (rows, columns)


def test_the_reach_is_told_across_the_pieces_in_which_a_large_sheet_is_looked_through(monkeypatch):
    cells = "".join(f'<c r="B{n}"><v>{n}</v></c>' for n in range(1, 400))
    for piece in range(40, 60):
        monkeypatch.setattr(sheet_extent, "_PIECE", piece)
        assert sheet_extent.extent(SHEET.format(cells).encode()) == (399, 2)


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ('<c r="B3"><f>A1*2</f></c>', [(2, 1, "=A1*2")]),
        ('<c r="B3"><f>A1&lt;2</f><v/></c>', [(2, 1, "=A1<2")]),
        ('<c r="B3"><f>A1*2</f><v>4</v></c>', []),
        ('<c r="B3" t="str"><f>A1</f><v></v></c>', []),
        ('<c r="B3" t="e"><f>1/0</f><v>#DIV/0!</v></c>', [(2, 1, "#DIV/0!")]),
        ('<c r="B3" s="1" t="e"><v>#N/A</v></c>', [(2, 1, "#N/A")]),
        ('<c r="B3"><f t="shared" si="0"/><v>4</v></c>', []),
        # Not as spreadsheets write them: each cell is looked at.
        ("<c r='B3' t='e'><v>#N/A</v></c>", None),
        ('<c r="B3"><v/><f>A1</f></c>', None),
        ('<c r="B3"><f>A1</f><v xml:space="preserve"></v></c>', None),
        ('<c t="e"><v>#N/A</v></c>', None),
    ],
)
def test_formulas_and_errors_are_found_by_pattern_or_by_looking_at_each_cell(
    cell, shown, monkeypatch
):
    xml = SHEET.format(f'<row r="3">{cell}</row>').encode()
    assert sheet_formulas.plain_formulas(xml) == shown
    if shown is not None:
        monkeypatch.setattr(workbook, "plain_formulas", lambda _xml: None)
        slow = list(workbook.cells_shown_empty(xml))
        assert slow == shown


def test_numbers_of_a_sheet_are_those_that_its_texts_would_be():
    rows = [["sample", "a", "batch", "b"], ["S1", 0.1, "x", 3], ["S2", None, 7, 1e-300]]
    told, texts = read_table(sheet_of(rows), as_numbers=AS_NUMBERS), read_table(sheet_of(rows))
    assert told.numbers is not None
    assert told.numbers.names == ("a", "b")
    np.testing.assert_array_equal(told.numbers.values, [[0.1, 3], [np.nan, 1e-300]])
    assert told.frame.equals(texts.frame[["sample", "batch"]])
    assert [*texts.frame["a"], *texts.frame["b"]] == ["0.1", "", "3", "1e-300"]


@pytest.mark.parametrize("cell", ["<0.1", "1,5", True, "#N/A", "=1+1"])
def test_a_column_with_anything_else_is_read_as_texts(cell):
    read = read_table(sheet_of([["sample", "a"], ["S1", 1], ["S2", cell]]), as_numbers=AS_NUMBERS)
    assert read.numbers is None
    assert next(iter(read.frame["a"])) == "1"


def test_rows_without_a_sample_are_counted_as_before():
    rows = [["sample", "a"], ["S1", 1], [None, None], ["S2", 2]]
    assert read_table(sheet_of(rows), as_numbers=AS_NUMBERS).frame.index.tolist() == [2, 4]


def test_a_document_type_in_utf_16_is_refused_too():
    out = io.BytesIO(as_xlsx([["sample"], ["S1"]]))
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("docProps/app.xml", '<?xml version="1.0"?><!DOCTYPE a>'.encode("utf-16"))
    with pytest.raises(UnreadableFile, match="declares a document type in docProps"):
        read_table(out.getvalue())


ROW = "<table:table-row{}>{}</table:table-row>"
FILLED = '<table:table-cell office:value="1"/>'
REST = '<table:table-cell table:style-name="c" table:number-columns-repeated="16382"/>'


@pytest.mark.parametrize(
    ("rows", "reach"),
    [
        (ROW.format("", FILLED * 2) * 3, 6),
        (ROW.format("", FILLED + REST) * 3, 6),
        (ROW.format("", FILLED) + ROW.format(' table:number-rows-repeated="1048575"', REST), 2),
        (ROW.format(' table:number-rows-repeated="1000"', FILLED), 2_000),
        (ROW.format("", REST + FILLED), 16_384),
    ],
)
def test_the_reach_of_an_open_document_is_never_told_too_small(rows, reach):
    xml = f"<table:table>{rows}</table:table>".encode()
    assert opendocument_extent.reaches_at_most(xml, reach)
    assert not opendocument_extent.reaches_at_most(xml, reach // 4)


@pytest.mark.parametrize(
    "rows", ['<table:table-row table:number-rows-repeated="x"/>', "<table:table>"]
)
def test_a_reach_that_is_not_certain_is_told_cell_by_cell(rows):
    xml = f"<table:table>{rows}</table:table-row></table:table>".encode()
    assert not opendocument_extent.reaches_at_most(xml, 10**9)


@pytest.mark.parametrize("separator", [",", ";", "\t", '",'])
def test_a_table_of_100_000_columns_is_refused_at_once(separator):
    text = separator.join(["sample", *(f"f{j}" for j in range(100_000))])
    text = text.replace('",', '","') + ('"' if '"' in separator else "")
    content = (text.replace("sample", '"sample', 1) if '"' in separator else text) + "\nS1\n"
    with pytest.raises(UnreadableFile, match=r"100,001 columns, over 20,000; send it in several"):
        read_table(content.encode())


def test_a_sheet_of_too_many_columns_is_refused():
    with pytest.raises(UnreadableFile, match=r"20,001 columns, over 20,000"):
        read_table(as_xlsx([[f"f{j}" for j in range(20_001)], ["1"] * 20_001]))
