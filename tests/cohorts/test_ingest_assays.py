import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohorts.ingest.assay_tables.assay_options import AssayOptions
from cohorts.ingest.assays import check, detect_layout
from cohorts.ingest.facts import FeatureIndex, ParticipantFacts, SampleFacts, SiteFacts
from cohorts.ingest.reading import read_table
from tests.cohorts.ingest_books import TODAY, as_csv, books, cell_texts, faults, table, warnings

LONG = "sample,feature,value,unit"


def checked(header, *rows, **options):
    return check(table(header, *rows), books(), AssayOptions("LC-MS", "plasma", **options))


def one(cell, **options):
    """One cell of arginine as sent by a site."""
    return checked("sample,arginine [umol/L]", f'S-001,"{cell}"', **options)


def test_a_wide_table_becomes_one_batch_in_its_own_units():
    result = checked(
        "sample,Arginine [mg/dL],bilirubin", "S-001,1.5,10", "S-002,2.25,12", unit="umol/L"
    )
    (batch,) = result.batches
    assert result.report.ok
    assert batch.values.tolist() == [[1.5, 10], [2.25, 12]]
    assert [column.unit for column in batch.features] == ["mg/dL", "umol/L"]
    assert batch.features[0].factor == pytest.approx(1e4 / 174.20, rel=1e-15)
    assert batch.features[1].factor == 1.0
    assert [head.sample for head in batch.rows] == ["S-001", "S-002"]


@pytest.mark.parametrize(
    ("cell", "value", "flag"),
    [
        ("1.5", 1.5, 0),
        ("1e-3", 1e-3, 0),
        ("0", 0.0, 0),
        ("<0.5", 0.5, 1),
        ("< 0.5", 0.5, 1),
        *((word, math.nan, 1) for word in ("<LOD", "ND", "n.d.", "BLOD", "<LOQ", "bql")),
        ("", math.nan, 2),
        *((word, math.nan, 2) for word in ("NA", "NaN", "#N/A")),
    ],
)
def test_measured_below_detection_and_missing_are_told_apart(cell, value, flag):
    (batch,) = checked("sample,arginine [umol/L],bilirubin [umol/L]", f"S-001,{cell},1").batches
    np.testing.assert_equal(batch.values[0, 0], value)
    assert batch.flags[0, 0] == flag


def test_a_word_for_missing_is_taken_with_one_warning():
    result = checked("sample,arginine [umol/L]", "S-001,NA", "S-002,#N/A")
    assert warnings(result.report) == [
        "row 2, column arginine [umol/L]: NA, NaN and #N/A are taken as missing, here and in all "
        "such cells (2); write <LOD where it means below detection."
    ]


@pytest.mark.parametrize(("zero_means", "flag"), [("zero", 0), ("below_lod", 1), ("missing", 2)])
@pytest.mark.parametrize("other", ["3", "<1"])
def test_zero_means_what_the_site_says(zero_means, flag, other):
    (batch,) = checked(
        "sample,arginine [umol/L]", "S-001,0", f"S-002,{other}", zero_means=zero_means
    ).batches
    assert batch.flags[0, 0] == flag
    assert math.isnan(batch.values[0, 0]) == (flag > 0)


def test_the_limit_of_a_column_is_the_highest_that_its_cells_name():
    (batch,) = checked("sample,arginine [umol/L]", "S-001,<0.5", "S-002,<0.7").batches
    assert batch.features[0].lod == 0.7
    assert batch.values[:, 0].tolist() == [0.5, 0.7]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("high", '"high" is not a number; write plain digits, or leave the cell empty.'),
        ("5,6", '"5,6" has a comma; write 5.6 with a decimal point.'),
        ("1_000", '"1_000" is not a number'),
        ("５.６", '"５.６": write it as 5.6.'),
        ("inf", '"inf" is not a number'),
        ("-1", '"-1" is negative, which no concentration is; correct it'),
        (">100", '">100" is above the range of the assay; send the diluted result or empty it.'),
        ("<-1", '"<-1": a limit is above 0; write <LOD if it is not known.'),
        ("#DIV/0!", '"#DIV/0!" is a spreadsheet error; correct or empty it.'),
        ("1e999", '"1e999" is beyond what a number can hold.'),
        ("1e-999", '"1e-999" is beyond what a number can hold.'),
    ],
)
def test_a_faulty_value_is_named_by_row_column_and_remedy(cell, message):
    result = one(cell)
    (fault,) = faults(result.report)
    assert fault.startswith(f"row 2, column arginine [umol/L]: {message}")
    assert result.batches == ()


