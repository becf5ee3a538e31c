"""Files that are part of something larger, and so no table of the kind that they were sent as."""

from __future__ import annotations

import re
from dataclasses import replace

from cohorts.ingest.report import Fault, Report
from cohorts.ingest.sheets.workbook import UnreadableFile
from cohorts.language.sentences import say

_HEAD = 20_000
_REDCAP_COLUMNS = {"redcap_event_name", "redcap_repeat_instrument", "redcap_survey_identifier"}
_INVESTIGATION = re.compile(r'^"?ONTOLOGY SOURCE REFERENCE"?[\t\r]*$', re.MULTILINE)
_COMPLETE = re.compile(r"\w+_complete")
REDCAP = "redcap_project"


def refuse_part(content: bytes, name: str) -> None:
    """Raises UnreadableFile for one file of an ISA-Tab, and for a REDCap data dictionary."""
    # The marks are ASCII: without its zero bytes UTF-16 shows them as well.
    head = content[:_HEAD].replace(b"\x00", b"").decode("latin-1")
    head = re.sub(r"^(\xef\xbb\xbf|\xff\xfe|\xfe\xff)", "", head)
    line = head.partition("\n")[0]
    cells = [cell.strip().strip('"') for cell in re.split(r"[\t,;]", line)]
    if _INVESTIGATION.search(head) or _is_of_isa(cells):
        raise UnreadableFile(
            say(
                "%(name)s is one file of an ISA-Tab: put its investigation (i_), study (s_), "
                "assay (a_) and metabolite files (m_) into one zip, and send that as an assay "
                "table.",
                name=name,
            )
        )
    if cells[0] == "Variable / Field Name":
        raise UnreadableFile(
            say(
                "%(name)s is the data dictionary of a REDCap project: send the project's data as "
                "a REDCap project, with this file beside it.",
                name=name,
            )
        )


def _is_of_isa(cells: list[str]) -> bool:
    return (cells[0] in ("Source Name", "Sample Name") and "Protocol REF" in cells) or {
        "database_identifier",
        "metabolite_identification",
    } <= set(cells)


def _is_of_redcap(columns: list[str]) -> bool:
    if {"participant", "sample"} & set(columns):
        return False  # a table of ours, whose writer may call a column what they like
    return bool(_REDCAP_COLUMNS & set(columns)) or any(map(_COMPLETE.fullmatch, columns))


def with_hint(report: Report, columns: list[str]) -> Report:
    """A refused report that first says so where the table is the data of a REDCap project."""
    if report.ok or not _is_of_redcap(columns):
        return report
    hint = Fault(
        None,
        None,
        REDCAP,
        say(
            "these are the data of a REDCap project: send them as a REDCap project, with its data "
            "dictionary; what names a person is then taken out before anything is stored."
        ),
    )
    return replace(report, faults=(hint, *report.faults))
