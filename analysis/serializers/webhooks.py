"""What the API says of webhooks, and what it takes to register one."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from analysis.models import WebhookAttempt, WebhookEndpoint, WebhookMessage
from analysis.models.webhook import EVENTS

STATES = ("active", "failing", "disabled", "ended")


class WebhookSerializer(serializers.ModelSerializer[WebhookEndpoint]):
    events = serializers.ListField(child=serializers.ChoiceField(choices=list(EVENTS)))
    state = serializers.CharField(read_only=True, help_text=", ".join(STATES))

    class Meta:
        model = WebhookEndpoint
        fields = [
            *("id", "url", "events", "state", "created_at"),
            *("failing_since", "disabled_at", "disabled_because"),
        ]
        read_only_fields = fields


class WebhookWithSecret(WebhookSerializer):
    secret = serializers.CharField(
        read_only=True, help_text="Shown this once: messages are signed with it."
    )

    class Meta(WebhookSerializer.Meta):
        fields = [*WebhookSerializer.Meta.fields, "secret"]
        read_only_fields = fields


class NewWebhookSerializer(serializers.Serializer[Any]):
    url = serializers.URLField(max_length=500)
    events = serializers.ListField(
        child=serializers.ChoiceField(choices=list(EVENTS)), allow_empty=False
    )


class ReplaySerializer(serializers.Serializer[Any]):
    since = serializers.DateTimeField()


class ReplayedSerializer(serializers.Serializer[Any]):
    messages = serializers.IntegerField(help_text="sent again")


class AttemptSerializer(serializers.ModelSerializer[WebhookAttempt]):
    class Meta:
        model = WebhookAttempt
        fields = ["at", "status", "error", "seconds"]


class MessageSerializer(serializers.ModelSerializer[WebhookMessage]):
    """A message with every try, the newest first."""

    happened_at = serializers.DateTimeField(source="event.at", read_only=True)
    tries = AttemptSerializer(many=True, read_only=True)

    class Meta:
        model = WebhookMessage
        fields = [
            *("id", "kind", "state", "happened_at", "attempts"),
            *("next_at", "delivered_at", "tries"),
        ]
