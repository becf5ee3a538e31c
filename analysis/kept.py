"""Models of the work inside a run: results kept for the next one, and parts that workers share."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from cohorts.models import Study, Withdrawal
from cohorts.models.scoping import ScopedQuerySet


class StepResultQuerySet(ScopedQuerySet["StepResult"]):
    resource = "unreleased_result"
    site_path = ""

    def of_withdrawn(self) -> Self:
        """Kept of people who may not be used any more."""
        stopped = Withdrawal.objects.effective(timezone.localdate()).stopping_use()
        gone = list(stopped.values_list("participant_id", flat=True).distinct())
        return self.filter(participant_ids__overlap=gone) if gone else self.none()

    def that_saw(self, participant_id: int) -> Self:
        return self.filter(participant_ids__contains=[participant_id])

    def unused_for(self, wait: timedelta) -> Self:
        return self.filter(last_used_at__lt=Now() - wait)


class StepResult(models.Model):
    """The result of one piece of a run, by the digest of exactly what it read.

    It names the people whose data it read, so that it is deleted with them.
    """

    study = models.ForeignKey(Study, on_delete=models.CASCADE)
    digest = models.CharField(
        max_length=64, unique=True, help_text="Of function, code, libraries and all inputs."
    )
    kind = models.CharField(max_length=40)
    payload = models.BinaryField()
    participant_ids = ArrayField(models.BigIntegerField())
    made_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(db_default=Now())

    objects: ClassVar = StepResultQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(name="step_result_last_used", fields=["last_used_at"])]

    def __str__(self) -> str:
        return f"{self.kind} {self.digest[:12]}"
