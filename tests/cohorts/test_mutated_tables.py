"""Any table made by changing a good one is taken with exactly its values, or refused by cell."""

from __future__ import annotations

import csv
import io
import math
import re
from datetime import date

import numpy as np
import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cohorts.ingest import checking
from cohorts.ingest.assay_tables.assay_options import AssayOptions
from cohorts.ingest.assays import CheckedAssays
from cohorts.ingest.cells import NUMBER
from cohorts.ingest.facts import SCOPES, ParticipantFacts, SampleFacts, SiteFacts
from cohorts.ingest.reading import UnreadableFile
from cohorts.ingest.remarks import as_xlsx

CODES = [f"T{n}" for n in range(6)]
FACTS = SiteFacts(
    "FUK",
    date(2026, 1, 1),
    participants={"F001": ParticipantFacts("F001", frozenset(SCOPES))},
    samples={code: SampleFacts(code, "F001", "plasma") for code in CODES},
)
_NO_XML = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]"
OPTIONS = AssayOptions("LC-MS", "plasma")
GOOD = [["sample", "alpha", "beta", "gamma"], *([c, "1.5", "20", "0.25"] for c in CODES)]
COMMAS = [[cell.replace(".", ",") for cell in row] for row in GOOD]
ODD = st.sampled_from(
    [
        *("", "1,5", "-3", "<0.5", "<LOD", "ND", "NA", "1e400", "1e-400", "1_0", "٥", "nan", "inf"),
        *("=1+1", "#N/A", "0x10", "1e5", "+7", ".5", "5.", " 6 ", '"', "T1", "1\n2", "2-Sep"),
    ]
)
CELLS = ODD | st.floats(0, 1e300).map(repr) | st.text(max_size=5)


@st.composite
def mutations(draw):
    """The good table after 1 to 5 changes of a cell, a row or a column."""
    rows = [list(row) for row in draw(st.sampled_from([GOOD, COMMAS]))]
    for _ in range(draw(st.integers(1, 5))):
        i = draw(st.integers(0, len(rows) - 1))
        what = draw(st.sampled_from(["cell", "cell", "cell", "repeat", "drop", "cut", "swap"]))
        if what == "cell" and rows[i]:
            rows[i][draw(st.integers(0, len(rows[i]) - 1))] = draw(CELLS)
        elif what == "repeat":
            rows.insert(i, list(rows[i]))
        elif what == "drop" and len(rows) > 1:
            del rows[i]
        elif what == "cut":
            rows[i] = rows[i][:-1]
        else:
            j = draw(st.integers(0, len(rows) - 1))
            rows[i], rows[j] = rows[j], rows[i]
    return rows


def as_csv(rows, separator=","):
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n", delimiter=separator).writerows(rows)
    return out.getvalue().encode("utf-8", "surrogatepass")


def expected(text):
    """What a careful reader makes of a cell: (value, flag); None where it makes nothing."""
    text = text.strip()
    if text.casefold() in ("", "na", "nan", "n/a", "#n/a", "null"):
        return math.nan, 2
    if text in ("<LOD", "ND"):
        return math.nan, 1
    if text.startswith("<"):
        return float(text[1:]), 1
    return float(text), 0


def check(rows, content):
    """Refused with a cell that is there, or accepted with every value as it was written."""
    try:
        checked = checking.check_file("assays", content, "t.csv", lambda: FACTS, OPTIONS)
    except UnreadableFile:
        return "refused"
    assert isinstance(checked, CheckedAssays)
    if not checked.report.ok:
        for fault in checked.report.faults:
            assert fault.row is None or 2 <= fault.row <= len(rows)
            assert fault.message
        return "refused"
    header = [cell.strip() for cell in rows[0]]
    rows = [[*row, *[""] * (len(header) - len(row))] for row in rows[1:]]
    sent = {row[header.index("sample")].strip(): row for row in rows if "".join(row).strip()}
    (batch,) = checked.batches
    assert {head.label for head in batch.rows} == set(sent)
    for head, values, flags in zip(batch.rows, batch.values, batch.flags, strict=True):
        for column, value, flag in zip(batch.features, values, flags, strict=True):
            at = next(j for j, name in enumerate(header) if name.startswith(column.source_name))
            cell = sent[head.label][at]
            commas = "decimal comma" in cell or ("," in cell)
            wanted = expected(cell.replace(",", ".") if commas else cell)
            assert np.isclose(value, wanted[0], rtol=1e-12, atol=0, equal_nan=True), cell
            assert flag == wanted[1], cell
    return "accepted"


QUICK = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)


@QUICK
@given(mutations(), st.sampled_from(",;\t"))
def test_a_mutated_csv_is_taken_exactly_or_refused_by_cell(rows, separator):
    check(rows, as_csv(rows, separator))


@QUICK
@given(mutations())
def test_a_mutated_workbook_is_taken_exactly_or_refused_by_cell(rows):
    # XML has no word for the other controls: our own writer leaves them out.
    written = [[re.sub(_NO_XML, "", c.replace("\r", "\n")) for c in row] for row in rows]
    check(written, as_xlsx(rows))


def as_sheet(rows):
    """As a spreadsheet keeps it: numbers as numbers; names and codes as text, and the rest."""
    book, out = openpyxl.Workbook(write_only=True), io.BytesIO()
    sheet = book.create_sheet()
    for i, row in enumerate(rows):
        cells = [re.sub(_NO_XML, "", cell.replace("\r", "\n")) for cell in row]
        sheet.append([float(c) if i and j and is_kept(c) else c for j, c in enumerate(cells)])
    book.save(out)
    return out.getvalue()


def is_kept(cell):
    """Whether a spreadsheet has this number, neither rounded to nothing nor beyond its reach."""
    is_number = re.fullmatch(NUMBER, cell) and math.isfinite(float(cell))
    return is_number and (float(cell) != 0 or not re.search("[1-9]", cell))


@QUICK
@given(mutations())
def test_a_mutated_sheet_of_numbers_is_taken_exactly_or_refused_by_cell(rows):
    written = [[re.sub(_NO_XML, "", c.replace("\r", "\n")) for c in row] for row in rows]
    check(written, as_sheet(rows))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_property_can_tell_both_ways(separator):
    assert check(GOOD, as_csv(GOOD, separator)) == "accepted"
    assert check(GOOD, as_sheet(GOOD)) == "accepted"
    assert check(COMMAS, as_csv(COMMAS, separator)) == "accepted"
    worse = [*GOOD[:-1], ["T5", "many", "1", "1"]]
    assert check(worse, as_csv(worse, separator)) == "refused"
