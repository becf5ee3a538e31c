"""From the bytes of a file to its table and its checked rows: no database is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from cohorts.ingest import assays, assessments, mistaken, participants, redcap_projects, samples
from cohorts.ingest.cited import cited
from cohorts.ingest.decimals import with_decimal_points
from cohorts.ingest.encodings import recoded
from cohorts.ingest.facts import SiteFacts
from cohorts.ingest.formats.dispatch import read_assay_file
from cohorts.ingest.reading import SEMICOLONS, AsNumbers, Table, read_table
from cohorts.ingest.remarks import without_remarks
from cohorts.ingest.report import Fault

Checked = (
    participants.CheckedParticipants
    | samples.CheckedSamples
    | assessments.CheckedAssessments
    | assays.CheckedAssays
)
Options = Mapping[str, str] | assays.AssayOptions
"""Standard column -> the site's own name; of assays also what the file does not say of itself."""


def read_file(
    kind: str,
    content: bytes,
    filename: str,
    encoding: str = "",
    as_numbers: AsNumbers | None = None,
) -> Table:
    """The table in a file, without remarks of an earlier check. Raises UnreadableFile.

    ``encoding`` is what a person says the file has; without it, it must be certain. With
    ``as_numbers`` its columns are read as numbers at once where all of them hold nothing else.
    """
    reader = read_assay_file if kind == "assays" else read_table
    name = filename or "The file"
    content = recoded(content, encoding, name) if encoding else content
    mistaken.refuse_part(content, name)
    table = reader(content, filename=filename, as_numbers=as_numbers)
    table = replace(table, encoding=encoding) if encoding else table
    table = without_remarks(table)
    if table.numbers is not None or not _may_hold_commas(content):
        return table  # what was read as numbers at once has no comma in any cell
    return with_decimal_points(table)


def _may_hold_commas(content: bytes) -> bool:
    """Whether a cell can hold a comma: where commas separate, only within quotes."""
    marks = (b'"', b";", b"\t", b"\x00")
    return content.startswith(b"PK") or any(mark in content for mark in marks)


def check_file(
    kind: str,
    content: bytes,
    filename: str,
    facts: Callable[[], SiteFacts],
    options: Options,
    encoding: str = "",
    as_numbers: Callable[[Callable[[str], str]], AsNumbers] = AsNumbers,
) -> Checked:
    """Read a file and check its rows. Raises UnreadableFile where there is no table in it.

    ``facts`` are asked for when the file has been read. ``as_numbers`` makes, of what names the
    text columns of an assay table, the way in which its others are read.
    """
    if isinstance(options, assays.AssayOptions):
        how = as_numbers(assays.text_names(options))
        table = read_file(kind, content, filename, encoding, how)
        if assays.tells_no_fault(table, options):
            return check_table(kind, table, facts(), options)
    return check_table(kind, read_file(kind, content, filename, encoding), facts(), options)


def check_table(kind: str, table: Table, facts: SiteFacts, options: Options) -> Checked:
    """Check a table that has been read; what is said of a row names its cells."""
    checked = _checked(kind, table, facts, options)
    if kind == "redcap":  # its texts are free, and may say anything
        return checked
    mapping = options.columns if isinstance(options, assays.AssayOptions) else options
    report = mistaken.with_hint(cited(checked.report, table, mapping), table.columns)
    if table.note and table.note != SEMICOLONS:
        told = Fault(None, None, "read_as", table.note)
        report = replace(report, warnings=(told, *report.warnings))
    return replace(checked, report=report)


def _checked(kind: str, table: Table, facts: SiteFacts, options: Options) -> Checked:
    if isinstance(options, assays.AssayOptions):
        return assays.check(table, facts, options)
    if kind == "participants":
        return participants.check(table, facts, participants.ParticipantOptions(columns=options))
    if kind == "redcap":
        return redcap_projects.check(table, facts, options)
    if kind == "samples":
        return samples.check(table, facts, samples.SampleOptions(columns=options))
    return assessments.check(table, facts, assessments.AssessmentOptions(columns=options))
