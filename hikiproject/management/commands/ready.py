"""``ready``: what /readyz answers, for a supervisor without a way to the web server."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hikiproject import health


class Command(BaseCommand):
    """Exit code 0, or 1 and the reason on standard error."""

    help = "Say whether the platform works: database, broker, a worker and the sweeper."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask as /readyz does."""
        if wrong := health.what_is_wrong():
            raise CommandError(wrong)
        self.stdout.write("Ready.")
