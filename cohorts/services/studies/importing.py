"""A whole existing cohort, from its folder to the records, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.core.exceptions import ValidationError
from django.core.validators import slug_re

from cohorts.errors import DomainError
from cohorts.ingest.reading import Table, UnreadableFile, read_table
from cohorts.ingest.report import Fault
from cohorts.ingest.study.description import (
    STUDY_FILE,
    StudyDescription,
    StudyFault,
    UnusableStudy,
    parse_study,
)
from cohorts.ingest.study.study_assays import Notebook
from cohorts.ingest.study.study_tables import LeftOut, SplitStudy, split
from cohorts.models import Change, Site, Study, User
from cohorts.retrying import transacted
from cohorts.services.studies import study_features
from cohorts.services.studies.study_work import CheckedTable, StudyWork, TableOutcome


class RefusedStudy(DomainError):
    """Faults in study.toml or in the tables; nothing was stored."""

    code = "study_refused"

    def __init__(self, faults: Sequence[StudyFault]) -> None:
        n = len(faults)
        super().__init__(f"{n} {'fault' if n == 1 else 'faults'}; nothing was stored.")
        self.faults = tuple(faults)


@dataclass(frozen=True)
class StudyOutcome:
    """What an import did, or would do."""

    study: Study
    tables: tuple[TableOutcome, ...]
    left_out: tuple[LeftOut, ...]
    warnings: tuple[StudyFault, ...]
    variables: tuple[str, ...]
    groups: frozenset[str]

    @property
    def changed(self) -> bool:
        return any(table.is_new for table in self.tables)


def read_folder(folder: Path) -> tuple[StudyDescription, dict[str, bytes]]:
    """The description in the folder and the files that it names.

    Raises OSError where study.toml cannot be read, RefusedStudy with every fault of it and every
    file that is not there.
    """
    try:
        description = parse_study((folder / STUDY_FILE).read_bytes())
    except UnusableStudy as error:
        raise RefusedStudy(error.faults) from error
    contents: dict[str, bytes] = {}
    faults = []
    for name in description.files:
        try:
            contents[name] = (folder / name).read_bytes()
        except OSError as error:
            why = f"{error.strerror}; put the file into the folder or correct its name."
            faults.append(StudyFault(name, Fault(None, None, "no_file", why)))
    if faults:
        raise RefusedStudy(faults)
    return description, contents


@transacted
def import_study(
    description: StudyDescription, contents: Mapping[str, bytes], *, by: User | None = None
) -> StudyOutcome:
    """Take every table of the study into the records, or none.

    Tables go through the checks and services of uploads. What is on the books already, from the
    same file under the same description, is left as it is.

    Raises RefusedStudy with all faults of all tables.
    """
    tables = _read(contents)
    notes = Notebook()
    parts = split(description, tables, notes)
    study, sites = _open(description, parts)
    identities = study_features.identities(description, tables, sites, notes)
    work = StudyWork(description, contents, parts, sites, identities, by)
    checked = work.check_all()
    faults, warnings = _found(notes, checked)
    if faults:
        raise RefusedStudy(faults)
    study_features.open_features(identities, [c for entry in checked for c in entry.columns])
    study_features.open_aliases(identities, sites)
    for entry in checked:
        work.store(entry)
    outcomes = tuple(entry.outcome for entry in checked)
    _record(study, sites, outcomes)
    return StudyOutcome(
        study=study,
        tables=outcomes,
        left_out=parts.left_out,
        warnings=warnings,
        variables=parts.variables,
        groups=_groups(parts),
    )


def _read(contents: Mapping[str, bytes]) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    faults = []
    for name, content in contents.items():
        try:
            tables[name] = read_table(content, filename=Path(name).name)
        except UnreadableFile as error:
            faults.append(StudyFault(name, Fault(None, None, "unreadable", str(error))))
    if faults:
        raise RefusedStudy(faults)
    return tables


def _open(description: StudyDescription, parts: SplitStudy) -> tuple[Study, dict[str, Site]]:
    """The study and its sites, created where they are not there; the groups are declared."""
    study, _ = Study.objects.select_for_update(no_key=True).get_or_create(
        code=description.code, defaults={"title": description.title}
    )
    used = {
        group for part in parts.participants for group in part.table.frame.get("group", ()) if group
    }
    more = sorted((set(study.more_groups) | used) - (study.groups - set(study.more_groups)))
    said = [
        f'the group "{group}" is no short name (letters, digits, - and _); translate it with '
        "`values` in [participants]."
        for group in sorted(used)
        if not slug_re.fullmatch(group)
    ]
    if more != sorted(study.more_groups) and not said:
        study.more_groups = more
        study.save(update_fields=["more_groups"])
    sites: dict[str, Site] = {}
    for entry in description.sites:
        # Locked, as for an upload: a check stays true until its rows are written.
        site = Site.objects.select_for_update(no_key=True).filter(code=entry.code).first()
        if site is None:
            site = Site(study=study, code=entry.code, name=entry.name, country=entry.country)
            site.time_zone = entry.time_zone
            said += [] if said else _problems(site, f"[[site]] {entry.code}")
            if not said:
                site.save()
        elif site.study_id != study.pk:
            said.append(
                f"[[site]] {entry.code}: this code is a site of the study {site.study.code}; "
                "choose another code."
            )
        sites[entry.code] = site
    if said:
        raise RefusedStudy(
            [StudyFault(STUDY_FILE, Fault(None, None, "study_file", text)) for text in said]
        )
    return study, sites


def _groups(parts: SplitStudy) -> frozenset[str]:
    tables = [part.table.frame for part in parts.participants]
    return frozenset(group for frame in tables for group in frame.get("group", ()) if group)


def _problems(row: Site, where: str) -> list[str]:
    try:
        row.full_clean(validate_unique=False)
    except ValidationError as error:
        return [f"{where}: {text}" for text in error.messages]
    return []


def _found(
    notes: Notebook, checked: Sequence[CheckedTable]
) -> tuple[list[StudyFault], tuple[StudyFault, ...]]:
    """Faults and warnings of all tables, each once: sites that share a file share many."""
    reports = [(file, found.report(file, 0, {})) for file, found in notes.by_file.items()]
    reports += [(entry.file, report) for entry in checked for report in entry.reports]
    faults = [StudyFault(file, fault) for file, report in reports for fault in report.faults]
    warnings = [StudyFault(file, said) for file, report in reports for said in report.warnings]
    return list(dict.fromkeys(faults)), tuple(dict.fromkeys(warnings))


def _record(study: Study, sites: Mapping[str, Site], outcomes: Sequence[TableOutcome]) -> None:
    """One change a site, last of all: the log's lock serialises writers."""
    for code, site in sites.items():
        counts: dict[str, int] = {}
        for table in outcomes:
            if table.site == code and table.is_new:
                counts[table.kind] = counts.get(table.kind, 0) + table.n_rows
        if counts:
            Change.objects.record(
                study=study,
                site=site,
                kind="study",
                counts=counts,
                cause=f"import of the study {study.code}",
            )
