from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohorts.ingest.facts import ParticipantFacts, SiteFacts
from cohorts.ingest.participants import ParticipantOptions, check
from cohorts.ingest.reading import read_table
from tests.cohorts.ingest_books import as_csv, books, cell_texts, faults, table, warnings

HEADER = (
    "participant,sex,group,enrolled_on,birth_year,drug_free,"
    "consent_version,consent_signed_on,consent_scopes"
)
GOOD = "N-01,f,hikikomori,2024-05-01,1995,yes,2,2024-04-30,metabolomics;store_samples"


def checked(*rows, header=HEADER, **options):
    return check(table(header, *rows), books(), ParticipantOptions(**options))


def changed(**cells):
    row = dict(zip(HEADER.split(","), GOOD.split(","), strict=True)) | cells
    return ",".join(row.values())


def test_a_good_row_is_taken_as_it_stands():
    (row,) = checked(GOOD).rows
    assert (row.row, row.participant, row.sex, row.group) == (2, "N-01", "female", "hikikomori")
    assert (row.enrolled_on, row.birth_year, row.drug_free) == (date(2024, 5, 1), 1995, True)
    assert row.consent_scopes == ("store_samples", "metabolomics")
    assert row.consent_signed_on == date(2024, 4, 30)


@pytest.mark.parametrize(
    ("sent", "sex"), [("F", "female"), ("m", "male"), ("Intersex", "intersex")]
)
def test_sex_is_taken_in_any_case(sent, sex):
    assert checked(changed(sex=sent)).rows[0].sex == sex


@pytest.mark.parametrize(
    ("sent", "drug_free"), [("no", False), ("TRUE", True), ("0", False), ("", None)]
)
def test_drug_free_is_yes_no_or_unknown(sent, drug_free):
    assert checked(changed(drug_free=sent)).rows[0].drug_free is drug_free


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"enrolled_on": "31/02/2024"}, '"31/02/2024" is not a date; write YYYY-MM-DD.'),
        ({"enrolled_on": "2024-02-31"}, '"2024-02-31" is no day of the calendar; check month and'),
        ({"enrolled_on": "1024-02-21"}, '"1024-02-21" lies before the year 1900; check the year.'),
        ({"enrolled_on": "２０２４-01-01"}, '"２０２４-01-01": write it as 2024-01-01.'),
        ({"enrolled_on": "2024/4/1"}, '"2024/4/1": write it as 2024-04-01.'),
        ({"enrolled_on": "2024/2/30"}, '"2024/2/30" is no day of the calendar'),
        ({"enrolled_on": "2025-06-02"}, '"2025-06-02" is in the future; check the year.'),
        (
            {"enrolled_on": "45383"},
            '"45383" is how a spreadsheet stores a date (2024-04-01, where it counts from 1900)',
        ),
        ({"enrolled_on": "12345"}, '"12345" is not a date; write YYYY-MM-DD.'),
        ({"enrolled_on": ""}, "empty; every row needs a value here."),
        ({"sex": "woman"}, '"woman" is not a known sex'),
        ({"group": "control"}, '"control" is not a known group'),
        ({"group": "hikikomor"}, '"hikikomor" is not a known group (did you mean "hikikomori"?)'),
        ({"drug_free": "maybe"}, '"maybe" is neither yes nor no; write yes or no.'),
        ({"birth_year": "1890"}, "1890 makes an age of 134 years at enrolment"),
        ({"birth_year": "2025"}, "2025 makes an age of -1 years at enrolment"),
        (
            {"participant": "FUK-001"},
            '"FUK-001" is already on the books of FUK; leave this row out',
        ),
        ({"participant": "FUK-003"}, "FUK-003 has withdrawn; no further data are taken."),
        (
            {"participant": "ＦＵＫ-００９"},
            "a code in full-width letters or digits; type",
        ),
        ({"participant": "3E+05"}, '"3E+05" is a code that a spreadsheet turned into a number'),
        ({"consent_signed_on": "2025-06-02"}, '"2025-06-02" is in the future'),
        ({"consent_signed_on": ""}, "empty beside other consent cells"),
        ({"consent_scopes": ""}, "empty beside other consent cells"),
        ({"consent_scopes": ";"}, '";" is not a scope; the six are store_samples, metabolomics,'),
        (
            {"consent_scopes": "metabolomic"},
            '"metabolomic" is not a scope (did you mean "metabolomics"?); the six are',
        ),
    ],
)
def test_a_faulty_cell_is_named_by_row_column_and_remedy(cells, message):
    (fault,) = faults(checked(changed(**cells)).report)
    assert fault.startswith(f"row 2, column {next(iter(cells))}: {message}")


