"""Files of repositories that cannot be read: each refusal in the whole sentence."""

from __future__ import annotations

import json

import pytest

from cohorts.ingest.formats import assay_file, isa_tab, mwtab, mztab_m
from cohorts.ingest.formats.mwtab_json import read_json
from cohorts.ingest.reading import UnreadableFile
from tests.cohorts import test_formats_isatab as isa
from tests.cohorts import test_formats_mwtab as workbench
from tests.cohorts import test_formats_mztab as mztab
from tests.cohorts import test_formats_redcap as redcap


def refusal(read, *args, **more):
    with pytest.raises(UnreadableFile) as refused:
        read(*args, **more)
    return refused.value.message


STATUS = "\trun1[status]"
ISA = [
    ("i_inv.txt", "ONTOLOGY SOURCE REFERENCE", "STUDIES",
     "i_inv.txt: no section ONTOLOGY SOURCE REFERENCE; it is no ISA-Tab investigation."),
    ("i_inv.txt", '"Study Assay File Name"\t"a_one.txt"\n', "",
     "i_inv.txt: section STUDY: no Study Assay File Name; name the files of the study."),
    ("s_one.txt", "Sample Name", "Name",
     "s_one.txt: line 1: no Source Name or Sample Name; add both columns."),
    ("s_one.txt", "\tserum\tS-001", "\tS-001",
     's_one.txt: line 2: "FUK-001" has 3 cells for 4 columns; put one tab between any two cells.'),
    ("s_one.txt", "Source Name", '"Source Name',
     "s_one.txt: line 1: not well-formed ("),
    ("a_one.txt", "Metabolite Assignment File", "Metabolite File",
     "a_one.txt: line 1: no Sample Name or no Metabolite Assignment File; add both columns."),
    ("m_one.txt", "metabolite_identification", "metabolite",
     "m_one.txt: line 1: no column metabolite_identification; it is no metabolite file."),
    ("m_one.txt", "run2[lod]", "run1[lod]",
     'm_one.txt: line 1: two columns hold the lod of "S-001"; keep one.'),
    ("m_one.txt", "run1[concentration]", "run1[level]",
     'm_one.txt: line 1: no concentration of "S-001".'),
    ("m_one.txt", "ornithine_KIT2", "arginine_KIT2",
     'm_one.txt: line 3: metabolite_identification "arginine_KIT2": also in line 2; name each.'),
    ("m_one.txt", "ornithine_KIT2", "",
     'm_one.txt: line 3: metabolite_identification "": no name; name each.'),
    ("m_one.txt", "\t82.5\tVALID", "\t\tVALID",
     'm_one.txt: line 2: "S-001" is VALID without a value.'),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "sentence"), ISA)
def test_isa_tab_is_refused_in_its_sentence(name, old, new, sentence):
    assert refusal(isa_tab.read, isa.changed(name, old, new)).startswith(sentence)


def test_isa_tab_with_a_silent_sample_or_several_units_is_refused():
    text = isa.FILES["m_one.txt"].replace("run2[", "run3[")
    assert refusal(isa_tab.read, isa.encoded(**{"m_one.txt": text})) == (
        "m_one.txt: line 1: no column of values for S-002; name the columns by sample, assay or "
        "raw data file."
    )
    head, *rows = isa.FILES["m_one.txt"].splitlines()
    units = ("umol/L", "mmol/L", "umol/L")
    text = "\n".join(["unit\t" + head, *(f"{u}\t{r}" for u, r in zip(units, rows, strict=True))])
    assert refusal(isa_tab.read, isa.encoded(**{"m_one.txt": text})) == (
        "m_one.txt: several units, mmol/L, umol/L; send one each."
    )


