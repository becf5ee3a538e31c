"""import_table KIND FILE --site CODE: send one table of a site, as its upload page would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from cohorts import access
from cohorts.models import Site, Upload
from cohorts.services import uploads
from cohorts.services.tables import sent_tables, table_checks
from cohorts.services.tables.sent_tables import SentTable
from hikiproject.commands import StudyCommand


class Command(StudyCommand):
    help = "Check a table and, if every row holds, take it into the records."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kind", choices=list(access.UPLOAD_KINDS), help="what the table holds")
        parser.add_argument("file", type=Path)
        parser.add_argument("--site", required=True, metavar="CODE")
        parser.add_argument("--dictionary", type=Path, help="redcap: the project's, as CSV")
        parser.add_argument("--platform", default="", help="assays: what measured them")
        parser.add_argument("--matrix", default="", help="assays: plasma, serum, ...")
        parser.add_argument("--unit", default="", help="assays: unit of columns that name none")
        parser.add_argument(
            "--scale",
            default="",
            choices=["", *sent_tables.SCALES],
            help="assays: raw if not given",
        )
        parser.add_argument("--zero-means", default="", choices=["", *sent_tables.ZERO_MEANS])
        parser.add_argument(
            "--every",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="participants, redcap: sex, group or enrolled_on of every row",
        )
        parser.add_argument("--dry-run", action="store_true", help="report only, store nothing")
        self.add_json(parser)

    def work(self, **options: Any) -> None:
        site = Site.objects.select_related("study").filter(code=options["site"]).first()
        if site is None:
            known = ", ".join(Site.objects.values_list("code", flat=True)) or "none yet"
            self.refuse(
                f"There is no site {options['site']!r}; the sites are: {known}. "
                f"Add it with `add_site {options['site']} NAME`."
            )
        content = self._content(options["file"])
        dictionary = self._content(options["dictionary"]) if options["dictionary"] else b""
        given: dict[str, Any] = {
            name: options[name] for name in sent_tables.ASSAY_OPTIONS if options[name]
        }
        if every := options["every"]:
            given["stated"] = dict(self._stated(each) for each in every)
        sent = SentTable(options["kind"], content, options["file"].name, given, dictionary)
        if options["dry_run"]:
            report, status, identity = table_checks.dry_run(site, sent).as_dict(), "dry-run", ""
        else:
            begun = timezone.now()
            upload = uploads.submit(site, sent, by=None)
            if upload.accepted_at is not None and upload.accepted_at < begun:
                self.stderr.write("This very file was accepted before; nothing is stored again.")
            report, status, identity = upload.report, upload.status, str(upload.pk)
        self._tell(report, status, identity, as_json=options["json"])

    def _stated(self, said: str) -> tuple[str, str]:
        name, sign, value = said.partition("=")
        if not sign or not value:
            self.wrong_usage(f"--every {said}: write it as NAME=VALUE, such as group=hikikomori.")
        return name, f"={value}"

    def _content(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            self.wrong_usage(f"{path}: {error.strerror}.")

    def _tell(self, report: dict[str, Any], status: str, identity: str, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(
                json.dumps({"status": status, "upload": identity, **report}, ensure_ascii=False)
            )
        else:
            for warning in report["warnings"]:
                self.stdout.write(f"note: {warning['text']}")
            counts = ", ".join(f"{n} {what}" for what, n in report["summary"].items())
            self.stdout.write(
                f"{report['kind']}: {report['rows']} rows ({counts or 'none'}): {status}"
            )
            if preview := report.get("preview"):
                self.stdout.write(f"{preview['new']} new, {preview['unchanged']} unchanged")
        if report["faults"]:
            n = len(report["faults"])
            lines = [fault["text"] for fault in report["faults"]]
            self.refuse(
                "\n".join([*lines, f"{n} fault{'s' if n > 1 else ''}; nothing was stored."])
            )
        if status == Upload.Status.REJECTED:
            self.refuse("Refused; nothing was stored.")
