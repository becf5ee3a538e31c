"""One's own webhooks over HTTP: registered, renewed, replayed, ended; and the log of deliveries."""

from __future__ import annotations

import json
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from analysis.api.renderings import JSON_ONLY
from analysis.models import WebhookEndpoint, WebhookMessage
from analysis.serializers import webhooks as forms
from analysis.services import freshness, webhook_secrets, webhooks
from cohorts.api.base import PROBLEM, RecordViewSet, fields_sent, location_of
from cohorts.api.repeatable import KEPT_HEADERS
from cohorts.requests import user_of
from cohorts.services import repeats

CHANGED = {200: forms.WebhookSerializer, 409: PROBLEM}
SECOND_TIME = "Shown once, with the first answer; POST rotate makes a new one."
LOG_ROWS = 200


class WebhookViewSet(RecordViewSet):
    """Addresses that are called, signed as Standard Webhooks has it, when something happens."""

    queryset = WebhookEndpoint.objects.none()
    serializer_class = forms.WebhookSerializer
    filterset_class = None
    page_ordering = ("-created_at", "-pk")
    verbs = {
        **RecordViewSet.verbs,
        "create": "C",
        "deliveries": "R",
        "replay": "U",
        "rotate": "U",
        "take_up": "U",
        "end": "W",
    }

    @extend_schema(
        request=forms.NewWebhookSerializer,
        examples=[
            OpenApiExample(
                "A program that follows the released runs",
                value={"url": "https://example.org/hook", "events": ["run.released"]},
                request_only=True,
            )
        ],
        responses={201: forms.WebhookWithSecret, 409: PROBLEM},
    )
    def create(self, request: Request) -> Response:
        """Register an address. The answer holds the secret, which is shown this once."""
        asked = fields_sent(forms.NewWebhookSerializer, request)
        made = webhooks.register(user_of(request), **asked)
        return Response(
            self._with_secret(made),
            status=status.HTTP_201_CREATED,
            headers=location_of(request, made.pk),
        )

    @extend_schema(request=None, responses={200: forms.WebhookWithSecret, 409: PROBLEM})
    @action(detail=True, methods=["post"], renderer_classes=JSON_ONLY)
    def rotate(self, request: Request, pk: str) -> Response:
        """A new secret; for a day messages carry a signature by the old one too."""
        return Response(self._with_secret(webhooks.rotate(self.get_object().pk)))

    @extend_schema(request=None, responses=CHANGED)
    @action(detail=True, methods=["post"], renderer_classes=JSON_ONLY)
    def end(self, request: Request, pk: str) -> Response:
        """Nothing more is sent; the log stays."""
        return Response(self.get_serializer(webhooks.end(self.get_object().pk)).data)

    @extend_schema(request=None, responses=CHANGED)
    @action(detail=True, methods=["post"], url_path="take-up", renderer_classes=JSON_ONLY)
    def take_up(self, request: Request, pk: str) -> Response:
        """Call it again after it was disabled for failing too long."""
        return Response(self.get_serializer(webhooks.take_up(self.get_object().pk)).data)

    @extend_schema(
        request=forms.ReplaySerializer,
        responses={202: forms.ReplayedSerializer, 409: PROBLEM},
        examples=[
            OpenApiExample("Since", value={"since": "2026-11-01T00:00:00Z"}, request_only=True)
        ],
    )
    @action(detail=True, methods=["post"], renderer_classes=JSON_ONLY)
    def replay(self, request: Request, pk: str) -> Response:
        """Send again what happened since then, under the same identities."""
        asked = fields_sent(forms.ReplaySerializer, request)
        n = webhooks.replay(self.get_object(), **asked)
        freshness.ring("analysis.webhooks")
        return Response({"messages": n}, status=status.HTTP_202_ACCEPTED)

    @extend_schema(responses=forms.MessageSerializer(many=True), filters=False)
    @action(detail=True, renderer_classes=JSON_ONLY, filterset_class=None, pagination_class=None)
    def deliveries(self, request: Request, pk: str) -> Response:
        """The newest messages to this address, with every try."""
        found = WebhookMessage.objects.visible_to(request.user).filter(endpoint=self.get_object())
        rows = found.select_related("event").prefetch_related("tries").order_by("-event_id", "pk")
        return Response(forms.MessageSerializer(rows[:LOG_ROWS], many=True).data)

    def _with_secret(self, endpoint: WebhookEndpoint) -> dict[str, Any]:
        secret = {"secret": webhook_secrets.secret_of(endpoint)}
        return {**forms.WebhookSerializer(endpoint).data, **secret}

    def _keep(self, answer: Response) -> None:
        """An answer that may be sent again is kept for a day: without the secret."""
        if self.sent is None or "secret" not in (answer.data or {}):
            super()._keep(answer)
            return
        body = json.dumps({**answer.data, "secret": SECOND_TIME}, default=str).encode()
        headers = {name: answer[name] for name in KEPT_HEADERS if name in answer}
        repeats.answered(self.sent, answer.status_code, headers, body)
