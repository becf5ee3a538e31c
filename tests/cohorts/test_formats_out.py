"""Assay values written for repositories, read back by readers that are not ours and by ours."""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import replace
from datetime import date
from pathlib import Path

import altamisa.isatab
import mwtab
import numpy as np
import pytest
from pyteomics.mztab import MzTab

from cohorts.ingest import assays
from cohorts.ingest.assay_tables.assay_options import AssayOptions
from cohorts.ingest.assay_tables.values import BELOW_LOD, EXCLUDED, MEASURED, MISSING
from cohorts.ingest.formats.dispatch import read_assay_file
from cohorts.ingest.formats.isa_tab import read as read_isa
from cohorts.outgoing import isa_tab, mztab_m
from cohorts.outgoing import mwtab as mwtab_out
from cohorts.outgoing.assay_records import OutAssayed, OutBatch, OutFeature, Unwritable
from cohorts.outgoing.records import OutSite
from tests.cohorts.ingest_books import books

FEATURES = (
    OutFeature("arginine", "Arg", "umol/L", "HMDB0000517", "16467",
               "ODKSFYDXXFIFQN-BYPYZUCNSA-N"),
    OutFeature("arginase activity", "ARG1", "U/L"),
    OutFeature("ornithine", "Orn", "umol/L"),
)  # fmt: skip
VALUES = np.array([[82.5, 1 / 3, 0.5], [1e-7, np.nan, np.nan]])
FLAGS = np.array([[MEASURED, MEASURED, BELOW_LOD], [MEASURED, MISSING, BELOW_LOD]], dtype=np.uint8)
BATCH = OutBatch(
    key=7,
    label="plate 1",
    platform="LC-MS/MS",
    matrix="plasma",
    scale="raw",
    run_date=date(2024, 5, 2),
    features=FEATURES,
    samples=(
        OutAssayed("S-001", "FUK-001", "hikikomori", "male"),
        OutAssayed("S-002", "FUK-002", "healthy_control", "female"),
    ),
    values=VALUES,
    flags=FLAGS,
)
SITE = OutSite(
    study="hikikomori",
    title='Blood biomarkers, "hikikomori"',
    site="FUK",
    name="Fukuoka, Kyushu",
    country="JP",
    people=(),
    samples=(),
    written_on=date(2025, 6, 1),
    batches=(BATCH,),
)
WRITERS = {"mwtab": mwtab_out.write, "mztab-m": mztab_m.write, "isa-tab": isa_tab.write}


def unpacked(content: bytes, to: Path) -> list[Path]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(to)
        return [to / name for name in archive.namelist()]


def texts_of(form: str, content: bytes, to: Path) -> list[bytes]:
    """The files as a site would send them to us: one analysis each, ISA-Tab as its zip."""
    if form == "isa-tab":
        return [content]
    return [file.read_bytes() for file in unpacked(content, to)]


def checked(content: bytes) -> dict[tuple[str, str], tuple[str, float, int]]:
    """What our own check makes of a file: unit, value and flag by sample and feature."""
    table = read_assay_file(content, filename="returned")
    found = assays.check(table, books(), AssayOptions(platform="LC-MS/MS", matrix="plasma"))
    assert not found.report.faults, found.report.faults
    (batch,) = found.batches
    return {
        (head.sample, column.feature.name): (column.unit, float(values[j]), int(flags[j]))
        for head, values, flags in zip(batch.rows, batch.values, batch.flags, strict=True)
        for j, column in enumerate(batch.features)
    }


@pytest.mark.parametrize("form", WRITERS)
def test_our_own_readers_find_equal_values_flags_and_units(form, tmp_path):
    found = {}
    for content in texts_of(form, WRITERS[form](SITE), tmp_path):
        found |= checked(content)
    wanted = {
        (one.sample, feature.name): (feature.unit, float(VALUES[i, j]), int(FLAGS[i, j]))
        for i, one in enumerate(BATCH.samples)
        for j, feature in enumerate(FEATURES)
    }
    assert {key: (unit, flag) for key, (unit, _, flag) in found.items()} == {
        key: (unit, flag) for key, (unit, _, flag) in wanted.items()
    }
    for key, (_, value, _) in wanted.items():
        np.testing.assert_equal(found[key][1], value, err_msg=str(key))


@pytest.mark.parametrize("form", WRITERS)
def test_pools_and_blanks_come_back_as_what_they_are(form, tmp_path):
    named = {"QC": "qc", "QC 2": "qc", "B": "blank"}
    controls = tuple(OutAssayed(name, kind=kind) for name, kind in named.items())
    values = np.vstack([VALUES, [[80, 0.5, 1], [81, 0.4, 1], [0.1, 0.1, 0.1]]])
    with_controls = replace(
        BATCH,
        samples=(*BATCH.samples, *controls),
        values=values,
        flags=np.vstack([FLAGS, np.full((3, 3), MEASURED, dtype=np.uint8)]),
    )
    kinds, read = {}, {}
    for content in texts_of(form, WRITERS[form](replace(SITE, batches=(with_controls,))), tmp_path):
        table = read_assay_file(content, filename="returned")
        found = assays.check(table, books(), AssayOptions(platform="LC-MS/MS", matrix="plasma"))
        assert not found.report.faults, found.report.faults
        (batch,) = found.batches
        names = [column.feature.name for column in batch.features]
        for head, row in zip(batch.rows, batch.values, strict=True):
            kinds[head.label] = head.sample_type
            if "arginine" in names:
                read[head.label] = float(row[names.index("arginine")])
    assert kinds == {"S-001": "study", "S-002": "study", **named}
    assert read == {"S-001": 82.5, "S-002": 1e-7, "QC": 80, "QC 2": 81, "B": 0.1}


