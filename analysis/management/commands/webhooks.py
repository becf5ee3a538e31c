"""webhooks [--replay ID --since TIME]: who is called, how it goes, and what is sent again."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.utils.dateparse import parse_datetime

from analysis.models import WebhookEndpoint
from analysis.services import webhooks
from analysis.services.bell import ring
from hikiproject.commands import StudyCommand


class Command(StudyCommand):
    help = "List the webhooks, or send again what one of them missed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--replay", metavar="ID", help="send again to this webhook")
        parser.add_argument("--since", metavar="TIME", help="such as 2026-11-01T00:00:00Z")

    def work(self, **options: Any) -> None:
        if options["replay"]:
            self._replay(options["replay"], options["since"] or "")
            return
        for each in WebhookEndpoint.objects.select_related("user"):
            self.stdout.write(
                f"{each.pk}  {each.state:9}{each.user}  {each.url}  {', '.join(each.events)}"
            )

    def _replay(self, endpoint_id: str, since: str) -> None:
        at = parse_datetime(since)
        if at is None or at.tzinfo is None:
            raise CommandError("Say since when: --since 2026-11-01T00:00:00Z.")
        try:
            endpoint = WebhookEndpoint.objects.filter(pk=endpoint_id).first()
        except ValidationError:
            endpoint = None
        if endpoint is None:
            raise CommandError(f"There is no webhook {endpoint_id!r}; `webhooks` lists them.")
        self.stdout.write(f"{webhooks.replay(endpoint, since=at)} messages are sent again.")
        ring("analysis.webhooks")
