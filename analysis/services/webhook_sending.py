"""Messages leave: claimed one at a time, tried with growing waits, every try written down."""

from __future__ import annotations

import http.client
import json
import logging
import time
from datetime import timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext

from analysis import webhook_http
from analysis.models import WebhookAttempt, WebhookEndpoint, WebhookMessage
from analysis.services import webhook_events, webhook_secrets
from analysis.services.webhook_http_errors import words_of
from cohorts.errors import DomainError
from cohorts.language.sentences import say
from cohorts.language.told import told
from cohorts.services.accounts import languages

logger = logging.getLogger(__name__)
# After the first try, the second, ...: about three days in all.
WAITS = [timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30)]
WAITS += [timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)]
DISABLED_AFTER = timedelta(days=5)
GONE = 410
# Who dies while it sends leaves the message to the next one after this.
CLAIM = timedelta(seconds=60)
# Other short tasks wait behind this one.
AT_MOST_SECONDS = 15.0


def owed() -> bool:
    """Whether anything is to be passed on or to be sent now."""
    return webhook_events.owed() or WebhookMessage.objects.due().exists()


def send_due() -> int:
    """Send what is due, the oldest first, for a short while; how many were tried."""
    until, tried = time.monotonic() + AT_MOST_SECONDS, 0
    while time.monotonic() < until:
        message = _claimed()
        if message is None:
            break
        send(message)
        tried += 1
    return tried


def _claimed() -> WebhookMessage | None:
    """One due message, ours for a while: the update is conditional, so nobody else has it."""
    for pk in list(WebhookMessage.objects.due().values_list("pk", flat=True)[:5]):
        mine = WebhookMessage.objects.due().order_by().filter(pk=pk)
        if mine.update(next_at=Now() + CLAIM, attempts=F("attempts") + 1):
            found: WebhookMessage = WebhookMessage.objects.select_related(
                "endpoint__user", "event__run__plan"
            ).get(pk=pk)
            return found
    return None


def send(message: WebhookMessage) -> None:
    """One try, outside any transaction, and what follows from it."""
    endpoint = message.endpoint
    data = webhook_events.data_for(message.event, message.kind, endpoint.user)
    if data is None:
        WebhookMessage.objects.filter(pk=message.pk).update(state=WebhookMessage.State.DROPPED)
        return
    told = {"type": message.kind, "timestamp": message.event.at.isoformat(), "data": data}
    body = json.dumps(told, separators=(",", ":")).encode()
    headers = webhook_secrets.headers(endpoint, f"msg_{message.pk.hex}", timezone.now(), body)
    began, status, error = time.monotonic(), None, ""
    try:
        status = webhook_http.post(
            endpoint.url, body, headers, to_loopback=settings.WEBHOOKS_TO_LOOPBACK
        )
    except (DomainError, OSError, http.client.HTTPException) as fault:
        error = words_of(fault)
    with transaction.atomic():
        WebhookAttempt.objects.create(
            message=message, status=status, error=error, seconds=time.monotonic() - began
        )
        _follow(message, status)


def _follow(message: WebhookMessage, status: int | None) -> None:
    sent = WebhookMessage.objects.filter(pk=message.pk)
    ours = WebhookEndpoint.objects.filter(pk=message.endpoint_id)
    if status is not None and 200 <= status < 300:
        sent.update(state=WebhookMessage.State.DELIVERED, delivered_at=Now())
        ours.update(failing_since=None)
        return
    ours.filter(failing_since=None).update(failing_since=Now())
    if message.attempts > len(WAITS):
        sent.update(state=WebhookMessage.State.FAILED)
    else:
        later = Now() + WAITS[message.attempts - 1]
        sent.update(next_at=later)
        # What else waits for this endpoint waits as long: a dead one takes up nobody's time.
        waiting = WebhookMessage.objects.filter(
            endpoint=message.endpoint_id, state=WebhookMessage.State.WAITING
        )
        waiting.filter(next_at__lt=later).update(next_at=later)
    _disable_where_due(message.endpoint, status)


def _disable_where_due(endpoint: WebhookEndpoint, status: int | None) -> None:
    because: str = ""
    if status == GONE:
        because = say("It answered 410: gone.")
    elif endpoint.failing_since and timezone.now() - endpoint.failing_since > DISABLED_AFTER:
        because = say("It has failed for %(days)s days.", days=DISABLED_AFTER.days)
    still = WebhookEndpoint.objects.filter(pk=endpoint.pk, disabled_at=None)
    if because and still.update(disabled_at=Now(), disabled_because=because):
        logger.warning("webhook %s is disabled: %s", endpoint.pk, because)
        transaction.on_commit(lambda: _notify(endpoint, because), robust=True)


def _notify(endpoint: WebhookEndpoint, because: str) -> None:
    if not endpoint.user.email:
        return
    words = say(
        "Your webhook %(url)s is no longer called. %(because)s\n\nWhen it works again: POST "
        "/api/v1/webhooks/%(number)s/take-up, then /replay with the time since which you miss "
        "messages.",
        url=endpoint.url,
        because=because,
        number=endpoint.pk,
    )
    try:
        with languages.of_person(endpoint.user):
            send_mail(gettext("A webhook is disabled"), told(words), None, [endpoint.user.email])
    except (SMTPException, OSError) as error:
        logger.warning("the notice of webhook %s could not be sent: %s", endpoint.pk, error)