def test_isa_tab_without_a_metabolite_file_or_rows_is_refused():
    bare = isa.FILES["a_one.txt"].replace("\tm_one.txt", "\t")
    assert refusal(isa_tab.read, isa.encoded(**{"a_one.txt": bare})) == (
        "i_inv.txt: no assay names a metabolite file (MAF)."
    )
    head = isa.FILES["a_one.txt"].split("\n")[0]
    assert refusal(isa_tab.read, isa.encoded(**{"a_one.txt": head})) == (
        "a_one.txt: line 1: no header, or no row below it; send the whole file."
    )
    assert refusal(isa_tab.read_zip, b"PK\x03\x04nothing", filename="x.zip") == (
        "x.zip is not a readable zip archive; pack it anew."
    )


def test_isa_tab_that_names_a_file_or_a_molecule_twice_is_refused():
    investigation = isa.FILES["i_inv.txt"].replace('"a_one.txt"', '"a_one.txt"\t"a_two.txt"')
    two = {"i_inv.txt": investigation, "a_two.txt": isa.FILES["a_one.txt"]}
    assert refusal(isa_tab.read, isa.encoded(**two)) == (
        "a_two.txt: m_one.txt is also the metabolite file of a_one.txt; give each assay its own."
    )
    other = isa.FILES["a_one.txt"].replace("m_one.txt", "m_two.txt")
    two = {**two, "a_two.txt": other, "m_two.txt": isa.FILES["m_one.txt"]}
    assert refusal(isa_tab.read, isa.encoded(**two)) == (
        'm_two.txt: line 2: "arginine" is also in m_one.txt, line 2; keep one, or give each its '
        "own name."
    )


def test_isa_tab_of_two_studies_in_one_archive_is_refused():
    files = {"one/i_inv.txt": b"", "two/i_inv.txt": b""}
    assert refusal(isa_tab.read, files) == (
        "ISA-Tab: two files are named i_inv.txt; send one study a time."
    )


# --- mwTab


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"a": ', "x.json: line 1: not well-formed JSON (Expecting value); send it whole."),
        ("[" * 100_000, "x.json: line 1: JSON nested beyond reason; no mwTab is so."),
        ('{"a": 1}', "x.json: line 1: JSON, but not of the Metabolomics Workbench."),
        (
            json.dumps({k: v for k, v in workbench.AS_JSON.items() if k != "MS_METABOLITE_DATA"}),
            "x.json: 0 sections of values (MS_METABOLITE_DATA, ",
        ),
    ],
)
def test_json_that_is_no_mwtab_is_refused_in_its_sentence(text, sentence):
    assert refusal(read_json, text, "x.json").startswith(sentence)


def test_mwtab_without_its_head_or_its_values_is_refused():
    assert refusal(mwtab.read, b"VERSION\t1\n", filename="x.txt") == (
        "x.txt: line 1 does not begin with #METABOLOMICS WORKBENCH; send it whole."
    )
    head, rest = workbench.SMALL.split("#MS_METABOLITE_DATA\n")
    away = f"{head}#MS\nMS:MS_RESULTS_FILE\tAN1.txt\n#METABOLITES{rest.split('#METABOLITES')[1]}"
    assert refusal(mwtab.read, away.encode(), filename="x.txt") == (
        'x.txt: the values are in another file, "AN1.txt"; send that as an assay table.'
    )


# --- mzTab-M


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "SML\t1\t1\t",
            "SML\t1\t9\t",
            'x.mztab: line 23: SMF_ID_REFS names SMF "9", which no SMF row is; export the file '
            "anew.",
        ),
        (
            "chemical_name\tabundance_assay[1]\tabundance_assay[2]",
            "chemical_name\tabundance_assay[1]\tabundance_assay[3]",
            "x.mztab: line 22: abundance_assay[3], but the metadata declare no assay[3]; add it "
            "or drop the column.",
        ),
        (
            "chemical_name\tabundance_assay[1]\tabundance_assay[2]",
            "chemical_name\tone\ttwo",
            "x.mztab: line 22: no abundance_assay column; export with abundances.",
        ),
        (
            "MTD\tmzTab-ID\tFUK-1\n",
            "",
            "x.mztab: the required mzTab-ID (the identifier of the file) is missing. Complete the "
            "metadata section (MTD).",
        ),
        ("COM\tTwo", "COT\tTwo", 'x.mztab: line 1: "COT" begins no line of mzTab; correct or'),
        ("COM\tTwo", "PRT\tTwo", "x.mztab: line 1: PRT is of mzTab for proteomics; only mzTab-M"),
    ],
)
def test_mztab_is_refused_in_its_sentence(old, new, sentence):
    refused = refusal(mztab_m.read, mztab.changed(old, new), filename="x.mztab")
    assert refused.startswith(sentence)