@pytest.mark.parametrize("code", ["1-Apr", "apr-24", "1-Apr-2024", "1995-03-04"])
def test_a_code_that_became_a_date_is_found_and_not_repeated(code):
    found = faults(checked(changed(participant=code)).report)
    words = "row 2, column participant: a code that a spreadsheet turned into a date"
    assert found[0].startswith(words)
    assert not any(code in fault for fault in found)


def test_a_birth_date_is_refused_and_not_repeated():
    (fault,) = faults(checked(changed(birth_year="1995-03-04")).report)
    assert fault == "row 2, column birth_year: not a year; write the year of birth alone (YYYY)."


def test_a_name_in_place_of_a_code_is_not_repeated():
    (fault,) = faults(checked(changed(participant="山田 太郎")).report)
    assert fault.startswith("row 2, column participant: not a code")
    assert "山田" not in fault


def test_the_same_participant_twice_is_refused_in_any_case():
    (fault,) = faults(checked(GOOD, changed(participant="n-01")).report)
    assert fault == (
        'row 3, column participant: "n-01" is also in row 2; keep one row a participant.'
    )


def test_one_fault_never_hides_another_and_nothing_is_taken():
    result = checked(changed(sex="x", group="y"), GOOD.replace("N-01", "N-02"))
    assert [(fault.row, fault.column) for fault in result.report.faults] == [
        (2, "sex"),
        (2, "group"),
    ]
    assert result.rows == ()


def test_without_consent_a_participant_is_taken_with_a_warning():
    row = changed(consent_version="", consent_signed_on="", consent_scopes="")
    result = checked(row)
    assert result.rows[0].consent_scopes == ()
    assert warnings(result.report) == [
        "1 of 1 participants have no consent in this table: "
        "they are in no analysis until consent is recorded."
    ]


def test_a_correction_does_not_repeat_the_consent_that_is_on_the_books():
    known = ParticipantFacts("N-01", frozenset({"metabolomics"}))
    facts = SiteFacts("FUK", date(2026, 1, 1), participants={"N-01": known}, corrects=True)
    row = changed(consent_version="", consent_signed_on="", consent_scopes="")
    assert warnings(check(table(HEADER, row), facts, ParticipantOptions()).report) == []


def test_age_and_birth_year_must_agree():
    header = HEADER + ",age_years"
    assert checked(GOOD + ",28.6", header=header).report.ok
    (fault,) = faults(checked(GOOD + ",40", header=header).report)
    assert "1995 does not fit an age of 40 years" in fault


def test_further_numbers_are_taken_only_when_named():
    header = HEADER + ",severity"
    assert not checked(GOOD + ",2.5", header=header).report.ok
    assert checked(GOOD + ",2.5", header=header, variables=("severity",)).rows[0].variables == {
        "severity": 2.5
    }


def test_a_column_of_decimal_commas_is_one_fault_that_says_the_remedy():
    rows = [f'{GOOD.replace("N-01", code)},"2,5"' for code in ("N-01", "N-02")]
    (fault,) = faults(checked(*rows, header=HEADER + ",severity", variables=("severity",)).report)
    assert fault == (
        "column severity: every number has a decimal comma; "
        "export the table again with a decimal point."
    )


def test_more_than_a_thousand_faults_are_counted_not_listed():
    rows = [changed(participant=f"N-{i}", sex="?") for i in range(1_100)]
    told = faults(checked(*rows).report)
    assert len(told) == 1_001
    assert told[-1] == "and 100 more faults; correct these first, then check again."


def test_a_report_is_plain_data():
    report = checked(changed(sex="x")).report.as_dict()
    assert report["kind"] == "participants"
    assert report["faults"][0]["row"] == 2
    assert report["faults"][0]["text"].startswith("row 2, column sex: ")


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(HEADER.split(",")),
    st.one_of(
        cell_texts,
        st.sampled_from(["1_0", "５", "٥", "inf", "2024-13-01", "0x1", "1e999"]),
    ),
)
def test_a_mutated_cell_is_taken_exactly_or_named(column, cell):
    cells = dict(zip(HEADER.split(","), GOOD.split(","), strict=True)) | {column: cell}
    sent = read_table(as_csv(HEADER.split(","), list(cells.values())))
    result = check(sent, books())
    if result.report.ok:
        taken = getattr(result.rows[0], column)
        folded = cell.strip().casefold()
        plain = {"sex": {"f": "female", "m": "male"}.get(folded, folded)}.get(column, folded)
        yes = {"yes": "true", "1": "true", "no": "false", "0": "false"}
        plain = yes.get(plain, plain) if column == "drug_free" else plain
        if column == "birth_year" and cell.strip():
            assert float(cell) == taken
        elif column not in ("consent_scopes", "group"):
            assert str("" if taken is None else taken).casefold() == plain
    else:
        named = {fault.column for fault in result.report.faults}
        assert {fault.row for fault in result.report.faults} == {2}
        assert column in named
