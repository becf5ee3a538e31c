"""A questionnaire typed in a second time, by somebody else, to find slips of the first time."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cohorts.models.account import User
from cohorts.models.assessment import Assessment
from cohorts.models.scoping import ScopedQuerySet


class SecondEntryQuerySet(ScopedQuerySet["SecondEntry"]):
    resource = "assessment"
    site_path = "assessment__participant__site"


class SecondEntry(models.Model):
    """Beside the assessment, which stays the record; nothing is scored from it."""

    assessment = models.OneToOneField(
        Assessment, on_delete=models.CASCADE, related_name="second_entry"
    )
    items = ArrayField(models.SmallIntegerField(null=True))
    entered_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    entered_at = models.DateTimeField(default=timezone.now, editable=False)
    settled_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    settled_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = SecondEntryQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        verbose_name_plural = _("second entries")
        constraints = [
            models.CheckConstraint(
                name="second_entry_settled_by_somebody",
                condition=Q(settled_at=None, settled_by=None)
                | Q(settled_at__isnull=False, settled_by__isnull=False),
                violation_error_message=_("Differences are settled by a person, at a time."),
            )
        ]

    def __str__(self) -> str:
        return gettext("second entry of %(paper)s") % {"paper": self.assessment}