ORDERED = replace(
    BATCH,
    samples=(replace(BATCH.samples[0], injection_order=4), replace(BATCH.samples[1])),
)


@pytest.mark.parametrize("form", WRITERS)
def test_the_order_of_injection_comes_back_where_it_was_recorded(form, tmp_path):
    for content in texts_of(form, WRITERS[form](replace(SITE, batches=(ORDERED,))), tmp_path):
        table = read_assay_file(content, filename="returned")
        found = assays.check(table, books(), AssayOptions(platform="LC-MS/MS", matrix="plasma"))
        assert not found.report.faults, found.report.faults
        (batch,) = found.batches
        assert {head.label: head.injection_order for head in batch.rows} == {
            "S-001": 4,
            "S-002": None,
        }


def test_other_programs_read_the_order_of_injection(tmp_path):
    site = replace(SITE, batches=(ORDERED,))
    first, _ = unpacked(mwtab_out.write(site), tmp_path)
    read = next(mwtab.read_files(str(first)))
    assert read["SUBJECT_SAMPLE_FACTORS"][0]["Additional sample data"] == {"Injection_order": "4"}
    files = {file.name: file for file in unpacked(mztab_m.write(site), tmp_path)}
    with files["FUK-batch-7-umol_L.mztab"].open() as file:
        custom = MzTab(file).metadata["assay[1]-custom[1]"]
    assert tuple(custom) == ("injection order", "4")


def test_two_assays_that_injected_a_sample_at_other_times_give_no_order(tmp_path):
    content = isa_tab.write(replace(SITE, batches=(ORDERED,)))
    unpacked(content, tmp_path)
    changed = tmp_path / "batch-7" / "a_batch-7-U_L.txt"
    changed.write_text(changed.read_text().replace("LC-MS/MS\t4\t", "LC-MS/MS\t9\t"))
    again = {file.name: file.read_bytes() for file in (tmp_path / "batch-7").iterdir()}
    table = read_isa(again).table
    assert "injection_order" not in table.columns


@pytest.mark.parametrize("form", WRITERS)
def test_an_excluded_value_leaves_as_no_value(form, tmp_path):
    excluded = replace(BATCH, flags=np.full_like(FLAGS, EXCLUDED))
    content = WRITERS[form](replace(SITE, batches=(excluded,)))
    found = [checked(text) for text in texts_of(form, content, tmp_path)]
    assert {flag for part in found for _, _, flag in part.values()} == {MISSING}


def complaints_of(text: str) -> list[str]:
    file = mwtab.mwtab.MWTabFile("out.txt")
    file.read(io.StringIO(text))
    return [each["message"] for each in mwtab.validate_file(file)[1]]


def test_the_workbenchs_own_package_misses_only_what_a_depositor_adds(tmp_path):
    first, _ = unpacked(mwtab_out.write(SITE), tmp_path)
    complaints = complaints_of(first.read_text())
    depositors = ("PROJECT", "STUDY", "COLLECTION", "TREATMENT", "SAMPLEPREP", "CHROMATOGRAPHY")
    mine = [
        each
        for each in complaints
        if not any(f'in the "{section}" section' in each for section in (*depositors, "MS"))
    ]
    assert mine == []
    twice = first.read_text().replace("Samples\tS-001\tS-002", "Samples\tS-001\tS-009")
    assert any("S-009" in each for each in complaints_of(twice))  # it does look at the samples


def test_the_workbenchs_own_package_reads_the_values(tmp_path):
    files = unpacked(mwtab_out.write(SITE), tmp_path)
    assert [file.name for file in files] == [
        "FUK-batch-7-umol_L.mwtab.txt",
        "FUK-batch-7-U_L.mwtab.txt",
    ]
    read = next(mwtab.read_files(str(files[0])))
    assert read["MS_METABOLITE_DATA"]["Units"] == "umol/L"
    arginine, ornithine = read["MS_METABOLITE_DATA"]["Data"]
    assert (arginine["S-001"], arginine["S-002"]) == ("82.5", "1e-07")
    assert (ornithine["S-001"], ornithine["S-002"]) == ("<0.5", "<LOD")
    assert read["MS_METABOLITE_DATA"]["Metabolites"][0]["HMDB_ID"] == "HMDB0000517"
    subject = read["SUBJECT_SAMPLE_FACTORS"][1]
    assert (subject["Subject ID"], subject["Factors"]["Group"]) == ("FUK-002", "healthy_control")


