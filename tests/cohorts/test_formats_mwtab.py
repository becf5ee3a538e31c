import json
import re

import pytest
from hypothesis import given, settings

from cohorts.ingest import assays
from cohorts.ingest.assay_tables.assay_options import AssayOptions
from cohorts.ingest.formats import mwtab
from cohorts.ingest.formats.dispatch import read_assay_file
from cohorts.ingest.reading import UnreadableFile
from tests.cohorts.ingest_books import books, warnings
from tests.cohorts.one_line import one_line_changed, refusal_of

SMALL = """\
#METABOLOMICS WORKBENCH STUDY_ID:ST000001 ANALYSIS_ID:AN000001
VERSION\t1
#PROJECT
PR:PROJECT_TITLE\tWithdrawal
#SUBJECT_SAMPLE_FACTORS:\tSUBJECT(optional)[tab]SAMPLE[tab]FACTORS
SUBJECT_SAMPLE_FACTORS\tFUK-001\tS-001\tGroup:hikikomori | Clock:10:30\tbatch=1
SUBJECT_SAMPLE_FACTORS\t-\tS-002\tGroup:control | Clock:11:00\tbatch=1
#COLLECTION
CO:SAMPLE_TYPE\tplasma
#MS_METABOLITE_DATA
MS_METABOLITE_DATA:UNITS\tumol/L
MS_METABOLITE_DATA_START
Samples\tS-001\tS-002
Factors\tGroup:hikikomori | Clock:10:30\tGroup:control | Clock:11:00
arginine\t82.5\t77.125
ornithine\t<0.5\t
MS_METABOLITE_DATA_END
#METABOLITES
METABOLITES_START
metabolite_name\tpubchem_id\tHMDB_ID
arginine\t6322\tHMDB0000517
ornithine\t6262\t
METABOLITES_END
#END
"""
AS_JSON = {
    "METABOLOMICS WORKBENCH": {"STUDY_ID": "ST000001"},
    "SUBJECT_SAMPLE_FACTORS": [
        {"Subject ID": "FUK-001", "Sample ID": "S-001", "Factors": {"Group": "hikikomori"}},
        {"Subject ID": "-", "Sample ID": "S-002", "Factors": {"Group": "control"}},
    ],
    "COLLECTION": {"SAMPLE_TYPE": "plasma"},
    "MS_METABOLITE_DATA": {
        "Units": "umol/L",
        "Data": [
            {"Metabolite": "arginine", "S-001": "82.5", "S-002": "77.125"},
            {"Metabolite": "ornithine", "S-001": "<0.5", "S-002": ""},
        ],
        "Metabolites": [{"Metabolite": "arginine", "HMDB_ID": "HMDB0000517"}],
    },
}


def cells(read):
    return read.table.frame.to_numpy().tolist()


def changed(old, new):
    assert old in SMALL
    return SMALL.replace(old, new, 1).encode()


@pytest.mark.parametrize("content", [SMALL.encode(), json.dumps(AS_JSON).encode()])
def test_text_and_json_give_the_same_values(content):
    read = mwtab.read(content)
    assert cells(read) == [
        ["S-001", "arginine", "82.5", "umol/L"],
        ["S-002", "arginine", "77.125", "umol/L"],
        ["S-001", "ornithine", "<0.5", "umol/L"],
        ["S-002", "ornithine", "", "umol/L"],
    ]
    assert read.features[0].identifiers["hmdb"] == "HMDB0000517"
    assert [(s.sample, s.participant, s.material) for s in read.samples] == [
        ("S-001", "FUK-001", "plasma"),
        ("S-002", "", "plasma"),
    ]


def test_rows_are_numbered_as_the_lines_of_the_file():
    assert mwtab.read(SMALL.encode()).table.frame.index.tolist() == [15, 15, 16, 16]


def test_a_factor_may_hold_a_clock_time():
    assert mwtab.read(SMALL.encode()).samples[0].factors[1] == ("Clock", "10:30")


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_an_upload_is_known_by_its_content(codec, end):
    table = read_assay_file(SMALL.replace("\n", end).encode(codec), filename="values.csv")
    checked = assays.check(table, books(), AssayOptions("LC-MS", "plasma"))
    assert checked.report.ok, checked.report.faults
    assert checked.batches[0].values.tolist()[0] == [82.5, 0.5]
    assert checked.batches[0].flags.tolist() == [[0, 1], [0, 2]]


