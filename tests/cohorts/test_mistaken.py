"""What is part of something larger is refused with what to send instead."""

import re

import pytest

from cohorts.ingest import checking
from cohorts.ingest.reading import UnreadableFile
from tests.cohorts.ingest_books import books

ISA = "one file of an ISA-Tab: put its investigation"
DICTIONARY = "the data dictionary of a REDCap project: send the project's data as"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('"ONTOLOGY SOURCE REFERENCE"\n"Term Source Name"\tOBI\n', ISA),
        ('"#MADE BY: x"\n"ONTOLOGY SOURCE REFERENCE"\t\r\nTerm Source Name\tOBI\n', ISA),
        ('"Source Name"\t"Protocol REF"\t"Sample Name"\nP1\tsampling\tT1\n', ISA),
        ("Sample Name\tProtocol REF\tRaw Data File\nT1\textraction\tT1.raw\n", ISA),
        ("database_identifier\tmetabolite_identification\tT1\nCHEBI:1\targinine\t82\n", ISA),
        ('"Variable / Field Name","Form Name"\nrecord_id,demographics\n', DICTIONARY),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_part_sent_alone_is_told_what_it_is_part_of(content, said, encoding):
    with pytest.raises(UnreadableFile, match=r"^part\.txt is ") as refused:
        checking.read_file("assays", content.encode(encoding), "part.txt")
    assert said in refused.value.message


def test_every_part_of_the_real_isa_tab_is_told_so(real_data):
    parts = sorted((real_data / "formats/isa_tab_biocrates").iterdir())
    assert len(parts) == 8
    for part in parts:
        with pytest.raises(
            UnreadableFile, match=rf"^{re.escape(part.name)} is one file of an ISA-Tab"
        ):
            checking.read_file("assays", part.read_bytes(), part.name)


@pytest.mark.parametrize("header", ["record_id,demographics_complete", "id,redcap_event_name"])
def test_data_of_redcap_sent_as_another_table_are_told_the_way_in(header):
    content = f"{header}\n1,2\n".encode()
    report = checking.check_file("participants", content, "d.csv", books, {}).report
    first, *rest = map(str, report.faults)
    assert first.startswith("these are the data of a REDCap project: send them as a REDCap")
    assert any("not a column of participants tables" in each for each in rest)


@pytest.mark.parametrize("kind", ["participants", "samples"])
def test_a_table_of_ours_may_call_a_column_complete(kind):
    content = f"{kind[:-1]},form_complete\n1,2\n".encode()
    report = checking.check_file(kind, content, "d.csv", books, {}).report
    assert report.faults
    assert "redcap_project" not in {fault.code for fault in report.faults}
