"""That records left the platform: whose, to whom, in which form, and why."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cohorts.models.account import User
from cohorts.models.export_request import ExportRequest
from cohorts.models.participant import Participant
from cohorts.models.scoping import ScopedQuerySet
from cohorts.models.site import Site


class RecordExportQuerySet(ScopedQuerySet["RecordExport"]):
    resource = "record_export"


class RecordExport(models.Model):
    """Written before the first byte leaves; the file itself is not kept, its SHA-256 is."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="record_exports")
    format = models.CharField(max_length=12)
    reason = models.CharField(max_length=300)
    n_participants = models.PositiveIntegerField()
    n_samples = models.PositiveIntegerField()
    sha256 = models.CharField("SHA-256", max_length=64)
    exported_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)
    request = models.ForeignKey(
        ExportRequest, on_delete=models.PROTECT, null=True, blank=True, related_name="files"
    )
    # Whose rows the file holds, so that its recipient can be told when somebody withdraws.
    people = models.ManyToManyField(Participant, related_name="+", blank=True)
    n_erased = models.PositiveIntegerField(
        default=0, editable=False, help_text=_("Of these people, erased since.")
    )
    exported_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar = RecordExportQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="record_export_has_reason",
                condition=~Q(reason=""),
                violation_error_message=_("Say why the records are exported."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.site.code} {self.format} {self.exported_at:%Y-%m-%d}"
