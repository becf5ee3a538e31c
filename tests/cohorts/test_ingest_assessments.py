import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohorts.ingest.assessments import check
from tests.cohorts.ingest_books import books, faults, table

ITEMS = [f"item_{i}" for i in range(1, 10)]
HEADER = ",".join(["participant", "instrument", "assessed_on", *ITEMS, "total"])


def checked(*rows, header=HEADER):
    return check(table(header, *rows), books())


def phq(items="0,1,2,3,0,1,2,3,0", total="", **cells):
    row = {"participant": "FUK-001", "instrument": "PHQ-9", "assessed_on": "2024-05-01"} | cells
    return ",".join([*row.values(), items, total])


def test_item_answers_are_taken_in_order_with_gaps_kept():
    (row,) = checked(phq("0,1,2,3,,1,2,3,0")).rows
    assert row.items == (0, 1, 2, 3, None, 1, 2, 3, 0)
    assert row.total is None


def test_a_total_alone_is_taken():
    header = "participant,instrument,assessed_on,version,language,total"
    (row,) = checked("FUK-001,hq-25,2024-05-01,1,JA,42", header=header).rows
    assert (row.instrument, row.version, row.language) == ("HQ-25", "1", "ja")
    assert (row.items, row.total) == ((), 42)


def test_items_that_the_table_lacks_are_unanswered():
    header = "participant,instrument,assessed_on,item_9,item_1"
    assert checked("FUK-001,PHQ-9,2024-05-01,3,1", header=header).rows[0].items == (
        *(1, None, None, None, None, None, None, None),
        3,
    )


def test_both_items_and_total_are_left_to_the_scoring():
    assert checked(phq(total="27")).rows[0].total == 27


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (phq("4,1,2,3,0,1,2,3,0"), 'item_1: "4" must be between 0 and 3; check the value.'),
        (phq("0.5,1,2,3,0,1,2,3,0"), 'item_1: "0.5" is not a whole number.'),
        (phq("never,1,2,3,0,1,2,3,0"), 'item_1: "never" is not a number'),
        (phq(total="28"), 'total: "28" must be between 0 and 27; check the value.'),
        (phq(",,,,,,,,"), "total: neither item answers nor a total; give one"),
        (
            phq(instrument="PHQ-8"),
            'instrument: "PHQ-8" is not a known instrument (did you mean "PHQ-9"?)',
        ),
        (phq(assessed_on="2025-07-01"), 'assessed_on: "2025-07-01" is in the future'),
        (phq(assessed_on="1/5/2024"), 'assessed_on: "1/5/2024" is not a date; write YYYY-MM-DD.'),
        (
            phq(participant="FUK-003"),
            "participant: FUK-003 has withdrawn; no further data are taken.",
        ),
        (phq(participant="X-1"), 'participant: "X-1" is not a participant of FUK'),
    ],
)
def test_a_faulty_cell_is_named_by_row_column_and_remedy(row, message):
    (fault,) = faults(checked(row).report)
    assert fault.startswith(f"row 2, column {message}")


def test_an_answer_to_an_item_that_the_scale_lacks_is_named():
    header = "participant,instrument,assessed_on,item_1,item_10"
    (fault,) = faults(checked("FUK-001,PHQ-9,2024-05-01,1,1", header=header).report)
    assert fault == (
        "row 2, column item_10: PHQ-9 has 9 items; empty this cell or check the scale."
    )


def test_a_language_that_the_scale_lacks_is_named():
    header = "participant,instrument,assessed_on,language,total"
    (fault,) = faults(checked("FUK-001,HQ-25,2024-05-01,xx,42", header=header).report)
    assert fault == 'row 2, column language: "xx" is not a known language; known are en, ja.'


def test_the_same_scale_twice_on_one_day_is_refused():
    (fault,) = faults(checked(phq(), phq(participant="FUK-002"), phq()).report)
    assert fault == (
        'row 4, column participant: "FUK-001" has PHQ-9 on 2024-05-01 in row 2 too; keep one row.'
    )


def test_a_table_without_answers_or_totals_is_refused():
    header = "participant,instrument,assessed_on"
    report = checked("FUK-001,PHQ-9,2024-05-01", header=header).report
    assert "the table has neither item_1, item_2, ... nor total" in faults(report)[0]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(-1, 5)), min_size=9, max_size=9))
def test_answers_are_taken_exactly_or_the_right_items_named(answers):
    sent = ",".join("" if answer is None else str(answer) for answer in answers)
    result = checked(phq(sent, total="5"))
    wrong = {f"item_{i}" for i, a in enumerate(answers, 1) if a is not None and not 0 <= a <= 3}
    assert {fault.column for fault in result.report.faults} == wrong
    if not wrong:
        assert result.rows[0].items == (
            tuple(answers) if any(a is not None for a in answers) else ()
        )
