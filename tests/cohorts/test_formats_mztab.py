import re

import pytest
from hypothesis import given, settings

from cohorts.ingest import assays
from cohorts.ingest.assay_tables.assay_options import AssayOptions
from cohorts.ingest.formats import mztab_m
from cohorts.ingest.formats.dispatch import read_assay_file
from cohorts.ingest.reading import UnreadableFile
from tests.cohorts.ingest_books import books
from tests.cohorts.one_line import one_line_changed, refusal_of

SMALL = """\
COM\tTwo amino acids of two people
MTD\tmzTab-version\t2.0.0-M
MTD\tmzTab-ID\tFUK-1
MTD\tsoftware[1]\t[MS, MS:1000922, Skyline, 3.5]
MTD\tquantification_method\t[MS, MS:1001838, SRM quantitation analysis, ]
MTD\tsample[1]\tS-001
MTD\tsample[1]-tissue[1]\t[BTO, BTO:0000131, blood plasma, ]
MTD\tsample[2]\tS-002
MTD\tms_run[1]-location\tfile:///C:/data/one.mzML
MTD\tms_run[2]-location\tfile:///C:/data/two.mzML
MTD\tassay[1]\tfirst
MTD\tassay[1]-sample_ref\tsample[1]
MTD\tassay[1]-ms_run_ref\tms_run[1]
MTD\tassay[2]\tsecond
MTD\tassay[2]-sample_ref\tsample[2]
MTD\tassay[2]-ms_run_ref\tms_run[2]
MTD\tstudy_variable[1]\tall
MTD\tstudy_variable[1]-assay_refs\tassay[1] | assay[2]
MTD\tcv[1]-label\tMS
MTD\tdatabase[1]\t[, , HMDB, ]
MTD\tsmall_molecule-quantification_unit\t[UO, UO:0000064, micromolar, ]
SMH\tSML_ID\tSMF_ID_REFS\tdatabase_identifier\tchemical_name\tabundance_assay[1]\tabundance_assay[2]
SML\t1\t1\tHMDB:HMDB0000517\targinine\t82.5\t77.125
SML\t2\tnull\tnull\tornithine\tnull\t60
SML\t3\tnull\tnull\tnull\t5\t6
SFH\tSMF_ID\tSME_ID_REFS\tabundance_assay[1]\tabundance_assay[2]
SMF\t1\t1\t82.5\t77.125
SEH\tSME_ID\tchemical_name
SME\t1\targinine
"""


def changed(old, new):
    assert old in SMALL
    return SMALL.replace(old, new, 1).encode()


def test_abundances_become_the_values_of_the_samples():
    table = read_assay_file(SMALL.encode(), filename="values.txt")
    assert table.frame.to_numpy().tolist() == [
        ["S-001", "arginine", "82.5", "umol/L"],
        ["S-002", "arginine", "77.125", "umol/L"],
        ["S-001", "ornithine", "", "umol/L"],
        ["S-002", "ornithine", "60", "umol/L"],
    ]
    assert table.frame.index.tolist() == [23, 23, 24, 24]
    checked = assays.check(table, books(), AssayOptions("LC-MS", "plasma"))
    assert checked.report.ok, checked.report.faults
    assert checked.batches[0].flags.tolist() == [[0, 2], [0, 0]]


def test_identifiers_and_samples_stand_beside_the_table():
    read = mztab_m.read(SMALL.encode())
    assert read.features[0].identifiers == {"hmdb": "HMDB:HMDB0000517"}
    assert (read.samples[0].sample, read.samples[0].material) == ("S-001", "blood plasma")
    assert read.warnings == ("1 small molecules without name or identifier: left out.",)


def test_two_assays_of_one_sample_are_called_by_their_own_names():
    read = mztab_m.read(changed("assay[2]-sample_ref\tsample[2]", "assay[2]-sample_ref\tsample[1]"))
    assert set(read.table.frame["sample"]) == {"first", "second"}
    assert "Samples are called by the name of their assay: first, second" in read.warnings[0]


def test_isomers_under_one_name_are_kept_apart():
    read = mztab_m.read(changed("null\tnull\tnull\t5", "null\tnull\tornithine\t5"))
    names = [feature.name for feature in read.features]
    assert names == ["arginine", "ornithine (SML 2)", "ornithine (SML 3)"]
    assert "1 names stand for several molecules" in read.warnings[0]


