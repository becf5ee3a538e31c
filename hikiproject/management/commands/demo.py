"""demo [--serve]: a simulated consortium through the whole platform, with real parts."""

from __future__ import annotations

import json
import secrets
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandParser

from analysis.models import Plan, Run
from analysis.services import freshness
from analysis.services.results import claims_table, handling_notes, verdict_rows
from cohorts.models import Membership, Site, Study, Upload, User
from cohorts.services import uploads
from cohorts.services.tables.sent_tables import SentTable
from hikiproject.commands import StudyCommand
from hikiproject.processes import PortTakenError, Processes, port_number, refuse_taken
from hikiproject.simulation import simulate_consortium, write_tables
from hikiproject.simulation.sites import SITES

SEED = 20220601
PLAN = "kyushu-2022"
# In the order in which a site sends them: people before tubes, tubes before values.
TABLES = (
    ("participants", "participants", None),
    ("samples", "samples", None),
    ("assessments", "assessments", None),
    ("assays_plasma", "assays", "plasma"),
    ("assays_serum", "assays", "serum"),
)
# What each site means to enrol, so that its home shows how far it is.
TARGET = {
    "target_participants": 110,
    "target_from": date(2023, 2, 1),
    "target_until": date(2025, 12, 31),
}
# Who can log in: name, role, site.
PEOPLE = (
    ("coordinator", "SC", "FUK"),
    ("datamanager", "SD", "FUK"),
    ("analyst", "CA", None),
    ("steward", "CD", None),
    ("admin", "AD", None),
)
PATIENCE_SECONDS = 300


