from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohorts.ingest.reading import read_table
from cohorts.ingest.samples import SampleOptions, check
from tests.cohorts.ingest_books import as_csv, books, cell_texts, faults, table

HEADER = (
    "sample,participant,material,collected_at,tube,spun_at,frozen_at,fasting_hours,"
    "haemolysis_index,light_protected,freeze_thaws,parent,visit"
)
GOOD = (
    "N-1,FUK-001,plasma,2024-05-01T09:00,EDTA,2024-05-01T09:40,2024-05-01T11:00,"
    "12,3.5,yes,1,S-001,baseline"
)


def checked(*rows, header=HEADER, **options):
    return check(table(header, *rows), books(), SampleOptions(**options))


def changed(row=GOOD, **cells):
    return ",".join((dict(zip(HEADER.split(","), row.split(","), strict=True)) | cells).values())


def test_a_good_row_is_taken_as_it_stands():
    (row,) = checked(GOOD).rows
    assert (row.sample, row.participant, row.material, row.tube) == (
        *("N-1", "FUK-001", "plasma"),
        "EDTA",
    )
    assert row.collected_at.isoformat() == "2024-05-01T09:00:00"
    assert (row.fasting_hours, row.haemolysis_index) == (12, 3.5)
    assert (row.light_protected, row.freeze_thaws, row.parent) == (True, 1, "S-001")


def test_times_keep_their_offset_and_days_stay_days():
    row = changed(collected_at="2024-05-01", spun_at="2024-05-01T00:40Z", frozen_at="")
    taken = checked(row).rows[0]
    assert taken.collected_at == date(2024, 5, 1)
    assert taken.spun_at == datetime(2024, 5, 1, 0, 40, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"collected_at": "31/02/2024"}, '"31/02/2024" is not a date; write YYYY-MM-DD or'),
        ({"collected_at": "2024-05-01T25:00"}, '"2024-05-01T25:00" is no time of the day'),
        ({"collected_at": "2024-02-30T09:00"}, '"2024-02-30T09:00" is no day of the calendar'),
        ({"collected_at": "2024/5/1 9:30"}, '"2024/5/1 9:30": write it as 2024-05-01T09:30.'),
        ({"frozen_at": "2026-05-01"}, '"2026-05-01" is in the future; check the year.'),
        ({"spun_at": "2024-05-01T08:00"}, '"2024-05-01T08:00" is before collected_at'),
        ({"frozen_at": "2024-05-01T09:30"}, '"2024-05-01T09:30" is before spun_at'),
        (
            {"frozen_at": "2024-05-01"},
            '"2024-05-01" has no time, but spun_at "2024-05-01T09:40" has',
        ),
        ({"frozen_at": "2024-05-01T11:00Z"}, '"2024-05-01T11:00Z" and spun_at'),
        ({"fasting_hours": "twelve"}, '"twelve" is not a number; write plain digits'),
        ({"fasting_hours": '"12,5"'}, '"12,5" has a comma; write 12.5 with a decimal point.'),
        ({"fasting_hours": "１２"}, '"１２": write it as 12.'),
        ({"fasting_hours": "1_2"}, '"1_2" is not a number'),
        ({"fasting_hours": "inf"}, '"inf" is not a number'),
        ({"fasting_hours": "1e999"}, '"1e999" is beyond what a number can hold.'),
        ({"fasting_hours": "#N/A"}, '"#N/A" is a spreadsheet error; correct or empty it.'),
        ({"fasting_hours": "=A1"}, '"=A1" is a formula that was never computed'),
        ({"fasting_hours": "-1"}, '"-1" must be between 0 and 96; check the value.'),
        ({"haemolysis_index": "-1"}, '"-1" must be 0 or more; check the value.'),
        ({"freeze_thaws": "1.5"}, '"1.5" is not a whole number.'),
        ({"light_protected": "dark"}, '"dark" is neither yes nor no'),
        ({"material": "plsma"}, '"plsma" is not a known material (did you mean "plasma"?)'),
        (
            {"sample": "S-001", "parent": ""},
            '"S-001" is already on the books of FUK; leave this row out',
        ),
        (
            {"participant": "FUK-0001"},
            '"FUK-0001" is not a participant of FUK (did you mean "FUK-001"?)',
        ),
        ({"participant": "FUK-003"}, "FUK-003 has withdrawn; no further data are taken."),
        (
            {"participant": "FUK-005"},
            "FUK-005 has no consent on record that covers store_samples; record the consent first.",
        ),
        ({"parent": "S-01"}, '"S-01" is not a sample of this table or of FUK (did you mean'),
        ({"parent": "S-002"}, '"S-002" belongs to another participant; check both codes.'),
        ({"parent": "N-1"}, '"N-1" descends from this sample itself; name the true parent.'),
        ({"tube": "x" * 41}, f'"{"x" * 39}…" is over 40 letters; shorten it.'),
    ],
)
def test_a_faulty_cell_is_named_by_row_column_and_remedy(cells, message):
    (fault,) = faults(checked(changed(**cells)).report)
    assert fault.startswith(f"row 2, column {next(iter(cells))}: {message}")


