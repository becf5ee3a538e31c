import io
import re
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohorts.ingest import assays
from cohorts.ingest.assay_tables.assay_options import AssayOptions
from cohorts.ingest.formats import isa_tab
from cohorts.ingest.formats.dispatch import read_assay_file
from cohorts.ingest.reading import UnreadableFile, read_table
from tests.cohorts.ingest_books import books, faults
from tests.cohorts.one_line import one_line_changed, refusal_of

FILES = {
    "i_inv.txt": (
        'ONTOLOGY SOURCE REFERENCE\n"STUDY"  \n"Study File Name"\t"s_one.txt"\t\n'
        '"Study Assay File Name"\t"a_one.txt"\n"Study Protocol Name"\t"extraction"\t"KIT2"\n'
    ),
    "s_one.txt": (
        "Source Name\tCharacteristics[Organism part]\tSample Name\tFactor Value[group]\n"
        "FUK-001\tserum\tS-001\tcase\nFUK-002\tserum\tS-002\tcontrol\n"
    ),
    "a_one.txt": (
        "Sample Name\tProtocol REF\tRaw Spectral Data File\tMetabolite Assignment File\n"
        "S-001\tKIT2\trun1.wiff\tm_one.txt\nS-002\tKIT2\trun2.wiff\tm_one.txt\n"
    ),
    "m_one.txt": (
        "metabolite_identification\tdatabase_identifier\trun1[concentration]\trun1[status]"
        "\trun1[lod]\trun2[concentration]\trun2[status]\trun2[lod]\n"
        "arginine_KIT2\tHMDB0000517\t82.5\tVALID\t0.5\t77.125\tSEMI_QUANT\t0.5\n"
        "ornithine_KIT2\t\t0.1\tSMALLER_LOD\t0.5\t0.7\tSMALLER_LLOQ\t0.5\n"
        "bilirubin_KIT2\t\t\tNO_INTERCEPT\t\t0.2\tSMALLER_LOD\t\n"
    ),
}


def encoded(**changes):
    return {name: text.encode() for name, text in {**FILES, **changes}.items() if text is not None}


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"MTBLS1/{name}", content)
    return out.getvalue()


def changed(name, old, new):
    assert old in FILES[name]
    return encoded(**{name: FILES[name].replace(old, new, 1)})


def values(read):
    frame = read.table.frame
    return {
        (sample, feature): value
        for sample, feature, value in zip(
            frame["sample"], frame["feature"], frame["value"], strict=True
        )
    }


def test_the_status_of_a_kit_decides_what_a_value_is():
    assert values(isa_tab.read(encoded())) == {
        ("S-001", "arginine"): "82.5",
        ("S-002", "arginine"): "77.125",
        ("S-001", "ornithine"): "<0.5",
        ("S-002", "ornithine"): "<LLOQ",
        ("S-001", "bilirubin"): "",
        ("S-002", "bilirubin"): "<LOD",
    }


def test_a_zip_is_an_assay_upload():
    table = read_assay_file(zipped(encoded()), filename="study.zip")
    checked = assays.check(table, books(), AssayOptions("Biocrates", "serum", unit="umol/L"))
    assert checked.report.ok, checked.report.faults
    assert checked.batches[0].flags.tolist() == [[0, 1, 2], [0, 1, 1]]
    assert checked.batches[0].features[1].lod == 0.5


def test_samples_and_identifiers_stand_beside_the_table():
    read = isa_tab.read(encoded())
    assert read.features[0].identifiers == {"hmdb": "HMDB0000517"}
    sample = read.samples[1]
    assert (sample.participant, sample.material) == ("FUK-002", "serum")
    assert sample.factors == (("group", "control"),)


def test_a_value_above_the_range_is_left_to_the_check_to_refuse():
    read = isa_tab.read(changed("m_one.txt", "82.5\tVALID", "82.5\tGREATER_THAN_ULOQ"))
    report = assays.check(read.table, books(), AssayOptions("Biocrates", "serum")).report
    assert any(
        'row 2, column arginine, S-001: ">82.5" is above the range' in fault
        for fault in faults(report)
    )


def test_metabolights_columns_by_sample_name_are_values():
    plain = "metabolite_identification\tunit\tS-001\tS-002\narginine\tumol/L\t1\t2\n"
    read = isa_tab.read(encoded(**{"m_one.txt": plain}))
    assert list(values(read).values()) == ["1", "2"]
    assert set(read.table.frame["unit"]) == {"umol/L"}


