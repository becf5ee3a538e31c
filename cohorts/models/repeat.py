"""Requests that may be sent again: what was answered to the first is answered to the next."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.db import models
from django.db.models.functions import Now

from cohorts.models.account import User

KEPT = timedelta(hours=24)
# Whoever has not answered by now has died: the next one may try.
AT_WORK_AT_MOST = timedelta(minutes=10)


class SentRequestQuerySet(models.QuerySet["SentRequest"]):
    def past(self, at: datetime) -> Self:
        """Kept for long enough."""
        return self.filter(begun_at__lt=at - KEPT)

    def abandoned(self, at: datetime) -> Self:
        """Begun and never answered."""
        return self.filter(status=None, begun_at__lt=at - AT_WORK_AT_MOST)


class SentRequest(models.Model):
    """A request that came with an Idempotency-Key, and its answer once there is one."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sent_requests")
    key = models.CharField(max_length=200)
    route = models.CharField(max_length=300)
    digest = models.CharField(max_length=64)
    begun_at = models.DateTimeField(db_default=Now(), editable=False)
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(default=bytes)

    objects: ClassVar = SentRequestQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(name="sent_request_once", fields=["user", "route", "key"])
        ]
        indexes = [models.Index(name="sent_request_age", fields=["begun_at"])]

    def __str__(self) -> str:
        return f"{self.route} {self.key}"
