"""An assay table in each form that sites send, from the file to its checked rows.

Run alone: `python -m benchmarks.formats`. Processor time of one core, the best of several. The
reader asks for 500 samples x 1,000 features a second.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from datetime import date
from xml.sax.saxutils import escape

import numpy as np
import openpyxl
import pandas as pd

from benchmarks.files import OPTIONS, a_table, best, books
from cohorts.ingest import checking
from cohorts.outgoing import isa_tab, mwtab, mztab_m
from cohorts.outgoing.assay_records import OutAssayed, OutBatch, OutFeature
from cohorts.outgoing.records import OutSite

N_SAMPLES, N_FEATURES, TIMES = 500, 1_000, 3
Row = list[str | float]


def contents(plain: bytes) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """The name of each form, and how the table of a plain CSV is written in it."""
    text, frame = plain.decode(), pd.read_csv(io.BytesIO(plain))
    head = text.replace("metabolite 0 [", "ビリルビン [")
    rows: list[Row] = [list(frame.columns), *frame.to_numpy(object).tolist()]
    yield "CSV", lambda: plain
    yield "CSV with one <0.1", lambda: text.replace(",0.1", ",<0.1", 1).encode()
    yield "CSV, decimal commas", lambda: text.replace(",", ";").replace(".", ",").encode()
    yield "CSV, UTF-8 not ASCII", lambda: head.encode()
    yield "CSV, UTF-16", lambda: head.encode("utf-16")
    yield "CSV, Shift-JIS", lambda: head.encode("cp932")
    yield "CSV, long", lambda: _long(frame)
    yield "XLSX", lambda: _workbook(rows)
    yield "XLSX with one <0.1", lambda: _workbook(_with_a_word(rows))
    yield "ODS", lambda: _opendocument(rows)
    yield "mwTab", lambda: _first_part(mwtab.write(_site(frame)))
    yield "mzTab-M", lambda: _first_part(mztab_m.write(_site(frame)))
    yield "ISA-Tab", lambda: isa_tab.write(_site(frame))


def measure(n_samples: int = N_SAMPLES, n_features: int = N_FEATURES) -> dict[str, float]:
    """Samples a second by form."""
    facts, found = books(n_samples), {}
    for form, written in contents(a_table(n_samples, n_features)):
        content = written()

        def check(content: bytes = content) -> checking.Checked:
            return checking.check_file("assays", content, "t", lambda: facts, OPTIONS)

        report = check().report
        values = sum(report.summary.get(name, 0) for name in ("measured", "below_lod"))
        if not report.ok or values < n_samples * n_features - 1:
            raise ValueError(f"{form} was not read whole: {report.faults[:2]}")
        found[form] = n_samples / best(check, times=TIMES)
    return found


def _long(frame: pd.DataFrame) -> bytes:
    named = frame.rename(columns=lambda name: name.partition(" [")[0])
    long = named.melt("sample", var_name="feature").assign(unit="umol/L")
    return long.to_csv(index=False).encode()


def _with_a_word(rows: list[Row]) -> list[Row]:
    return [*rows[:-1], [*rows[-1][:-1], "<0.1"]]


def _workbook(rows: list[Row]) -> bytes:
    book, out = openpyxl.Workbook(write_only=True), io.BytesIO()
    sheet = book.create_sheet("table")
    for row in rows:
        sheet.append(row)
    book.save(out)
    return out.getvalue()


def _opendocument(rows: list[Row]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        body = "".join(f"<table:table-row>{''.join(map(_cell, row))}{_REST}" for row in rows)
        archive.writestr("content.xml", _CONTENT.format(body))
    return out.getvalue()


# As a spreadsheet fills a row to its end.
_REST = '<table:table-cell table:number-columns-repeated="15383"/></table:table-row>'
_URN = "urn:oasis:names:tc:opendocument:xmlns"
_CONTENT = (
    f'<office:document-content xmlns:office="{_URN}:office:1.0" xmlns:table="{_URN}:table:1.0" '
    f'xmlns:text="{_URN}:text:1.0"><office:body><office:spreadsheet><table:table table:name="t">'
    "{}</table:table></office:spreadsheet></office:body></office:document-content>"
)


def _cell(cell: str | float) -> str:
    if isinstance(cell, str):
        shown = escape(cell)
        return (
            f'<table:table-cell office:value-type="string"><text:p>{shown}</text:p>'
            "</table:table-cell>"
        )
    return (
        f'<table:table-cell office:value-type="float" office:value="{cell!r}">'
        f"<text:p>{cell:.2f}</text:p></table:table-cell>"
    )


def _site(frame: pd.DataFrame) -> OutSite:
    names = [name.partition(" [")[0] for name in frame.columns[1:]]
    values = frame.iloc[:, 1:].to_numpy(np.float64)
    batch = OutBatch(
        key=1,
        label="plate 1",
        platform="LC-MS",
        matrix="plasma",
        scale="raw",
        run_date=date(2024, 5, 2),
        features=tuple(OutFeature(name, name, "umol/L") for name in names),
        samples=tuple(
            OutAssayed(code, "P", "hikikomori", "male") for code in frame["sample"].tolist()
        ),
        values=values,
        flags=np.zeros(values.shape, np.uint8),
    )
    return OutSite(
        study="study",
        title="A study",
        site="FUK",
        name="Fukuoka",
        country="JP",
        people=(),
        samples=(),
        written_on=date(2025, 6, 1),
        batches=(batch,),
    )


def _first_part(archived: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archived)) as archive:
        return archive.read(archive.namelist()[0])


if __name__ == "__main__":
    for form, samples in measure().items():
        print(f"{form:24} {samples:10,.0f} samples a second", flush=True)
