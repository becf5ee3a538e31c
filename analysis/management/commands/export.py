"""export RUN --format csv|parquet|json|crate --to FOLDER: a published run as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from analysis.services import crates, exports
from hikiproject.commands import StudyCommand

CRATE = "crate"


class Command(StudyCommand):
    help = "Write effects, pooled results, verdicts and what a run was made of into a folder."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "run", metavar="RUN", help="an id, its beginning, `latest`, or the name of a plan"
        )
        parser.add_argument(
            "--format", choices=(*exports.FORMATS, CRATE), default="csv", dest="form"
        )
        parser.add_argument("--to", type=Path, required=True, metavar="FOLDER")

    def work(self, **options: Any) -> None:
        run = exports.find_run(options["run"])
        try:
            if options["form"] == CRATE:
                written = exports.write_whole(
                    run, options["to"], lambda staged: crates.write_folder(run, staged)
                )
            else:
                written = exports.export(run, options["to"], options["form"])
        except OSError as error:
            self.refuse(f"{options['to']}: {error.strerror}; nothing was written.")
            return
        for path in written:
            self.stdout.write(str(path))
