"""What a report says of a row names whose row it is, and the cell as it was sent."""

from __future__ import annotations

import pytest

from cohorts.ingest import checking
from cohorts.ingest.assay_tables.assay_options import AssayOptions
from tests.cohorts.ingest_books import books

PLASMA = AssayOptions("LC-MS/MS", "plasma")


def told(kind, text, options):
    report = checking.check_file(kind, text.encode(), "t.csv", books, options).report
    return [(f.row, f.record, f.feature, f.column, f.value) for f in report.faults]


def test_a_cell_of_a_wide_table_is_told_with_its_sample():
    text = "sample,arginine [umol/L]\nS001,81\nS002,8l.5\n"
    found = told("assays", text, PLASMA)
    assert (3, "S002", None, "arginine [umol/L]", "8l.5") in found


def test_a_value_of_a_long_table_is_told_with_its_sample_and_feature():
    text = "sample,feature,value,unit\nS001,arginine,8l.5,umol/L\n"
    assert (2, "S001", "arginine", "value", "8l.5") in told("assays", text, PLASMA)


def test_the_sites_own_names_of_columns_are_looked_under():
    text = "tube,arginine\nS001,high\n"
    options = AssayOptions("LC-MS/MS", "plasma", columns={"sample": "tube"})
    assert (2, "S001", None, "arginine", "high") in told("assays", text, options)


def test_an_empty_cell_is_told_as_empty_and_a_long_one_is_cut():
    head = "participant,sex,group,enrolled_on\n"
    found = told("participants", f"{head}X1,,hikikomori,2024-04-01\n", {})
    assert (2, "X1", None, "sex", "") in found
    found = told("participants", f"{head}X1,{'m' * 500},hikikomori,2024-04-01\n", {})
    assert found[0][4] == "m" * 80 + "..."


def test_of_a_table_with_a_column_of_personal_data_no_cell_is_told():
    text = "participant,sex,group,enrolled_on,family_name\nX1,q,hikikomori,2024-04-01,Sato\n"
    found = told("participants", text, {})
    assert {(record, value) for _, record, _, _, value in found} == {(None, None)}


@pytest.mark.parametrize("kind", ["participants", "redcap"])
def test_of_a_redcap_project_no_cell_is_told(kind):
    text = "participant,sex,group,enrolled_on\nX1,q,hikikomori,2024-04-01\n"
    values = {value for *_, value in told(kind, text, {})}
    assert ("q" in values) == (kind == "participants")
