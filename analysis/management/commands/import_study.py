"""import_study FOLDER: bring in a whole existing cohort as its study.toml says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from analysis.services import plans
from analysis.services.plans import ImportedStudy
from cohorts.ingest.study.description import STUDY_FILE
from cohorts.services.studies.importing import RefusedStudy, read_folder
from hikiproject.commands import StudyCommand


class Command(StudyCommand):
    help = "Take a folder of tables into the records, all of it or nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help=f"holds {STUDY_FILE} and the tables")
        parser.add_argument("--dry-run", action="store_true", help="report only, store nothing")
        self.add_json(parser)

    def work(self, **options: Any) -> None:
        folder: Path = options["folder"]
        try:
            description, contents = read_folder(folder)
            done = plans.import_study(description, contents, dry_run=options["dry_run"])
        except OSError as error:
            self.wrong_usage(f"{folder / STUDY_FILE}: {error.strerror}.")
        except RefusedStudy as refusal:
            self._tell_faults(refusal, as_json=options["json"])
        else:
            status = "imported" if done.changed else "unchanged"
            status = "dry-run" if options["dry_run"] else status
            if options["json"]:
                self.stdout.write(json.dumps(_as_dict(done, status), ensure_ascii=False))
            else:
                self._tell(done, status)

    def _tell_faults(self, refusal: RefusedStudy, *, as_json: bool) -> None:
        if as_json:
            faults = [fault.as_dict() for fault in refusal.faults]
            self.stdout.write(
                json.dumps({"status": "refused", "faults": faults}, ensure_ascii=False)
            )
        self.refuse("\n".join([*map(str, refusal.faults), refusal.message]))

    def _tell(self, done: ImportedStudy, status: str) -> None:
        for warning in done.study.warnings:
            self.stdout.write(f"note: {warning}")
        for entry in done.study.left_out:
            self.stdout.write(f"note: {entry}.")
        for table in done.study.tables:
            counts = ", ".join(f"{n} {what}" for what, n in table.summary.items())
            self.stdout.write(
                f"{table.site}  {table.kind:13} {table.file}: "
                + (counts if table.is_new else "on the books already")
            )
        if done.plan is not None:
            new = "set" if done.plan_is_new else "as before"
            self.stdout.write(f"plan {done.plan}: {new}")
        end = {
            "imported": f"Study {done.study.study.code} imported.",
            "unchanged": f"Study {done.study.study.code}: nothing has changed, nothing was stored.",
            "dry-run": "Every row holds; nothing was stored (dry run).",
        }
        self.stdout.write(end[status])


def _as_dict(done: ImportedStudy, status: str) -> dict[str, Any]:
    plan = done.plan
    return {
        "status": status,
        "study": done.study.study.code,
        "plan": plan and {"name": plan.name, "version": plan.version, "new": done.plan_is_new},
        "tables": [
            {
                "site": table.site,
                "kind": table.kind,
                "file": table.file,
                "new": table.is_new,
                "rows": table.n_rows,
                "summary": dict(table.summary),
            }
            for table in done.study.tables
        ],
        "left_out": [entry.as_dict() for entry in done.study.left_out],
        "warnings": [warning.as_dict() for warning in done.study.warnings],
        "faults": [],
    }