def test_what_is_odd_in_the_file_stands_in_the_report():
    table = read_assay_file(changed("arginine\t6322", "Arg\t6322"))
    report = assays.check(table, books(), AssayOptions("LC-MS", "plasma")).report
    assert any("without a line in METABOLITES" in text for text in warnings(report))


def test_a_key_named_twice_in_additional_data_is_a_warning():
    assert mwtab.read(changed("batch=1", "batch=1; batch=2")).warnings == (
        'Line 6: the additional data name "batch" twice; it is not in the table.',
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("PR:PROJECT_TITLE\t", "PR:PROJECT_TITLE ", "line 4, section PROJECT: no tab after"),
        ("#PROJECT", "#PROJEKT", "line 3, section PROJEKT: mwTab has no section of that name"),
        ("\tFUK-001\tS-001\t", "\tFUK-001S-001", "line 6, section SUBJECT_SAMPLE_FACTORS: 2 cells"),
        ("\tGroup:hik", "\tGroup::hik", "line 6, .*Group::hikikomori.* is not NAME:VALUE"),
        ("\t-\tS-002", "\t-\tS-001", 'line 7, .*"S-001" is listed twice'),
        ("Samples\tS-001\tS-002", "Samples\tS-001\tS-001", "line 13, .*names the sample .* twice"),
        ("Samples\tS-001\tS-002", "Samples\tS-002\tS-001", "line 14, .*out of order"),
        ("\t82.5\t", "\t", 'line 15, section MS_METABOLITE_DATA: "arginine" has 1 cells for 2'),
        ("ornithine\t<0.5", "arginine\t<0.5", 'line 16, .*"arginine" is also in line 15'),
        ("ornithine\t<0.5", "\t<0.5", "line 16, .*without the name"),
        ("MS_METABOLITE_DATA_END\n", "", "line 17, .*inside the block that line 12 opens"),
        ("#END\n", "", "has no #END; it was cut short"),
        ("#END\n", "#END\n#PROJECT\n", "line 25, section END: text after #END"),
    ],
)
def test_a_malformed_line_is_refused_with_line_and_section(old, new, message):
    with pytest.raises(UnreadableFile, match=message):
        mwtab.read(changed(old, new), filename="sent.txt")


def test_values_in_a_results_file_of_their_own_are_asked_for():
    start, end = SMALL.index("MS_METABOLITE_DATA_START"), SMALL.index("#METABOLITES")
    text = SMALL[:start] + "MS:MS_RESULTS_FILE\tAN1_Results.txt\n" + SMALL[end:]
    with pytest.raises(UnreadableFile, match=r'in another file, "AN1_Results\.txt"'):
        mwtab.read(text.encode())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda whole: whole.pop("MS_METABOLITE_DATA"), "0 sections of values"),
        (lambda whole: whole["MS_METABOLITE_DATA"].update(Data={}), "Data is not a list"),
        (lambda whole: whole["MS_METABOLITE_DATA"].update(Data=[]), "Data is empty"),
        (
            lambda whole: whole["MS_METABOLITE_DATA"]["Data"][1].pop("S-002"),
            'MS_METABOLITE_DATA: entry 2 of Data: "S-002" is not in every entry',
        ),
        (
            lambda whole: whole["MS_METABOLITE_DATA"]["Data"][1].update(Metabolite="arginine"),
            '"arginine" is entry 1 and 2 of Data',
        ),
        (
            lambda whole: whole["SUBJECT_SAMPLE_FACTORS"][1].update({"Sample ID": "S-001"}),
            "SUBJECT_SAMPLE_FACTORS: sample 2 has no Sample ID of its own",
        ),
    ],
)
def test_json_is_refused_with_section_and_entry(change, message):
    whole = json.loads(json.dumps(AS_JSON))
    change(whole)
    with pytest.raises(UnreadableFile, match=message):
        mwtab.read(json.dumps(whole).encode())


def test_a_sample_that_json_names_twice_is_refused_and_not_the_last_one_kept():
    text = json.dumps(AS_JSON).replace('"S-001": "82.5"', '"S-001": "82.5", "S-001": "9"')
    with pytest.raises(UnreadableFile, match='entry 1 of Data: "S-001" comes twice'):
        mwtab.read(text.encode())


