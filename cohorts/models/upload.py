"""Files that sites sent, by content; and how a site's own column names map onto the study's."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from cohorts import access
from cohorts.ingest.columns import PERSONAL_DATA
from cohorts.models.account import User
from cohorts.models.scoping import ScopedQuerySet
from cohorts.models.site import Site

KINDS = [(kind, kind) for kind in access.UPLOAD_KINDS]


class UploadQuerySet(ScopedQuerySet["Upload"]):
    resource = "upload"

    def refused_for_personal_data(self) -> UploadQuerySet:
        """Tables with a column of personal data, whose file is still kept."""
        return self.filter(
            status=Upload.Status.REJECTED,
            file_removed_at=None,
            report__faults__contains=[{"code": PERSONAL_DATA}],
        )


class Upload(models.Model):
    class Status(models.TextChoices):
        RECEIVED = "received", _("Received")
        REJECTED = "rejected", _("Rejected")
        CHECKED = "checked", _("Checked")
        ACCEPTED = "accepted", _("Accepted")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="uploads")
    kind = models.CharField(max_length=12, choices=KINDS)
    sha256 = models.CharField("SHA-256", max_length=64)
    filename = models.CharField(max_length=255)
    n_bytes = models.PositiveBigIntegerField()
    options = models.JSONField(default=dict, blank=True)
    status = models.CharField(max_length=8, choices=Status, default=Status.RECEIVED)
    report = models.JSONField(default=dict, blank=True)
    sent_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)
    received_at = models.DateTimeField(auto_now_add=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="uploads_accepted"
    )
    # A refused table with a column of personal data keeps its report, not its file.
    file_removed_at = models.DateTimeField(
        _("file removed at"), null=True, blank=True, editable=False
    )
    reason = models.CharField(_("why the books were corrected"), max_length=300, blank=True)

    objects: ClassVar = UploadQuerySet.as_manager()

    class Meta:
        ordering = ["-received_at", "-id"]
        indexes = [
            models.Index(name="upload_newest", fields=["-received_at", "-id"]),
            models.Index(name="upload_of_a_site", fields=["site", "-received_at", "-id"]),
        ]
        constraints = [
            models.UniqueConstraint(
                name="same_file_same_upload",
                fields=["site", "kind", "sha256"],
                violation_error_message=_("This file was sent already."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.site.code} {self.get_kind_display()} {self.filename}"


class ColumnMappingQuerySet(ScopedQuerySet["ColumnMapping"]):
    resource = "upload"


class ColumnMapping(models.Model):
    """Standard column -> the site's own name, kept so that it is said once."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="column_mappings")
    kind = models.CharField(max_length=12, choices=KINDS)
    columns = models.JSONField(default=dict)

    objects: ClassVar = ColumnMappingQuerySet.as_manager()

    class Meta:
        ordering = ["site_id", "kind"]
        constraints = [
            models.UniqueConstraint(
                name="mapping_once_a_kind",
                fields=["site", "kind"],
                violation_error_message=_(
                    "This site has a mapping for that kind already: edit it."
                ),
            )
        ]

    def __str__(self) -> str:
        return f"{self.site.code} {self.kind}"
