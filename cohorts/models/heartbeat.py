"""When each regular task last came to its end."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone


class HeartbeatQuerySet(models.QuerySet["Heartbeat"]):
    def beat(self, name: str) -> None:
        """Write down that the task of that name has just finished."""
        self.update_or_create(name=name, defaults={"finished_at": Now()})

    def age(self, name: str) -> timedelta | None:
        """How long ago it finished; None if it never did."""
        found = self.filter(name=name).first()
        return timezone.now() - found.finished_at if found else None


class Heartbeat(models.Model):
    """A living process may be stuck: what counts is a task that came to its end."""

    name = models.CharField(max_length=40, unique=True)
    finished_at = models.DateTimeField(db_default=Now())

    objects: ClassVar = HeartbeatQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
