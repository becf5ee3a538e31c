"""One cell of a good table made odd: taken with exactly that value, or that very cell is named."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cohorts.ingest import checking
from cohorts.ingest.assay_tables.assay_options import AssayOptions
from cohorts.ingest.facts import (
    SCOPES,
    ContextVariable,
    InstrumentFacts,
    ParticipantFacts,
    SampleFacts,
    SiteFacts,
)
from cohorts.ingest.reading import UnreadableFile

KNOWN = ("F001", "F002", "F003")
FACTS = SiteFacts(
    "FUK",
    date(2026, 1, 1),
    groups=frozenset({"hikikomori", "healthy_control"}),
    participants={code: ParticipantFacts(code, frozenset(SCOPES)) for code in KNOWN},
    samples={f"T{n}": SampleFacts(f"T{n}", "F001", "plasma") for n in range(3)},
    instruments={"Q": InstrumentFacts("Q", 3, 0, 4, 0, 12, frozenset({"1"}), frozenset({"ja"}))},
    variables=(
        ContextVariable("work", "f", "radio", "Works", (("0", "no"), ("1", "yes"))),
        ContextVariable("hours", "f", "text", "Hours", validation="integer", maximum="80"),
    ),
)
GOOD = {
    "participants": [
        [
            "participant",
            "sex",
            "group",
            "enrolled_on",
            "birth_year",
            "drug_free",
            "work",
            "hours",
        ],
        ["N1", "female", "hikikomori", "2024-04-01", "1990", "yes", "1", "20"],
        ["N2", "male", "healthy_control", "2024-04-02", "1985", "no", "0", "0"],
        ["N3", "male", "hikikomori", "2024-04-03", "1999", "", "", ""],
    ],
    "samples": [
        [
            "sample",
            "participant",
            "material",
            "collected_at",
            "tube",
            "fasting_hours",
            "freeze_thaws",
        ],
        ["S1", "F001", "plasma", "2024-05-01 08:30", "EDTA", "8", "0"],
        ["S2", "F002", "serum", "2024-05-02", "SST", "10.5", "1"],
        ["S3", "F003", "plasma", "2024-05-03 09:00", "", "", ""],
    ],
    "assessments": [
        ["participant", "instrument", "assessed_on", "language", "item_1", "item_2", "item_3"],
        ["F001", "Q", "2024-05-01", "ja", "0", "1", "2"],
        ["F002", "Q", "2024-05-02", "ja", "4", "4", "4"],
        ["F003", "Q", "2024-05-03", "ja", "3", "", "1"],
    ],
    "assays": [
        ["sample", "alpha", "beta"],
        *([f"T{n}", f"{n + 1}.5", f"0.{n + 1}"] for n in range(3)),
    ],
}
ODD = st.sampled_from(
    [
        *("", "x", "-3", "1,5", "2024-13-01", "31/02/2024", "01-Mar", "2-Sep", "1e400", "nan"),
        *("=1+1", "#N/A", "#REF!", "yes", "f", "Female", "hikikomori ", "HIKIKOMORI", "1e2", "4.0"),
        *(
            "F002",
            "S1",
            "N1",
            "T1",
            "9999-01-01",
            "2024-05-01T25:00",
            "٣",
            "１",
            "<LOD",
            "０",
            "\u00a0",
        ),
    ]
)
KINDS = st.sampled_from(sorted(GOOD))
# A fault may stand where two cells disagree: in the cell that was changed, or in one of these.
BESIDE = {
    "enrolled_on": {"birth_year"},
    "birth_year": {"age_years"},
    "participant": {"assessed_on", "sample", "instrument"},
    "instrument": {"assessed_on", "participant", "item_1", "item_2", "item_3", "language"},
    "assessed_on": {"participant"},
}


def as_csv(rows):
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def checked(kind, rows):
    options = AssayOptions("LC-MS", "plasma") if kind == "assays" else {}
    return checking.check_file(kind, as_csv(rows), "t.csv", lambda: FACTS, options)


def cells_of(kind, found):
    """What was taken, a row of plain texts a record."""
    if kind == "assays":
        (batch,) = found.batches
        return [
            [head.label, *zip(values.tolist(), flags.tolist(), strict=True)]
            for head, values, flags in zip(batch.rows, batch.values, batch.flags, strict=True)
        ]
    names = {"participants": "participant", "samples": "sample", "assessments": "participant"}
    return [[getattr(row, names[kind]), row] for row in found.rows]


def named(kind, rows, at, column):
    """Refused where the cell stands, or in a cell that it must agree with."""
    try:
        found = checked(kind, rows)
    except UnreadableFile:
        return True  # an emptied row or header leaves no table: told for the whole file
    if found.report.ok:
        return False
    header = rows[0][column]
    allowed = {header, *BESIDE.get(header, ())}
    for fault in found.report.faults:
        assert fault.message
        assert fault.row in (None, at + 1) or fault.code.startswith("duplicate"), fault
        assert fault.column in allowed, (fault, header, rows[at])
    return True


@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
@given(KINDS, st.integers(1, 3), st.integers(0, 7), ODD | st.text(max_size=4))
@example("participants", 1, 4, "1850")
@example("samples", 2, 5, "-1")
def test_an_odd_cell_is_taken_as_it_is_or_named_itself(kind, at, column, text):
    good = GOOD[kind]
    column = min(column, len(good[0]) - 1)
    rows = [list(row) for row in good]
    rows[at][column] = text
    if named(kind, rows, at, column):
        return
    before, after = cells_of(kind, checked(kind, good)), cells_of(kind, checked(kind, rows))
    others = [n for n in range(len(before)) if n != at - 1]
    assert len(after) == len(before)
    assert [repr(after[n]) for n in others] == [repr(before[n]) for n in others]
    exact(kind, rows[0][column], text.strip(), after[at - 1])


def exact(kind, header, text, taken):
    """The cell's own value is what was taken: nothing was rounded, shifted or guessed."""
    if kind == "assays":
        value = taken[0] if header == "sample" else taken[1 + (header == "beta")]
        assert value == text if header == "sample" else number_is(value, text), (text, value)
        return
    row = taken[1]
    if header in ("work", "hours"):
        value = row.variables.get(header)
    elif header.startswith("item_"):
        value = row.items[int(header[-1]) - 1]
    else:
        value = getattr(row, header)
    assert says(header, value, text), (header, text, value)


def number_is(cell, text):
    value, flag = cell
    if flag == 0:
        return float(text.replace(",", ".")) == value
    return text.casefold() in ("", "na", "nan", "n/a", "#n/a", "null") or text.startswith("<")


def says(header, value, text):
    if value is None or value == "":
        return text == ""
    if isinstance(value, bool):
        return value == (text.casefold() in ("yes", "y", "true", "1", "ja", "はい"))
    if isinstance(value, float | int):
        words = {"no": 0, "yes": 1}
        known = words.get(text.casefold())
        # A comma is the decimal point where the whole column has it so.
        return value == (float(text.replace(",", ".")) if known is None else known)
    if isinstance(value, datetime | date):
        return text.startswith(value.strftime("%Y-%m-%d"))
    if header != "sex":
        return value.casefold() == text.casefold().replace(" ", "_")
    return value == {"f": "female", "m": "male"}.get(text.casefold(), text.casefold())


def test_the_property_can_tell_a_wrong_cell():
    rows = [list(row) for row in GOOD["samples"]]
    rows[2][5] = "long"
    assert named("samples", rows, 2, 5)
    try:
        named("samples", rows, 1, 5)
    except AssertionError:
        return
    raise AssertionError("a fault in another row passed for this one")
