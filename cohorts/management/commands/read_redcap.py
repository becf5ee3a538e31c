"""read_redcap DICTIONARY DATA --to FOLDER: a REDCap export as tables that a site can send."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from cohorts.ingest.formats import redcap
from cohorts.ingest.formats.redcap_tables import tables_of
from cohorts.ingest.reading import UnreadableFile
from cohorts.ingest.remarks import as_csv
from hikiproject.commands import StudyCommand


class Command(StudyCommand):
    help = (
        "Read a REDCap project's data dictionary and raw data export, leave out what identifies "
        "a person, and write a table of participants and one a form. Nothing is stored."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("dictionary", type=Path, help="the data dictionary (CSV)")
        parser.add_argument("data", type=Path, help="the data, raw values and headers (CSV)")
        parser.add_argument("--events", type=Path, help="longitudinal: the export of the events")
        parser.add_argument("--arms", type=Path, help="longitudinal: the export of the arms")
        parser.add_argument("--labels", action="store_true", help="choices by label, not by code")
        parser.add_argument("--to", type=Path, required=True, metavar="FOLDER")

    def work(self, **options: Any) -> None:
        """Read, tell, and write; with a fault nothing is written."""
        try:
            export = redcap.read(
                self._content(options["dictionary"]),
                self._content(options["data"]),
                events=self._content(options["events"]) if options["events"] else None,
                arms=self._content(options["arms"]) if options["arms"] else None,
                filename=options["data"].name,
            )
        except UnreadableFile as error:
            self.refuse(str(error))
        for warning in export.report.warnings:
            self.stdout.write(f"note: {warning}")
        told = [str(fault) for fault in export.report.faults]
        if told:
            self.refuse("\n".join([*told, f"{len(told)} faults; nothing was written."]))
        folder: Path = options["to"]
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in tables_of(export, labels=options["labels"]):
            path = folder / f"{name}.csv"
            path.write_bytes(as_csv(rows))
            self.stdout.write(f"{path}: {len(rows) - 1} rows, {len(rows[0])} columns")

    def _content(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            self.wrong_usage(f"{path}: {error.strerror}.")