@pytest.mark.parametrize("text", ['{"METABOLOMICS WORKBENCH": ', "[" * 100_000, "{}"])
def test_json_that_is_no_mwtab_is_refused_with_its_line(text):
    with pytest.raises(UnreadableFile, match="line 1"):
        mwtab.read(text.encode())


@settings(max_examples=150, deadline=None)
@given(one_line_changed(SMALL))
def test_one_changed_line_is_read_or_named(text):
    message = refusal_of(mwtab.read, text.encode())
    assert not message or re.search(r"line \d+", message)
    if not message:
        read = mwtab.read(text.encode())
        assert len(read.table.frame) == 2 * len(read.features)


@settings(max_examples=100, deadline=None)
@given(one_line_changed(json.dumps(AS_JSON, indent=1)))
def test_one_changed_line_of_json_is_read_or_named(text):
    message = refusal_of(mwtab.read, text.encode())
    assert not message or re.search(r"line \d+|section", message)
    # A file that is no longer known as mwTab is refused as the table that it is not.
    refusal_of(read_assay_file, text.encode())


@pytest.mark.parametrize("name", ["ST000122_AN000204.txt", "ST000122_AN000204.json"])
def test_the_steroids_of_st000122_are_read(real_data, name):
    read = mwtab.read((real_data / "formats/mwtab" / name).read_bytes(), filename=name)
    frame = read.table.frame
    assert (frame["sample"].nunique(), frame["feature"].nunique(), len(frame)) == (42, 14, 588)
    assert set(frame["unit"]) == {"pg/ml"}
    cortisol = frame[frame["feature"] == "Cortisol"].set_index("sample")["value"]
    assert cortisol["CER040_242995_ML_2"] == "39245.7500"
    identifiers = {feature.name: feature.identifiers for feature in read.features}
    assert identifiers["Cortisol"] == {"pubchem": "5754"}
    assert {sample.material for sample in read.samples} == {"Serum"}
    assert read.warnings == (
        "Features without a line in METABOLITES, so without identifiers (1): Corticosterone_ DOC.",
    )


def test_both_spellings_of_st000122_hold_the_same_values(real_data):
    folder = real_data / "formats/mwtab"
    one, other = (
        mwtab.read((folder / f"ST000122_AN000204.{end}").read_bytes()) for end in ("txt", "json")
    )
    assert cells(one) == cells(other)
    assert one.samples == other.samples


def test_the_bins_of_st000022_are_all_there(real_data):
    content = (real_data / "formats/mwtab/ST000022_AN000041.txt").read_bytes()
    read = mwtab.read(content)
    # Counted with no reader at all: the lines between START and END, and their tabs.
    block = content.decode().split("NMR_BINNED_DATA_START\n")[1].split("NMR_BINNED_DATA_END")[0]
    lines = block.splitlines()
    bins = [line for line in lines[1:] if not line.startswith("Factors")]
    frame = read.table.frame
    assert frame["feature"].tolist()[::36] == [line.split("\t")[0] for line in bins]
    assert frame["value"].tolist() == [v for line in bins for v in line.split("\t")[1:37]]
    assert (frame["sample"].nunique(), set(frame["unit"])) == (36, {"relative"})
    assert {sample.material for sample in read.samples} == {"Urine"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("malformed_SSF_line", "line 72, section SUBJECT_SAMPLE_FACTORS: 2 cells after the key"),
        ("malformed_factor", 'line 72, .*"Disease Status::Cases" is not NAME:VALUE'),
        ("missing_tab", "line 5, section PROJECT: no tab after .*PR:PROJECT_TITLE"),
    ],
)
def test_the_damaged_copies_of_st000022_are_refused(real_data, name, message):
    path = real_data / f"formats/mwtab/ST000022_AN000041_{name}.txt"
    with pytest.raises(UnreadableFile, match=message):
        mwtab.read(path.read_bytes(), filename=path.name)


def test_the_copy_with_a_key_named_twice_is_read_with_a_warning(real_data):
    path = real_data / "formats/mwtab/ST000122_AN000204_duplicate_keys.txt"
    read = mwtab.read(path.read_bytes())
    assert len(read.table.frame) == 588
    assert 'Line 36: the additional data name "key_1" twice' in read.warnings[0]