class Command(StudyCommand):
    help = "Simulate five sites, send their tables, let a worker analyse them, print the verdicts."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--serve", action="store_true", help="keep the site up when the demo is done"
        )
        parser.add_argument("--port", type=port_number, default=8000, help="port of the loopback")

    def work(self, **options: Any) -> None:
        began = time.monotonic()
        if options["serve"]:
            try:
                refuse_taken(options["port"])
            except PortTakenError as error:
                self.refuse(str(error))
        folder = Path(settings.STATE_DIR) / "demo"
        self._say("Reference data: features, instruments, claims K22-1 to K22-9, plan kyushu-2022.")
        self._refuse_beside_real_sites()
        folder.mkdir(parents=True, exist_ok=True)
        with (
            (folder / "worker.log").open("w", encoding="utf-8") as log,
            Processes.start(["worker"], concurrency=1, log=log) as running,
        ):
            self._simulate(folder)
            people = self._people(folder)
            self._send(folder)
            self._say("A Celery worker is starting; it takes what the tables have made stale.")
            running.wait_until_ready()
            run = self._await_run()
        if run is None or run.state != Run.State.PUBLISHED:
            why = run.failure if run else f"none was published within {PATIENCE_SECONDS} seconds"
            self.refuse(f"The run failed: {why}. The worker's log is {folder / 'worker.log'}.")
            return
        self._tell(run, time.monotonic() - began)
        self._say_who_logs_in(people, options["port"])
        if options["serve"]:
            call_command("serve", port=options["port"])

    def _refuse_beside_real_sites(self) -> None:
        """Invented people must never stand among real ones."""
        simulated = {(design.code, design.name) for design in SITES}
        here = Site.objects.filter(study__code="hikikomori").values_list("code", "name")
        real = sorted(set(here) - simulated)
        if real:
            named = ", ".join(code for code, _ in real)
            self.refuse(
                f"This database has sites of its own ({named}); the demo would put invented people "
                "beside them. Set HIKI_STATE to another folder and unset DATABASE_URL."
            )

    def _say(self, words: str) -> None:
        self.stdout.write(words)
        self.stdout.flush()

    def _simulate(self, folder: Path) -> None:
        consortium = simulate_consortium(np.random.default_rng(SEED))
        n = len(write_tables(consortium, folder))
        self._say(f"Five simulated sites wrote {n} files. What was planted is in demo/truth.json.")
        study = Study.objects.get(code="hikikomori")
        for facts in json.loads((folder / "sites.json").read_text(encoding="utf-8")):
            Site.objects.get_or_create(
                code=facts["code"],
                defaults={
                    "study": study,
                    **TARGET,
                    **{name: facts[name] for name in ("name", "country", "time_zone", "languages")},
                },
            )

    def _people(self, folder: Path) -> list[tuple[str, str, str]]:
        """Accounts with a password each, made once and kept in a file that only its owner reads."""
        kept = folder / "passwords.json"
        passwords: dict[str, str] = json.loads(kept.read_text()) if kept.exists() else {}
        for name, role, site_code in PEOPLE:
            user, new = User.objects.get_or_create(
                username=name, defaults={"is_staff": role in ("CD", "AD")}
            )
            if new or name not in passwords:
                passwords[name] = secrets.token_urlsafe(9)
                user.set_password(passwords[name])
                user.save()
            site = Site.objects.get(code=site_code) if site_code else None
            Membership.objects.get_or_create(user=user, role=role, site=site)
        kept.touch(mode=0o600)
        kept.write_text(json.dumps(passwords))
        roles = {
            name: f"{Membership(role=role).get_role_display()}{f' of {site}' if site else ''}"
            for name, role, site in PEOPLE
        }
        return [(name, roles[name], passwords[name]) for name, _, _ in PEOPLE]

    def _send(self, folder: Path) -> None:
        """The way of a site's upload page: the same service, the same checks."""
        for site in Site.objects.filter(study__code="hikikomori").select_related("study"):
            if not (folder / site.code).is_dir():
                continue
            rows = 0
            for name, kind, matrix in TABLES:
                path = folder / site.code / f"{name}.csv"
                options = (
                    {"platform": f"{site.code} {matrix} panel", "matrix": matrix} if matrix else {}
                )
                upload = uploads.submit(
                    site,
                    SentTable(kind, path.read_bytes(), path.name, options),
                    by=None,
                )
                if upload.status != Upload.Status.ACCEPTED:
                    faults = "\n".join(fault["text"] for fault in upload.report["faults"][:20])
                    self.refuse(f"{site.code} {path.name} was refused:\n{faults}")
                rows += upload.report["rows"]
            self._say(f"{site.code}: five tables checked and accepted, {rows} rows.")

    def _await_run(self) -> Run | None:
        """The newest run, once it has seen every change; progress as it computes."""
        plan = Plan.objects.current().get(name=PLAN)
        freshness.nudge()
        shown = ""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            if not freshness.why_stale(plan):
                waiting = Run.objects.filter(
                    plan=plan, state__in=[Run.State.QUEUED, Run.State.RUNNING]
                )
                if not waiting.exists():
                    return self._standing(plan)
            for run in Run.objects.filter(plan=plan, state=Run.State.RUNNING):
                words = f"  {run.share_done:4.0%} {run.step}"
                if run.step and words != shown:
                    shown = words
                    self._say(words)
            time.sleep(0.2)
        return None

    def _standing(self, plan: Plan) -> Run | None:
        """The newest run's results: its own, or those of the equal run that came before."""
        newest: Run | None = Run.objects.filter(plan=plan).order_by("-queued_at").first()
        return newest.same_as if newest and newest.same_as else newest

    def _tell(self, run: Run, seconds: float) -> None:
        self._say("")
        self._say(claims_table(verdict_rows(run)))
        for note in handling_notes(run):
            self._say(note)
        sites = ", ".join(
            f"{s['site']} {s['n_case']}+{s['n_control']}" for s in run.summary["sites"]
        )
        self._say(f"\nSites (cases+controls analysed): {sites}")
        if run.published_at and run.started_at:
            self._say(
                f"The run took {(run.published_at - run.started_at).total_seconds():.1f} s; "
                f"the demo {seconds:.1f} s."
            )

    def _say_who_logs_in(self, people: list[tuple[str, str, str]], port: int) -> None:
        self._say(
            f"\nLog in at http://127.0.0.1:{port}/ after `python3 manage.py serve` "
            "(or demo --serve):"
        )
        for name, role, password in people:
            self._say(f"  {name:12} {password:14} {role}")
