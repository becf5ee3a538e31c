"""What people do with their webhooks: register, end, take up again, renew the secret, replay."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone

from analysis import webhook_http
from analysis.models import WebhookEndpoint, WebhookMessage
from cohorts import access
from cohorts.errors import DomainError
from cohorts.models import User
from cohorts.retrying import transacted

AT_MOST = 10


class RefusedWebhook(DomainError):
    """The webhook is not at the point where this can be done."""

    code = "webhook_refused"


@transacted
def register(user: User, url: str, events: Sequence[str]) -> WebhookEndpoint:
    """A new endpoint. RefusedAddress, RefusedWebhook, ValidationError in words."""
    if access.limits_of(user):
        raise RefusedWebhook(
            "A token that is held to some sites registers no webhook; use one of all your sites."
        )
    User.objects.select_for_update().get(pk=user.pk)  # two at once would both be the tenth
    if WebhookEndpoint.objects.filter(user=user, ended_at=None).count() >= AT_MOST:
        raise RefusedWebhook(f"You have {AT_MOST} webhooks; end one first.")
    webhook_http.checked(url, to_loopback=settings.WEBHOOKS_TO_LOOPBACK)
    endpoint = WebhookEndpoint(user=user, url=url, events=list(dict.fromkeys(events)))
    endpoint.full_clean(exclude=["created_at"])
    endpoint.save()
    return endpoint


@transacted
def end(endpoint_id: uuid.UUID) -> WebhookEndpoint:
    """Nothing more is sent; its log stays."""
    endpoint = _locked(endpoint_id)
    endpoint.ended_at = endpoint.ended_at or timezone.now()
    endpoint.save(update_fields=["ended_at"])
    return endpoint


@transacted
def take_up(endpoint_id: uuid.UUID) -> WebhookEndpoint:
    """Send again to one that was disabled. RefusedWebhook for one that was ended."""
    endpoint = _locked(endpoint_id)
    if endpoint.ended_at:
        raise RefusedWebhook("This webhook was ended; register it anew.")
    endpoint.disabled_at = endpoint.failing_since = None
    endpoint.disabled_because = ""
    endpoint.save(update_fields=["disabled_at", "failing_since", "disabled_because"])
    return endpoint


@transacted
def rotate(endpoint_id: uuid.UUID) -> WebhookEndpoint:
    """A new secret; for a day messages carry a signature by the old one too."""
    endpoint = _locked(endpoint_id)
    if endpoint.ended_at:
        raise RefusedWebhook("This webhook was ended; register it anew.")
    endpoint.generation += 1
    endpoint.rotated_at = timezone.now()
    endpoint.save(update_fields=["generation", "rotated_at"])
    return endpoint


def replay(endpoint: WebhookEndpoint, *, since: datetime) -> int:
    """Send again what happened since then, under the same identities; how many messages."""
    if endpoint.ended_at or endpoint.disabled_at:
        raise RefusedWebhook(f"This webhook is {endpoint.state}; take it up or register it anew.")
    past = endpoint.messages.filter(event__at__gte=since)
    return int(past.update(state=WebhookMessage.State.WAITING, attempts=0, next_at=Now()))


def _locked(endpoint_id: uuid.UUID) -> WebhookEndpoint:
    found: WebhookEndpoint = WebhookEndpoint.objects.select_for_update().get(pk=endpoint_id)
    return found
