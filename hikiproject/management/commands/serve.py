"""``serve``: the web server, a worker and the sweeper of one machine."""

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hikiproject.processes import NAMES, PortTakenError, Processes, port_number, refuse_taken
from hikiproject.readiness import ensure_ready


class Command(BaseCommand):
    """Run all processes of the project until Ctrl-C or SIGTERM."""

    help = "Serve the platform on this machine: web, worker and sweeper."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the port, and how many analyses may run at once."""
        parser.add_argument("--port", type=port_number, default=8000, help="port of the loopback")
        parser.add_argument("--concurrency", type=int, default=2, help="analyses at once")

    def handle(self, *args: Any, **options: Any) -> None:
        """Supervise the processes of a database that is migrated and seeded."""
        try:
            refuse_taken(options["port"])
        except PortTakenError as error:
            raise CommandError(str(error)) from error
        ensure_ready()
        ending = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ending.set())
        with Processes.start(
            NAMES, port=options["port"], concurrency=options["concurrency"]
        ) as running:
            self._announce(running, ending, options["port"])
            ending.wait()
            self.stdout.write("Stopping.")

    def _announce(self, running: Processes, ending: threading.Event, port: int) -> None:
        while not ending.wait(0.2):
            if running.ready("web"):
                self.stdout.write(f"http://127.0.0.1:{port}/ (stop with Ctrl-C)")
                return
