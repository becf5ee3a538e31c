"""Programs that are told when something has happened, what they were told, and how it went."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from analysis.models.run import Run
from cohorts import access
from cohorts.models import User
from cohorts.models.scoping import ScopedQuerySet

if TYPE_CHECKING:
    from datetime import datetime

    from django.contrib.auth.models import AnonymousUser

# What may be told, and what each stands for. A catalogue says beside a name what it means.
EVENTS = {
    "run.released": "a run is open to analysts",
    "run.published": "a run is stored, released or not (data managers)",
    "run.held": "a run is held back from analysts (data managers)",
    "run.failed": "a run has failed",
    "verdict.changed": "the newest run says something else of a claim than the one before",
    "participants.withdrawn": "somebody has withdrawn or was erased: read the changes feed",
}


class OwnQuerySet(ScopedQuerySet[Any]):
    """Everybody sees their own only; ``user_path`` leads from the row to its owner."""

    resource = "webhook"
    site_path = ""
    user_path: ClassVar[str] = "user"

    def visible_to(self, user: User | AnonymousUser) -> Self:
        if not access.reach(user, self.resource):
            return self.none()
        return self.filter(**{self.user_path: user.pk})


class WebhookEndpointQuerySet(OwnQuerySet):
    def active(self) -> Self:
        """Neither ended nor disabled by long failure, and the owner may still log in."""
        return self.filter(ended_at=None, disabled_at=None, user__is_active=True)


class WebhookEndpoint(models.Model):
    """An address that somebody wants called. Its secret is derived, so none is stored."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="webhooks")
    url = models.URLField(max_length=500)
    events = ArrayField(models.CharField(max_length=30))
    generation = models.PositiveSmallIntegerField(default=1, editable=False)
    rotated_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    disabled_at = models.DateTimeField(null=True, editable=False)
    disabled_because = models.CharField(max_length=200, blank=True, editable=False)
    ended_at = models.DateTimeField(null=True, editable=False)

    objects: ClassVar = WebhookEndpointQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "id"]
        constraints = [
            models.CheckConstraint(
                name="webhook_events_known",
                condition=Q(events__contained_by=list(EVENTS), events__len__gt=0),
                violation_error_message=f"Choose one or more of: {', '.join(EVENTS)}.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.url} ({self.user})"

    @property
    def state(self) -> str:
        if self.ended_at:
            return "ended"
        if self.disabled_at:
            return "disabled"
        return "failing" if self.failing_since else "active"


class WebhookEventQuerySet(OwnQuerySet):
    user_path = "messages__endpoint__user"

    def failures_untold(self, since: datetime) -> Self:
        """Runs that failed since then, and nobody was written to."""
        return self.filter(kind="run.failed", mailed_at=None, at__gt=since).order_by("pk")


class WebhookEvent(models.Model):
    """The outbox: what happened, in the transaction in which it did (a trigger of the run)."""

    kind = models.CharField(max_length=30)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, null=True)
    change_id = models.BigIntegerField(null=True, unique=True)
    at = models.DateTimeField(db_default=Now())
    passed_on_at = models.DateTimeField(null=True)
    mailed_at = models.DateTimeField(
        null=True, editable=False, help_text=_("When those who see to a failed run were told.")
    )

    objects: ClassVar = WebhookEventQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(
                name="webhook_event_owed", fields=["id"], condition=Q(passed_on_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.kind}"


class WebhookMessageQuerySet(OwnQuerySet):
    user_path = "endpoint__user"

    def due(self) -> Self:
        """To be sent now."""
        ready = self.filter(state=WebhookMessage.State.WAITING, next_at__lte=Now())
        return ready.filter(endpoint__in=WebhookEndpoint.objects.active()).order_by("next_at", "pk")


class WebhookMessage(models.Model):
    """An event as one endpoint is told it."""

    class State(models.TextChoices):
        WAITING = "waiting"
        DELIVERED = "delivered"
        FAILED = "failed"  # tried as often as we try
        DROPPED = "dropped"  # its owner may no longer know of it

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="messages")
    event = models.ForeignKey(WebhookEvent, on_delete=models.CASCADE, related_name="messages")
    kind = models.CharField(max_length=30)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(db_default=Now())
    delivered_at = models.DateTimeField(null=True)

    objects: ClassVar = WebhookMessageQuerySet.as_manager()

    class Meta:
        ordering = ["-event_id", "id"]
        constraints = [
            models.UniqueConstraint(
                name="webhook_message_once", fields=["endpoint", "event", "kind"]
            )
        ]
        indexes = [
            models.Index(
                name="webhook_message_due", fields=["next_at"], condition=Q(state="waiting")
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {str(self.pk)[:8]}"


class WebhookAttemptQuerySet(OwnQuerySet):
    user_path = "message__endpoint__user"


class WebhookAttempt(models.Model):
    """One call: the answer's status, or why there was none."""

    message = models.ForeignKey(WebhookMessage, on_delete=models.CASCADE, related_name="tries")
    at = models.DateTimeField(db_default=Now())
    status = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=200, blank=True)
    seconds = models.FloatField()

    objects: ClassVar = WebhookAttemptQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.status or self.error}"