def test_a_logarithm_may_be_negative():
    assert one("-1.5", scale="log2").batches[0].values[0, 0] == -1.5


def test_a_column_of_decimal_commas_is_one_fault():
    report = checked("sample;arginine [umol/L]", "S-001;5,6", "S-002;7,1").report
    assert faults(report) == [
        "column arginine [umol/L]: every number has a decimal comma; "
        "export the table again with a decimal point."
    ]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("arginine [umoll/L]", '"umoll/L" is not a known unit (did you mean "umol/L"?)'),
        ("arginase activity [ng/mL]", "an activity is not an amount"),
        ("arginase mass [umol/L]", "without a molar mass"),
        ("arginine [nmol/g]", "does not convert to umol/L"),
    ],
)
def test_a_unit_that_does_not_fit_is_refused(header, message):
    (fault,) = faults(checked(f"sample,{header}", "S-001,1").report)
    assert fault.startswith(f"column {header}: ")
    assert message in fault


def test_without_any_unit_values_are_relative_with_one_warning():
    result = checked("sample,arginine,bilirubin", "S-001,1,2")
    assert [(c.unit, c.factor) for c in result.batches[0].features] == [("relative", None)] * 2
    assert warnings(result.report) == [
        "no unit is given for arginine, bilirubin: taken as relative, never converted; "
        "write name [unit] if they are concentrations."
    ]


def test_new_names_are_taken_and_named_in_a_warning():
    result = checked("sample,mystery [umol/L],Glucose [M+H]", "S-001,1,2", unit="relative")
    assert [column.feature for column in result.batches[0].features] == [None, None]
    assert [column.source_name for column in result.batches[0].features] == [
        "mystery",
        "Glucose [M+H]",
    ]
    assert warnings(result.report) == [
        "2 names are new and go to the review list: mystery, Glucose [M+H]."
    ]


def test_two_columns_of_one_feature_are_refused():
    (fault,) = faults(checked("sample,arginine,L-arginine", "S-001,1,2", unit="umol/L").report)
    assert fault == (
        'column L-arginine: "L-arginine" is the same feature as "arginine"; '
        "keep one, or send two tables."
    )


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("S-01", '"S-01" is not a sample of FUK (did you mean "S-001"?); send the samples table'),
        ("S-003", "FUK-003 has withdrawn; no further data are taken."),
        ("S-004", '"S-004" is not a sample of FUK; send the samples table first'),
        (
            "S-005",
            "FUK-005 has no consent on record that covers metabolomics; record the consent first.",
        ),
        ("", "empty; every row needs a value here."),
    ],
)
def test_a_sample_that_may_not_be_assayed_is_refused(code, message):
    (fault,) = faults(checked("sample,arginine [umol/L]", f"{code},1").report)
    assert fault.startswith(f"row 2, column sample: {message}")


def test_controls_and_blanks_need_no_sample_on_the_books():
    (batch,) = checked(
        "sample,sample_type,injection_order,arginine [umol/L]",
        *("QC pool,qc,1,5", "QC pool,QC,2,5", "S-001,,3,6", "water,blank,4,0"),
    ).batches
    assert [(head.sample, head.sample_type) for head in batch.rows] == [
        *((None, "qc"), (None, "qc"), ("S-001", "study")),
        (None, "blank"),
    ]
    assert [head.injection_order for head in batch.rows] == [1, 2, 3, 4]


def test_a_sample_twice_is_refused_in_one_batch_and_taken_in_two():
    header = "sample,batch,arginine [umol/L]"
    (fault,) = faults(checked(header, "S-001,a,1", "S-001,a,2").report)
    assert fault == (
        'row 3, column sample: "S-001" is also in row 2; keep one row a sample and batch.'
    )
    batches = checked(header, "S-001,a,1", "S-002,b,3", "S-001,b,2").batches
    assert [(batch.label, batch.values.ravel().tolist()) for batch in batches] == [
        ("a", [1]),
        ("b", [3, 2]),
    ]


def test_a_misspelt_sample_type_is_one_fault():
    (fault,) = faults(checked("sample,sample_type,arginine [umol/L]", "pool,qcc,1").report)
    assert fault.startswith('row 2, column sample_type: "qcc" is not a known sample_type')


