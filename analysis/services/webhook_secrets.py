"""Signatures as Standard Webhooks has them (https://www.standardwebhooks.com), version 1."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime, timedelta

from django.conf import settings

from analysis.models import WebhookEndpoint

PREFIX = "whsec_"
# After a new secret was made, messages are signed with the one before as well for so long.
BOTH_FOR = timedelta(hours=24)


def secret_of(endpoint: WebhookEndpoint, generation: int | None = None) -> str:
    """As its owner is shown it, once. Derived: a stolen database holds none."""
    return PREFIX + base64.b64encode(_key(endpoint, generation or endpoint.generation)).decode()


def headers(
    endpoint: WebhookEndpoint, message_id: str, at: datetime, body: bytes
) -> dict[str, str]:
    """Identity, time and signatures of a message."""
    seconds = str(int(at.timestamp()))
    signed = f"{message_id}.{seconds}.".encode() + body
    generations = [endpoint.generation]
    if endpoint.rotated_at is not None and at - endpoint.rotated_at < BOTH_FOR:
        generations.append(endpoint.generation - 1)
    return {
        "Content-Type": "application/json",
        "User-Agent": "hikiproject-webhooks/1",
        "webhook-id": message_id,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(
            "v1," + base64.b64encode(_hmac(_key(endpoint, each), signed)).decode()
            for each in generations
        ),
    }


def _key(endpoint: WebhookEndpoint, generation: int) -> bytes:
    return _hmac(settings.SECRET_KEY.encode(), f"webhook {endpoint.pk} {generation}".encode())


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, hashlib.sha256).digest()