def test_mztab_without_a_named_molecule_is_refused():
    lines = mztab.SMALL.splitlines()
    text = "\n".join(line for line in lines if not line.startswith("SML"))
    assert refusal(mztab_m.read, text.encode(), filename="x.mztab").startswith(
        "x.mztab has no annotated small molecules: 0 SML rows without name or identifier, "
    )


def test_a_file_of_too_many_values_is_refused(monkeypatch):
    monkeypatch.setattr(assay_file, "MAX_CELLS", 3)
    assert refusal(mztab_m.read, mztab.SMALL.encode(), filename="x.mztab") == (
        "x.mztab has over 3 cells; split it by samples."
    )


# --- REDCap


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "hq_total",
            "visit",
            'data: a variable is called "visit", which says here whose row it is and when: rename '
            "it in REDCap, or in both files.",
        ),
        (
            "",
            "",
            'data: row 1: the dictionary does not have "hq_sum"; export data and dictionary of the '
            "same project, raw values and raw headers.",
        ),
    ],
)
def test_a_table_of_redcap_beside_another_dictionary_is_refused(old, new, sentence):
    data = redcap.DATA.replace("hq_total", new or "hq_sum")
    dictionary = redcap.DICTIONARY.replace(old, new) if old else redcap.DICTIONARY
    assert refusal(redcap.read, dictionary, data) == sentence


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            'record_id,people,,text,"Study ID",,,,,,,,',
            'record_id,people,,notes,"Study ID",,,,,,,,',
            "row 2: the first variable is a notes, but a record's code is a text; send the whole "
            "dictionary.",
        ),
        (
            'record_id,people,,text,"Study ID",,,,,,,,',
            'record_id,people,,text,"Study ID",,,,,,y,,',
            "row 2: record_id is the code of the record and marked as an identifier; record "
            "people under study codes and send those.",
        ),
        (
            "0, Female | 1, Male",
            "0, Female | 0, Male",
            'row 5: "0, Male" is no choice; write code, label with | between the choices, each '
            "code once.",
        ),
        (
            "hq_total,scales,,text",
            "HQ total,scales,,text",
            'row 8: "HQ total" is no name of a variable; REDCap allows a-z, 0-9 and _.',
        ),
        (
            "hq_total,scales,,text",
            "hq_total,scales,,matrix",
            'row 8: "matrix" is no field type of REDCap; correct it.',
        ),
    ],
)
def test_a_dictionary_of_redcap_is_refused_in_its_sentence(old, new, sentence):
    assert old in redcap.DICTIONARY
    assert sentence in refusal(redcap.read, redcap.DICTIONARY.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("his aunt,22.1", "25:00,22.1", '"25:00" is not a time; write HH:MM.'),
        ("P1,start_arm_1,Ken,a@b.org,1,,1,0", "P1,start_arm_1,Ken,a@b.org,1,,3,0",
         '"3" is no checkbox; write 0 or 1.'),
    ],
)  # fmt: skip
def test_a_value_of_redcap_is_refused_in_its_sentence(old, new, sentence):
    asked = redcap.DICTIONARY.replace(
        'kin,scales,,text,"Closest relative",,,,,,,,', 'kin,scales,,text,"Seen at",,,time,,,,,'
    )
    export = redcap.read(asked, redcap.DATA.replace(old, new, 1))
    assert any(sentence in fault for fault in redcap.faults(export.report))
