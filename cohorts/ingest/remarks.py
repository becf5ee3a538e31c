"""A sent table with a column of remarks: what its check said, beside the row that it said it of."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from xml.sax.saxutils import escape

from cohorts.ingest.cells import NUMBER
from cohorts.ingest.columns import heading
from cohorts.ingest.reading import Table
from cohorts.spreadsheets import LIVE

COLUMN = "remarks"
_NUMBER = re.compile(NUMBER)
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")


def without_remarks(table: Table) -> Table:
    """The table without the remarks of an earlier check: it may come back corrected in place."""
    ours = [header for header in table.columns if heading(header) == COLUMN]
    return replace(table, frame=table.frame.drop(columns=ours)) if ours else table


def rows_with_remarks(
    table: Table, report: Mapping[str, Any], tell: Callable[[Mapping[str, Any]], str]
) -> list[list[str]]:
    """Header and rows as text, with a last column; what concerns no single row stands first.

    ``tell`` gives the words of a fault.
    """
    said: dict[int | None, list[str]] = {}
    for part in ("faults", "warnings"):
        for fault in report.get(part, ()):
            column = f"{fault['column']}: " if fault["column"] else ""
            said.setdefault(fault["row"], []).append(f"{column}{tell(fault)}")
    rows = [[*table.columns, COLUMN]]
    whole = said.get(None, [])
    for number, cells in zip(
        table.frame.index.tolist(), table.frame.itertuples(index=False, name=None), strict=True
    ):
        rows.append([*map(str, cells), " | ".join([*whole, *said.get(number, [])])])
        whole = []
    return rows


def as_csv(rows: Sequence[Sequence[str]]) -> bytes:
    """UTF-8 that a spreadsheet opens as such; no cell begins like a formula."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows([[neutral(cell) for cell in row] for row in rows])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def neutral(text: str) -> str:
    """A cell that a spreadsheet shows and never runs: an apostrophe stands before it."""
    # A plain number stays one.
    return f"'{text}" if text.startswith(LIVE) and not _NUMBER.fullmatch(text) else text


def as_xlsx(rows: Sequence[Sequence[str]]) -> bytes:
    """A workbook of one sheet in which every cell is text, so that none can be a formula."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, xml in (*_PARTS.items(), ("xl/worksheets/sheet1.xml", _sheet(rows))):
            archive.writestr(path, f'<?xml version="1.0" encoding="UTF-8"?>\n{xml}')
    return out.getvalue()


def _sheet(rows: Sequence[Sequence[str]]) -> str:
    lines = (f"<row>{''.join(_cell(cell) for cell in row)}</row>" for row in rows)
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{"".join(lines)}</sheetData></worksheet>'


def _cell(text: str) -> str:
    clean = escape(_NOT_XML.sub("", text))
    return f'<c t="inlineStr"><is><t xml:space="preserve">{clean}</t></is></c>'


_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" '
    'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPE}.worksheet+xml"/>'
    "</Types>",
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="r1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
    "</Relationships>",
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
    '<sheet name="table" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="r1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    "</Relationships>",
}
