"""Cells of tables that cannot be taken: each fault in the whole sentence that a person reads."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from cohorts.ingest import assays, assessments, report, samples
from cohorts.ingest.assay_tables import assay_long
from cohorts.ingest.assay_tables.assay_options import AssayOptions
from cohorts.ingest.cells import BadCell, parse_code
from cohorts.ingest.encodings import decode
from cohorts.ingest.facts import FeatureIndex
from cohorts.ingest.reading import UnreadableFile
from cohorts.scoring import ScoringRule, WithdrawalFacts, withdrawal_grades
from tests.cohorts.ingest_books import books, faults, table, warnings

PHQ = "participant,instrument,assessed_on,item_1,total"


def assayed(header, *rows, **options):
    return assays.check(table(header, *rows), books(), AssayOptions("LC-MS", "plasma", **options))


def assessed(row, facts=None, header=PHQ):
    return assessments.check(table(header, row), facts or books())


def known_twice():
    facts = replace(books(), assessed=frozenset({("FUK-001", "PHQ-9", date(2024, 5, 1))}))
    return assessed("FUK-001,PHQ-9,2024-05-01,1,", facts)


def total_alone():
    scales = dict(books().instruments)
    scales["PHQ-9"] = replace(scales["PHQ-9"], n_items=None)
    return assessed("FUK-001,PHQ-9,2024-05-01,1,5", replace(books(), instruments=scales))


def by_name():
    return books().features.by_name


def of_features(features):
    return replace(books(), features=features)


TUBES = "sample,participant,material,collected_at,spun_at"
FAULTS = {
    "column total: neither item answers nor a total; give one, or leave the row out.": (
        lambda: assessed("FUK-001,PHQ-9,2024-05-01,,")
    ),
    "FUK-001 has PHQ-9 of that day on record already; leave the row out.": known_twice,
    "column item_1: PHQ-9 is taken as a total alone; empty this cell or check the scale.": (
        total_alone
    ),
    "no column holds measurements; add a column a feature.": lambda: assayed("sample", "S-001"),
    "arginine: the unit is over 20 letters; write it as umol/L, mg/dL, ...": lambda: assayed(
        "sample,arginine [" + "u" * 21 + "]", "S-001,1", scale="standardised"
    ),
    '"mg/dL" beside "umol/L" in row 2 for arginine; send one unit a feature.': lambda: assayed(
        "sample,feature,value,unit", "S-001,arginine,1,umol/L", "S-002,arginine,1,mg/dL"
    ),
    '"arginine" of this sample is also in row 2; keep one value.': lambda: assayed(
        "sample,feature,value,unit", "S-001,arginine,1,umol/L", "S-001,arginine,2,umol/L"
    ),
    '"2024-05-01T08:00" is before collected_at "2024-05-01T09:00"; check both.': lambda: (
        samples.check(
            table(TUBES, "T1,FUK-001,plasma,2024-05-01T09:00,2024-05-01T08:00"),
            books(),
        )
    ),
    "one has an offset from UTC; write both alike.": lambda: samples.check(
        table(TUBES, "T1,FUK-001,plasma,2024-05-01T09:00+09:00,2024-05-01T10:00"),
        books(),
    ),
}
FAULTS |= {
    '"=A1+B1" is a formula that was never computed; send its value.': lambda: assayed(
        "sample,arginine [umol/L]", "S-001,=A1+B1"
    ),
    '"2024-05-01T25:00" is no time of the day; check hours and minutes.': lambda: samples.check(
        table(TUBES, "T1,FUK-001,plasma,2024-05-01T25:00,"), books()
    ),
    '"soon" is not a date; write YYYY-MM-DD or YYYY-MM-DDTHH:MM.': lambda: samples.check(
        table(TUBES, "T1,FUK-001,plasma,soon,"), books()
    ),
    "spun a second time, but centrifugation says not spun (N); check both.": lambda: samples.check(
        table(
            "sample,participant,material,centrifugation,second_centrifugation",
            "T1,FUK-001,plasma,N,B",
        ),
        books(),
    ),
    '"arginine HMDB0000214" names both ornithine and arginine: correct the identifier or the '
    "name.": lambda: assays.check(
        table("sample,arginine HMDB0000214 [umol/L]", "S-001,1"),
        of_features(FeatureIndex(dict(by_name()), {"HMDB0000214": by_name()["ornithine"]})),
        AssayOptions("LC-MS", "plasma"),
    ),
}
WARNINGS = {
    "stored, not analysed, as the data managers decided (1): arginine.": lambda: assays.check(
        table("sample,arginine [umol/L]", "S-001,1"),
        of_features(FeatureIndex({"arginine": replace(by_name()["arginine"], ignored=True)})),
        AssayOptions("LC-MS", "plasma"),
    ),
    'arginine: "bananas" is not a known unit; kept as sent.': lambda: assayed(
        "sample,arginine [bananas]", "S-001,1", scale="standardised"
    ),
    "One name is new and goes to the review list: Peak 7.": lambda: assayed(
        "sample,Peak 7 [umol/L]", "S-001,1"
    ),
}


@pytest.mark.parametrize("sentence", FAULTS)
def test_a_faulty_cell_is_told_in_its_sentence(sentence):
    found = faults(FAULTS[sentence]().report)
    assert any(sentence in fault for fault in found), found


@pytest.mark.parametrize("sentence", WARNINGS)
def test_what_is_odd_is_told_in_its_sentence(sentence):
    found = warnings(WARNINGS[sentence]().report)
    assert any(sentence in warning for warning in found), found


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Ken Sato", "not a code; use 1 to 64 ASCII letters, digits and . _ : / + - (no spaces)."),
        (
            "1990-05-01",
            "a code that a spreadsheet turned into a date; format the column as text and type it "
            "anew.",
        ),
        (
            "1.2E+10",
            '"1.2E+10" is a code that a spreadsheet turned into a number; format the column as '
            "text and type it anew.",
        ),
    ],
)
def test_what_is_no_code_is_told_in_its_sentence(text, sentence):
    with pytest.raises(BadCell) as refused:
        parse_code(text)
    assert refused.value.message == sentence


def test_a_long_table_of_too_many_features_is_refused(monkeypatch):
    monkeypatch.setattr(assay_long, "MAX_COLUMNS", 1)
    rows = ("S-001,arginine,1,umol/L", "S-001,ornithine,1,umol/L")
    found = faults(assayed("sample,feature,value,unit", *rows).report)
    assert any("2 features, over 1; send them in several tables." in each for each in found)


def test_warnings_over_the_limit_are_counted(monkeypatch):
    monkeypatch.setattr(report, "MAX_FAULTS", 1)
    found = report.Findings()
    for name in ("a", "b", "c"):
        found.warn(None, name, "odd", f"{name} is odd.")
    assert warnings(found.report("samples", 1, {}))[-1] == (
        "and 2 more warnings; correct these first, then check again."
    )


def test_bytes_that_no_encoding_reads_are_refused_with_their_line():
    with pytest.raises(UnreadableFile) as refused:
        decode(b"a,b\n\x81\xff\x8d\x9d,1\n", "t.csv")
    assert refused.value.message == (
        "t.csv: line 2 is not UTF-8 and its encoding is not certain; save the table as CSV UTF-8 "
        "or .xlsx."
    )


@pytest.mark.parametrize(
    ("facts", "reasons"),
    [
        (
            {"isolated_at_home": False},
            ("no marked isolation at home.", "not most of the day at home."),
        ),
        ({"months": 2}, ("2 months; pre-hikikomori begins at 3.", "2 months; 6 are needed.")),
        ({"impaired_or_distressed": False}, 2 * ("neither impaired nor distressed.",)),
        ({"days_out_a_week": 4}, ("out 4 days a week; 4 or more exclude.", "")),
        ({"avoids_contact": False}, ("", "avoids neither friends nor family.")),
        ({"avoids_school_or_work": False}, ("", "avoids neither school nor work.")),
    ],
)
def test_a_criterion_that_is_not_met_is_named_by_each_set_of_criteria(facts, reasons):
    met = {
        "isolated_at_home": True,
        "months": 12,
        "impaired_or_distressed": True,
        "days_out_a_week": 1,
        "avoids_school_or_work": True,
        "avoids_contact": True,
    }
    grades = withdrawal_grades(WithdrawalFacts(**(met | facts)))
    assert tuple(grade.reason for grade in grades) == reasons


def test_a_scale_without_a_range_cannot_be_scored():
    with pytest.raises(ValueError, match="9 items from 3 to 3 cannot be scored"):
        ScoringRule(n_items=9, item_min=3, item_max=3)