@pytest.mark.parametrize(
    ("sent", "unit"),
    [
        ("[PRIDE, PRIDE:0000330, Arbitrary quantification unit, ]", "relative"),
        ("[, , Progenesis QI Normalised Abundance, ]", "relative"),
        ("[UO, UO:0000065, nanomolar, ]", "nmol/L"),
        ("[UO, UO:0000072, picomolal, ]", "picomolal"),
    ],
)
def test_the_unit_is_that_of_the_metadata(sent, unit):
    read = mztab_m.read(changed("[UO, UO:0000064, micromolar, ]", sent))
    assert set(read.table.frame["unit"]) == {unit}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("2.0.0-M", "1.0.0", 'line 2: mzTab-version is "1.0.0"; only mzTab-M 2 is read'),
        ("MTD\tsoftware[1]\t[MS, MS:1000922, Skyline, 3.5]\n", "", "software.1. .* is missing"),
        ("MTD\tdatabase[1]", "MTD\tDatabase[1]", 'line 20: "Database.1." is no key .* database'),
        (
            "assay[1] | assay[2]",
            "assay[1] | assay[3]",
            'line 18: .* names "assay.3.", which is not',
        ),
        ("MTD\tassay[2]\tsecond", "MTD\tassay[1]\tsecond", "line 14: .* is also in line 11"),
        ("MTD\tmzTab-ID\tFUK-1", "MTD\tmzTab-ID", "line 3: a metadata line has a key and a value"),
        ("SMH\tSML_ID", "SMH\tID", "line 22: the header of SML rows has no SML_ID"),
        ("abundance_assay[2]\nSML", "abundance_assay[7]\nSML", "line 22: .*declare no assay.7."),
        ("82.5\t77.125\nSML", "82.5\nSML", "line 23: 5 cells for 6 columns; write null"),
        ("SML\t2", "SML\t1", 'line 24: SML_ID "1" is also in line 23'),
        ("SML\t1\t1", "SML\t1\t4", 'line 23: SMF_ID_REFS names SMF "4", which no SMF row is'),
        ("SME\t1", "COM\tSME\t1", 'line 27: SME_ID_REFS names SME "1", which no SME row is'),
        ("SML\t3", "SMX\t3", 'line 25: "SMX" begins no line of mzTab'),
        ("SML\t3", "PRT\t3", "line 25: PRT is of mzTab for proteomics"),
    ],
)
def test_what_breaks_the_format_is_refused(old, new, message):
    with pytest.raises(UnreadableFile, match=message):
        mztab_m.read(changed(old, new), filename="sent.mztab")


def test_a_file_without_names_says_so():
    text = SMALL.replace("\targinine\t", "\tnull\t").replace("\tornithine\t", "\tnull\t")
    with pytest.raises(UnreadableFile, match="no annotated small molecules: 2 SML rows"):
        mztab_m.read(text.replace("HMDB:HMDB0000517", "null").replace("SML\t3", "COM").encode())


@settings(max_examples=200, deadline=None)
@given(one_line_changed(SMALL))
def test_one_changed_line_is_read_or_named(text):
    message = refusal_of(mztab_m.read, text.encode())
    assert not message or re.search(r"line \d+|required .* is missing|no annotated", message)


@pytest.mark.parametrize(
    ("name", "n_molecules", "n_samples", "unit", "value"),
    [
        ("MTBLS263.mztab", 17, 6, "relative", ("Creatinine", "59809754.62")),
        (
            "StandardMix_positive_exportSpeciesLevel.mzTab",
            117,
            5,
            "relative",
            ("LPS 16:0", "1.135937541796875E7"),
        ),
        ("gcxgc-ms-example.mztab", 1, 2, "relative", ("Octadecanoic acid", "805.16")),
        ("lipidomics-example.mzTab", 1, 1, "picomolal", ("Cer(d18:1/24:0)", "4.448784E-05")),
    ],
)
def test_real_exports_are_read(real_data, name, n_molecules, n_samples, unit, value):
    content = (real_data / "formats/mztab_m" / name).read_bytes()
    frame = mztab_m.read(content).table.frame
    assert n_molecules == sum(line.startswith(b"SML") for line in content.splitlines())
    assert (frame["feature"].nunique(), frame["sample"].nunique()) == (n_molecules, n_samples)
    assert len(frame) == n_molecules * n_samples
    assert set(frame["unit"]) == {unit}
    assert tuple(frame.iloc[0][["feature", "value"]]) == value


def test_every_abundance_of_mtbls263_is_the_text_of_its_cell(real_data):
    content = (real_data / "formats/mztab_m/MTBLS263.mztab").read_bytes()
    rows = [line.split("\t") for line in content.decode().splitlines()]
    header = next(row for row in rows if row[0] == "SMH")
    at = [header.index(f"abundance_assay[{n}]") for n in range(1, 7)]
    cells = [row[j] for row in rows if row[0] == "SML" for j in at]
    assert mztab_m.read(content).table.frame["value"].tolist() == cells


def test_the_five_files_of_the_standard_mix_keep_their_isomers_apart(real_data):
    path = real_data / "formats/mztab_m/StandardMix_positive_exportSpeciesLevel.mzTab"
    read = mztab_m.read(path.read_bytes())
    assert any("13 names stand for several molecules" in text for text in read.warnings)
    assert read.samples[0].sample == "014_Ex1_Orbitrap_CID_pos_50"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("xcms-test-export.mztab", "no annotated small molecules: 1 SML rows .* 351 unnamed SMF"),
        ("minimal-m-2.0.mztab", "no annotated small molecules: 0 SML rows"),
        ("lipidomics-example-crosslink-error.mzTab", 'line 75: SME_ID_REFS names SME "3"'),
        (
            "lipidomics-example-missing-required-MTD.mzTab",
            r"the required software\[1\] .* is missing; line 49: .*Database\[3\]",
        ),
    ],
)
def test_real_files_without_values_or_with_errors_are_refused(real_data, name, message):
    with pytest.raises(UnreadableFile, match=message):
        mztab_m.read((real_data / "formats/mztab_m" / name).read_bytes(), filename=name)


def test_the_minimal_file_is_valid_though_it_has_no_molecules(real_data):
    mztab = mztab_m.parse((real_data / "formats/mztab_m/minimal-m-2.0.mztab").read_bytes())
    assert mztab.metadata.assays == {"assay[1]", "assay[2]"}
    assert mztab.metadata.quantification_unit == "Progenesis QI normalised abundance"
