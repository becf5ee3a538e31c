"""export_records --format F --site CODE --to FOLDER --reason WHY: records for another program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from cohorts.models import Site
from cohorts.services.exporting import record_exports
from hikiproject.commands import StudyCommand


class Command(StudyCommand):
    help = "Write a site's records in the words of another program; the export is on record."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", required=True, choices=list(record_exports.FORMATS))
        parser.add_argument("--site", required=True, metavar="CODE")
        parser.add_argument("--to", required=True, type=Path, metavar="FOLDER")
        parser.add_argument("--reason", default="", help="why they are exported; needed")
        parser.add_argument(
            "--batch",
            type=int,
            action="append",
            default=[],
            metavar="N",
            help="of the formats of assay values: this batch alone; may be given again",
        )

    def work(self, **options: Any) -> None:
        site = Site.objects.select_related("study").filter(code=options["site"]).first()
        if site is None:
            self.refuse(f"There is no site {options['site']!r}.")
        made = record_exports.export(
            site,
            options["format"],
            reason=options["reason"],
            by=None,
            batches=options["batch"],
        )
        try:
            options["to"].mkdir(parents=True, exist_ok=True)
            (options["to"] / made.name).write_bytes(made.content)
        except OSError as error:
            self.wrong_usage(f"{options['to']}: {error.strerror}.")
        self.stdout.write(
            f"{options['to'] / made.name}: {made.record.n_participants} participants, "
            f"{made.record.n_samples} samples"
        )