SPUN = HEADER + ",centrifugation,second_centrifugation,storage"


def test_the_letters_of_sprec_are_taken_in_either_case():
    (row,) = checked(f"{GOOD},b,N,a", header=SPUN).rows
    assert (row.centrifugation, row.second_centrifugation, row.storage) == ("B", "N", "A")
    (empty,) = checked(f"{GOOD},,,", header=SPUN).rows
    assert (empty.centrifugation, empty.second_centrifugation, empty.storage) == ("", "", "")


@pytest.mark.parametrize(
    ("letters", "message"),
    [
        ("K,,", 'column centrifugation: "K" is no letter of SPREC for this; write one of A, B'),
        ("A,M,", 'column second_centrifugation: "M" is no letter of SPREC for this'),
        ("A,N,freezer", 'column storage: "freezer" is no letter of SPREC for this'),
        ("N,A,", "column second_centrifugation: spun a second time, but centrifugation says"),
    ],
)
def test_what_is_no_letter_of_sprec_is_named(letters, message):
    (fault,) = faults(checked(f"{GOOD},{letters}", header=SPUN).report)
    assert fault.startswith(f"row 2, {message}")


def test_an_erased_participant_cannot_be_told_from_one_who_never_was():
    words = []
    for code in ("FUK-004", "FUK-009"):
        (fault,) = faults(checked(changed(participant=code)).report)
        words.append(fault.replace(code, "CODE"))
    assert words[0] == words[1]
    assert "FUK-004" not in faults(checked(changed(participant="FUK-044")).report)[0]


def test_a_participant_who_only_wants_no_contact_still_gives_samples():
    assert checked(changed(participant="FUK-006", parent="")).report.ok


def test_the_same_sample_twice_is_refused_even_in_another_case():
    (fault,) = faults(checked(GOOD, changed(sample="n-1")).report)
    assert fault == 'row 3, column sample: "n-1" is also in row 2; keep one row a sample.'


def test_a_parent_may_stand_after_its_aliquot():
    rows = [changed(parent="N-2"), changed(sample="N-2", parent="")]
    assert [row.parent for row in checked(*rows).rows] == ["N-2", ""]


def test_two_samples_that_are_each_others_parent_are_both_named():
    rows = [changed(parent="N-2"), changed(sample="N-2", parent="N-1")]
    assert [fault.row for fault in checked(*rows).report.faults] == [2, 3]


def test_a_file_of_another_site_is_refused_without_a_thousand_searches():
    rows = [changed(sample=f"N-{i}", participant=f"KYO-{i}", parent="") for i in range(300)]
    told = faults(checked(*rows).report)
    assert len(told) == 300
    assert sum("did you mean" in fault for fault in told) <= 50


def test_the_header_in_a_message_is_the_sites_own():
    header = HEADER.replace("material", "検体")
    result = checked(changed(material="?"), header=header, columns={"material": "検体"})
    assert faults(result.report)[0].startswith("row 2, column 検体: ")


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(HEADER.split(",")),
    st.one_of(
        cell_texts,
        st.floats().map(repr),
        st.sampled_from(["2024-05-01", "2024-05-01 10:00", "٥", "1,5", "FUK-002", "N-1"]),
    ),
)
def test_a_mutated_cell_is_taken_exactly_or_named(column, cell):
    cells = dict(zip(HEADER.split(","), GOOD.split(","), strict=True)) | {column: cell}
    sent = read_table(as_csv(HEADER.split(","), list(cells.values())))
    result = check(sent, books())
    if not result.report.ok:
        # A changed time may make the next time impossible, a changed participant the parent.
        allowed = {"collected_at": {"spun_at"}, "spun_at": {"frozen_at"}, "participant": {"parent"}}
        named = {fault.column for fault in result.report.faults}
        assert {fault.row for fault in result.report.faults} == {2}
        assert named <= {column} | allowed.get(column, set())
    elif column in ("fasting_hours", "haemolysis_index", "freeze_thaws") and cell.strip():
        assert getattr(result.rows[0], column) == pytest.approx(float(cell), rel=1e-12)
    elif column in ("sample", "participant", "tube", "parent", "visit"):
        assert getattr(result.rows[0], column) == cell.strip()