def test_a_long_table_is_laid_out_wide_with_its_gaps_missing():
    result = checked(
        LONG,
        *("S-001,arginine,5,umol/L", "S-001,bilirubin,<0.5,mg/dL", "S-002,arginine,7,umol/L"),
    )
    (batch,) = result.batches
    np.testing.assert_equal(batch.values, [[5, 0.5], [7, math.nan]])
    assert batch.flags.tolist() == [[0, 1], [0, 2]]
    assert batch.features[1].factor == pytest.approx(1e4 / 584.67, rel=1e-15)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("S-001,arginine,6,umol/L", 'row 3, column feature: "arginine" of this sample is also in'),
        ("S-002,arginine,6,mg/dL", 'row 3, column unit: "mg/dL" beside "umol/L" in row 2'),
        ("S-002,arginine,x,umol/L", 'row 3, column value: "x" is not a number'),
        ("S-002,,6,umol/L", "row 3, column feature: empty; name what was measured."),
    ],
)
def test_a_faulty_row_of_a_long_table_is_named(row, message):
    (fault,) = faults(checked(LONG, "S-001,arginine,5,umol/L", row).report)
    assert fault.startswith(message)


def test_the_layout_is_told_from_the_header():
    assert detect_layout(["Sample", "Feature", "Value", "Unit"]) == "long"
    assert detect_layout(["sample", "feature", "arginine"]) == "wide"
    assert (
        detect_layout(["ID", "Analyte", "Result"], {"feature": "Analyte", "value": "Result"})
        == "long"
    )


def test_a_personal_column_refuses_an_assay_table_too():
    report = checked("sample,氏名,arginine [umol/L]", "S-001,x,1").report
    assert "column 氏名: personal data are not taken" in faults(report)[-1] + faults(report)[0]


def test_the_site_may_name_its_sample_column():
    result = checked("sample_id,arginine [umol/L]", "S-001,1", sample_column="sample_id")
    assert result.batches[0].rows[0].sample == "S-001"


def test_a_large_clean_table_checks_in_seconds_and_reads_back_exactly():
    n, m = 400, 1_000
    values = np.random.default_rng(7).lognormal(2, 1, (n, m))
    codes = [f"N{i}" for i in range(n)]
    site = SiteFacts(
        "FUK",
        TODAY,
        participants={"P": ParticipantFacts("P", frozenset({"metabolomics"}))},
        samples={code: SampleFacts(code, "P", "plasma") for code in codes},
        features=FeatureIndex({}),
    )
    header = ["sample", *(f"f{j} [umol/L]" for j in range(m))]
    content = as_csv(header, *([c, *map(str, row)] for c, row in zip(codes, values, strict=True)))
    started = time.process_time()
    result = check(read_table(content), site, AssayOptions("LC-MS", "plasma"))
    seconds = time.process_time() - started
    assert np.array_equal(result.batches[0].values, values)
    assert seconds < 5  # a fifth of the largest table; about 0.7 s where it was written


cells = st.one_of(
    st.floats(0, 1e300, allow_subnormal=False).map(repr),
    cell_texts,
    st.sampled_from(
        ["<LOD", "<0.5", "ND", "NA", "1,5", "1_000", "٥", "-1", "+1", "1.", ".5", "1e5"]
    ),
)


@settings(max_examples=300, deadline=None)
@given(cells, st.sampled_from([0, 1]), st.sampled_from([1, 2]))
def test_a_mutated_cell_is_taken_exactly_or_named(cell, i, j):
    header = ["sample", "arginine [umol/L]", "bilirubin [umol/L]"]
    rows = [["S-001", "1.5", "2.5"], ["S-002", "3.5", "4.5"]]
    rows[i][j] = cell
    sent = read_table(as_csv(header, *rows))
    result = check(sent, books(), AssayOptions("LC-MS", "plasma"))
    if not result.report.ok:
        assert {(f.row, f.column) for f in result.report.faults} == {(i + 2, header[j])}
        return
    (batch,) = result.batches
    untouched = np.array([[1.5, 2.5], [3.5, 4.5]])
    untouched[i, j - 1] = batch.values[i, j - 1]
    assert np.array_equal(batch.values, untouched, equal_nan=True)
    if batch.flags[i, j - 1] == 0:
        assert cell.strip().isascii()
        assert "_" not in cell
        assert batch.values[i, j - 1] == pytest.approx(float(cell), rel=1e-12)
    elif batch.flags[i, j - 1] == 1:
        assert cell.strip().startswith("<") or set(cell.casefold()) <= set("nd. bloq")
    else:
        assert cell.strip().casefold() in {"", "na", "n/a", "nan", "#n/a", "null"}
