"""Blood samples: tube, aliquot, derivative, and how each was handled."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from cohorts.models.participant import Participant, Visit
from cohorts.models.scoping import ScopedQuerySet
from cohorts.models.site import Site


class SampleQuerySet(ScopedQuerySet["Sample"]):
    resource = "sample"


class Sample(models.Model):
    """Handling is recorded because delay, light and haemolysis imitate the published signature."""

    class Status(models.TextChoices):
        STORED = "stored"
        USED_UP = "used_up"
        BLOCKED = "blocked"
        DESTROYED = "destroyed"

    # The site stands here too: codes are unique within it, and lists filter by it without a join.
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="samples")
    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, related_name="samples")
    visit = models.ForeignKey(Visit, on_delete=models.SET_NULL, null=True, blank=True)
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="derivatives"
    )
    code = models.CharField(max_length=64)
    material = models.CharField(max_length=40)
    tube = models.CharField(max_length=40, blank=True)
    collected_at = models.DateTimeField(null=True, blank=True)
    spun_at = models.DateTimeField(null=True, blank=True)
    frozen_at = models.DateTimeField(null=True, blank=True)
    fasting_hours = models.FloatField(null=True, blank=True)
    haemolysis_index = models.FloatField(null=True, blank=True)
    light_protected = models.BooleanField(null=True, blank=True)
    freeze_thaws = models.PositiveSmallIntegerField(null=True, blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.STORED)

    objects: ClassVar = SampleQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                name="sample_code_once_a_site",
                fields=["site", "code"],
                violation_error_message="This site has a sample with that code already.",
            ),
            models.CheckConstraint(
                name="sample_spun_after_collected",
                condition=Q(spun_at=None)
                | Q(collected_at=None)
                | Q(spun_at__gte=F("collected_at")),
                violation_error_message="Spun before it was collected: check both times.",
            ),
            models.CheckConstraint(
                name="sample_frozen_after_collected",
                condition=Q(frozen_at=None)
                | Q(collected_at=None)
                | Q(frozen_at__gte=F("collected_at")),
                violation_error_message="Frozen before it was collected: check both times.",
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def spin_delay_hours(self) -> float | None:
        """Hours from collection to separation; None where either time is not recorded."""
        if self.collected_at is None or self.spun_at is None:
            return None
        return (self.spun_at - self.collected_at).total_seconds() / 3600
