import io
import zipfile

import pytest

from cohorts.ingest.reading import UnreadableFile, read_table
from cohorts.ingest.sheets.opendocument_extent import may_hide
from tests.cohorts.test_reading import cells

OPEN = (
    '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0">'
    '<office:body><office:spreadsheet><table:table table:name="one">{}</table:table>'
    "</office:spreadsheet></office:body></office:document-content>"
)
WORD = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
HEAD = "<table:table-row>" + WORD.format("sample") + WORD.format("value") + "</table:table-row>"
NUMBER = (
    '<table:table-cell{} office:value-type="float" office:value="0.125">'
    "<text:p>0.13</text:p></table:table-cell>"
)


def open_document(*rows, manifest="", add=None):
    body = HEAD + "".join(
        f"<table:table-row{more}>{cells}</table:table-row>" for more, cells in rows
    )
    parts = {
        "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
        "content.xml": OPEN.format(body),
        "META-INF/manifest.xml": f"<manifest>{manifest}</manifest>",
        **(add or {}),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return out.getvalue()


def test_an_open_document_gives_text_and_full_numbers():
    table = read_table(open_document(("", WORD.format("007") + NUMBER.format(""))))
    assert cells(table) == [["sample", "value"], ["007", "0.125"]]
    assert table.encoding == "ODS"


def test_the_empty_rows_to_the_end_of_an_open_document_cost_nothing():
    rest = ' table:number-rows-repeated="1048570"'
    empty = '<table:table-cell table:number-columns-repeated="16384"/>'
    table = read_table(open_document(("", WORD.format("a") + NUMBER.format("")), (rest, empty)))
    assert table.n_rows == 1


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (
            '<table:table-cell table:formula="of:=1/0" office:value-type="string" '
            'calcext:value-type="error"><text:p>#DIV/0!</text:p></table:table-cell>',
            "#DIV/0!",
        ),
        (
            '<table:table-cell table:formula="of:=[.A1]" office:value-type="float" '
            'office:value="0"><text:p>Err:502</text:p></table:table-cell>',
            "#Err:502",
        ),
        ('<table:table-cell table:formula="of:=A1"/>', "=A1"),
    ],
)
def test_an_error_in_an_open_document_is_shown_not_empty(cell, shown):
    assert cells(read_table(open_document(("", WORD.format("a") + cell))))[1] == ["a", shown]


COMPUTED = NUMBER.format(' table:formula="of:=[.A1]*2"')


@pytest.mark.parametrize(
    ("cell", "quick"),
    [
        (COMPUTED, True),
        (COMPUTED.replace("*2", "&gt;2"), True),
        (COMPUTED.replace("0.13", "#N/A"), False),
        (COMPUTED.replace("0.13", "<text:span>Err:502</text:span>"), False),
        (COMPUTED.replace("0.13", "&#35;N/A"), False),
        (COMPUTED.replace("*2", ">2"), False),
        ('<table:table-cell table:formula="of:=A1"/>', False),
        ("<table:table-cell table:formula='of:=A1'/>", False),
        (COMPUTED + '<table:table-cell office:value-type="string" a="error"/>', False),
    ],
)
def test_only_where_every_formula_has_its_value_is_no_cell_looked_at(cell, quick):
    assert may_hide(cell.encode()) is not quick
    table = read_table(open_document(("", WORD.format("a") + cell)))
    assert cells(table)[1][1] != ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            open_document(
                (' table:number-rows-repeated="1048000"', ""),
                ("", NUMBER.format(' table:number-columns-repeated="16384"')),
            ),
            "spans 1,048,002 rows by 16,384 columns",
        ),
        (open_document(add={"Basic/Standard/one.xml": "x"}), "has macros"),
        (open_document(manifest="<encryption-data/>"), "protected by a password"),
        (open_document((' table:number-rows-repeated="x"', "")), r"not a readable \.ods"),
        (open_document(add={"styles.xml": "<!DOCTYPE x>"}), "declares a document type"),
        (open_document()[:-30], r"not a readable|a zip archive"),
    ],
)
def test_a_harmful_open_document_is_refused(content, message):
    with pytest.raises(UnreadableFile, match=message):
        read_table(content)
