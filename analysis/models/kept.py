"""Models of the work inside a run: results kept for the next one, and parts that workers share."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

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
        max_length=64, unique=True, help_text=_("Of function, code, libraries and all inputs.")
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
        return f"{gettext(self.kind)} {self.digest[:12]}"


class RunPartQuerySet(ScopedQuerySet["RunPart"]):
    resource = "unreleased_result"
    site_path = ""

    def of_running_runs(self) -> Self:
        """Of runs that still compute under the token of the part."""
        return self.filter(run__state="running", token=F("run__token"))

    def owed(self) -> Self:
        return self.of_running_runs().filter(output=None)

    def free(self) -> Self:
        """Owed, and in nobody's hands: never taken, or taken by somebody who died."""
        idle = Q(lease_until=None) | Q(lease_until__lte=Now())
        return self.owed().filter(idle, unusable=False, attempts__lt=settings.RUN_ATTEMPTS)

    def claim(self, run_id: uuid.UUID, seconds: float, *, last: bool = False) -> RunPart | None:
        """Take the first free part of the run, or the last, on the database's clock; or None."""
        with transaction.atomic():
            free = self.free().filter(run=run_id).order_by("-ordinal" if last else "ordinal")
            part: RunPart | None = free.select_for_update(of=("self",), skip_locked=True).first()
            if part is None:
                return None
            part.claim = uuid.uuid4()
            self.filter(pk=part.pk).update(
                claim=part.claim,
                attempts=F("attempts") + 1,
                lease_until=Now() + timedelta(seconds=seconds),
            )
        return part

    def held_by(self, part: RunPart) -> Self:
        """The part, if that claim still holds it and its run still wants it."""
        return self.owed().filter(pk=part.pk, claim=part.claim)


class RunPart(models.Model):
    """Some pieces of a running run that any worker may compute; gone when the run ends."""

    run = models.ForeignKey("analysis.Run", on_delete=models.CASCADE, related_name="parts")
    token = models.UUIDField(help_text=_("The token under which the run asked for it."))
    ordinal = models.PositiveIntegerField()
    inputs = models.JSONField(
        help_text=_("The pieces; arrays and frames by their artefacts' names.")
    )
    output = models.BinaryField(null=True)
    claim = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    failure = models.TextField(blank=True)
    unusable = models.BooleanField(
        default=False, help_text=_("The data do not allow it: no retry.")
    )

    objects: ClassVar = RunPartQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(name="run_part_once", fields=["token", "ordinal"])]

    def __str__(self) -> str:
        run = str(self.run_id)[:8]
        return gettext("part %(n)s of run %(run)s") % {"n": self.ordinal, "run": run}