def test_plates_of_other_samples_are_other_batches():
    assay = FILES["a_one.txt"].replace("run2.wiff\tm_one.txt", "run2.wiff\tm_two.txt")
    head = "metabolite_identification\t{}\narginine\t{}\n"
    files = encoded(
        **{
            "a_one.txt": assay,
            "m_one.txt": head.format("run1", 1),
            "m_two.txt": head.format("run2", 2),
        }
    )
    frame = isa_tab.read(files).table.frame
    assert frame["batch"].tolist() == ["batch 1", "batch 2"]


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("i_inv.txt", "ONTOLOGY", "ONTOLOGIE", "i_inv.txt: no section ONTOLOGY SOURCE REFERENCE"),
        ("i_inv.txt", "Study Assay File", "Assay File", "section STUDY: no Study Assay File Name"),
        ("i_inv.txt", "s_one", "s_two", "i_inv.txt names the file s_two.txt, which was not sent"),
        ("i_inv.txt", '"a_one.txt"', '"a_one.txt', "i_inv.txt: line 4: not well-formed"),
        ("s_one.txt", "Source Name", "Source", "s_one.txt: line 1: no Source Name"),
        ("s_one.txt", "\tcontrol", "", 's_one.txt: line 3: "FUK-002" has 3 cells for 4'),
        ("a_one.txt", "S-002", "S-009", "a_one.txt: no study file describes S-009"),
        ("a_one.txt", "Metabolite Assignment", "MAF", "a_one.txt: line 1: no Sample Name or no"),
        ("m_one.txt", "metabolite_id", "id", "m_one.txt: line 1: no column metabolite_id"),
        ("m_one.txt", "ornithine", "arginine", "line 3: .*also in line 2"),
        ("m_one.txt", "SMALLER_LOD", "SMALL", 'line 3: "S-001" has the status "SMALL"'),
        ("m_one.txt", "82.5\t", "\t", 'm_one.txt: line 2: "S-001" is VALID without a value'),
        ("m_one.txt", "run2[conc", "run9[conc", 'line 1: no concentration of "S-002"'),
    ],
)
def test_what_is_missing_or_malformed_is_refused_with_its_file(name, old, new, message):
    with pytest.raises(UnreadableFile, match=message):
        isa_tab.read(changed(name, old, new))


def test_two_files_of_one_name_are_not_confused():
    files = {f"{folder}/{n}": content for folder in "ab" for n, content in encoded().items()}
    with pytest.raises(UnreadableFile, match=r"two files are named i_inv\.txt"):
        isa_tab.read(files)


def test_a_metabolite_file_of_two_assays_is_refused():
    files = encoded(
        **{
            "i_inv.txt": FILES["i_inv.txt"].replace('"a_one.txt"', '"a_one.txt"\t"a_two.txt"'),
            "a_two.txt": FILES["a_one.txt"],
        }
    )
    with pytest.raises(UnreadableFile, match=r"a_two\.txt: m_one\.txt is also .* of a_one\.txt"):
        isa_tab.read(files)


def test_without_an_investigation_it_is_no_isa_tab():
    with pytest.raises(UnreadableFile, match=r"one investigation file i_\*\.txt is needed"):
        isa_tab.read(encoded(**{"i_inv.txt": None}))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(FILES)).flatmap(
        lambda name: st.tuples(st.just(name), one_line_changed(FILES[name]))
    )
)
def test_one_changed_line_is_read_or_its_file_named(change):
    name, text = change
    message = refusal_of(isa_tab.read, encoded(**{name: text}))
    assert not message or re.match(r"[iasm]_\w+\.txt|ISA-Tab", message)


@pytest.mark.parametrize("read", [isa_tab.read_zip, read_table])
def test_a_zip_whose_directory_leads_outside_of_it_is_refused(read):
    content = bytearray(zipped(encoded()))
    # Where the central directory says that it begins, in the record at the very end.
    begins = int.from_bytes(content[-6:-2], "little")
    content[-6:-2] = (begins + 1000).to_bytes(4, "little")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.infolist()[0].header_offset < 0
    with pytest.raises(UnreadableFile, match="not a readable"):
        read(bytes(content))


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=1, max_size=40), st.integers(0, 2000))
def test_a_damaged_zip_does_no_worse_than_a_refusal(noise, at):
    good = zipped(encoded())
    at %= len(good)
    refusal_of(read_assay_file, good[:at] + noise + good[at + len(noise) :])


@pytest.fixture
def biocrates(real_data):
    folder = real_data / "formats/isa_tab_biocrates"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_biocrates_kit_is_read_value_by_value(biocrates):
    read = isa_tab.read(biocrates)
    frame = read.table.frame
    assert (frame["sample"].nunique(), frame["feature"].nunique(), len(frame)) == (6, 205, 1230)
    kinds = [value[:1] if value[:1] in "<>" else "number" for value in frame["value"]]
    counted = b"".join(content for name, content in biocrates.items() if name[0] == "m")
    assert kinds.count(">") == counted.count(b"GREATER_THAN_ULOQ") == 5
    assert frame["value"].tolist().count("<LOD") == counted.count(b"SMALLER_LOD") == 329
    assert frame["value"].tolist().count("<LLOQ") == counted.count(b"SMALLER_LLOQ") == 75
    assert kinds.count("number") == counted.count(b"VALID") + counted.count(b"SEMI_QUANT")
    # NO_INTERCEPT leaves no value.
    assert frame["value"].tolist().count("") == counted.count(b"NO_INTERCEPT") == 8


def test_a_value_of_the_kit_is_found_under_its_sample(biocrates):
    found = values(isa_tab.read(biocrates))
    # m_..._KIT2: Ala of run ..._755146, which the assay sheet gives to WTC-2.
    assert found[("WTC-2", "Ala")] == "744.0"
    assert found[("WTC-5", "Ala")] == "756.0"
    assert found[("WTC-5", "9S-HODE")] == "<LOD"


def test_the_whole_kit_tells_what_it_took_for_what(biocrates):
    told = "\n".join(isa_tab.read(biocrates).warnings)
    assert "613 values are semi-quantitative: kept as measured" in told
    assert "5 values are above the range" in told
    assert "name no unit; give the unit with the file" in told
