"""``worker``: work at runs and parts of runs, on this host or on another one."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from hikiproject.broker import refuse_a_wrong_broker
from hikiproject.celery import app

QUEUES = {
    "heavy": (settings.CELERY_TASK_DEFAULT_QUEUE,),
    "light": (settings.LIGHT_QUEUE,),
    "both": (settings.LIGHT_QUEUE, settings.CELERY_TASK_DEFAULT_QUEUE),
}


class Command(BaseCommand):
    """A Celery worker with the queues of this project; ends with SIGTERM, after its tasks."""

    help = (
        "Work at runs until it is stopped. On a second host set DATABASE_URL, REDIS_URL, "
        "HIKI_SECRET_KEY and HIKI_ARTEFACTS as on the first."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what to work at, and with how many processes."""
        parser.add_argument("--concurrency", type=int, default=2, help="processes")
        parser.add_argument("--queues", choices=QUEUES, default="heavy", help="what to work at")
        parser.add_argument("--sweep", metavar="SCHEDULE", help="ring the sweeps as well")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run Celery's worker in this process."""
        refuse_a_wrong_broker(app)
        queues = options["queues"]
        arguments = [
            *("worker", "--loglevel", "INFO", "--without-gossip", "--without-mingle"),
            *("--concurrency", str(options["concurrency"])),
            *("--queues", ",".join(QUEUES[queues]), "--hostname", f"{queues}@%h"),
        ]
        if options["sweep"]:
            arguments += ["--beat", "--schedule", options["sweep"]]
        app.worker_main(["--quiet", *arguments])