def test_pyteomics_reads_mztab_m(tmp_path):
    files = {file.name: file for file in unpacked(mztab_m.write(SITE), tmp_path)}
    with files["FUK-batch-7-umol_L.mztab"].open() as file:
        read = MzTab(file)
    assert (read.version, read.variant) == ("2.0.0-M", "M")
    assert read.metadata["small_molecule-quantification_unit"].accession == "UO:0000064"
    molecules = read.small_molecule_table
    assert list(molecules["chemical_name"]) == ["arginine", "ornithine"]
    assert molecules["database_identifier"].iloc[0] == "HMDB:HMDB0000517"
    assert molecules["abundance_assay[1]"].iloc[0] == 82.5
    assert molecules["abundance_assay[1]"].isna().tolist() == [False, True]
    assert molecules["opt_assay[1]_below_detection"].iloc[1] == "<0.5"
    assert {v["name"] for v in read.study_variables.values()} == {"hikikomori", "healthy_control"}


@pytest.mark.parametrize("batch", [BATCH, ORDERED])
def test_altamisa_reads_isa_tab_and_finds_it_valid(batch, tmp_path, recwarn):
    unpacked(isa_tab.write(replace(SITE, batches=(batch,))), tmp_path)
    folder = tmp_path / "batch-7"
    with (folder / "i_batch-7.txt").open() as file:
        investigation = altamisa.isatab.InvestigationReader.from_stream(file).read()
    altamisa.isatab.InvestigationValidator(investigation).validate()
    (study,) = investigation.studies
    with (folder / study.info.path).open() as file:
        read = altamisa.isatab.StudyReader.from_stream("S1", file).read()
    altamisa.isatab.StudyValidator(investigation, study, read).validate()
    samples = [each for each in read.materials.values() if each.type == "Sample Name"]
    assert [(each.name, each.factor_values[0].value) for each in samples] == [
        ("S-001", ["hikikomori"]),
        ("S-002", ["healthy_control"]),
    ]
    for assay in study.assays:
        with (folder / assay.path).open() as file:
            of_assay = altamisa.isatab.AssayReader.from_stream("S1", "A1", file).read()
        altamisa.isatab.AssayValidator(investigation, study, assay, of_assay).validate()
    critical = (altamisa.isatab.ParseIsatabWarning,)
    assert [str(each.message) for each in recwarn if issubclass(each.category, critical)] == []


def test_the_metabolite_file_has_the_kits_columns(tmp_path):
    files = {file.name: file for file in unpacked(isa_tab.write(SITE), tmp_path)}
    with files["m_batch-7-umol_L_maf.txt"].open(newline="") as file:
        arginine, ornithine = csv.DictReader(file, delimiter="\t")
    assert (arginine["S-001[concentration]"], arginine["S-001[status]"]) == ("82.5", "VALID")
    assert [ornithine[f"S-001[{kind}]"] for kind in ("concentration", "status", "lod")] == [
        "",
        "SMALLER_LOD",
        "0.5",
    ]
    assert (arginine["database_identifier"], arginine["unit"]) == ("HMDB0000517", "umol/L")


def test_a_log_scale_is_in_the_unit_and_is_refused_when_it_comes_back(tmp_path):
    logged = replace(SITE, batches=(replace(BATCH, scale="log2"),))
    (text, _) = texts_of("mwtab", mwtab_out.write(logged), tmp_path)
    table = read_assay_file(text, filename="returned")
    found = assays.check(table, books(), AssayOptions(platform="LC-MS/MS", matrix="plasma"))
    assert any("log2 umol/L" in str(fault) for fault in found.report.faults)


@pytest.mark.parametrize(
    ("form", "change", "sentence"),
    [
        ("mwtab", {"platform": "clinical chemistry"}, "by clinical chemistry; mwTab tells of mass"),
        ("mztab-m", {"platform": "1H NMR"}, "by 1H NMR; mzTab-M tells of mass spectrometry alone"),
        (
            "mztab-m",
            {"features": (replace(FEATURES[0], name="PC 16:0|18:1"), *FEATURES[1:])},
            r'the name "PC 16:0\|18:1" has a .*rename the feature in the dictionary',
        ),
    ],
)
def test_what_a_format_has_no_word_for_is_refused(form, change, sentence):
    with pytest.raises(Unwritable, match=sentence):
        WRITERS[form](replace(SITE, batches=(replace(BATCH, **change),)))


@pytest.mark.parametrize(
    ("platform", "technology"),
    [("LC-MS", "MS"), ("UHPLC-QTOF", "MS"), ("FIA-MS/MS", "MS"), ("1H-NMR", "NMR"),
     ("AU5800", ""), ("ELISA", ""), ("atoms", "")],
)  # fmt: skip
def test_a_platforms_technology_is_read_from_its_words(platform, technology):
    assert replace(BATCH, platform=platform).technology == technology
