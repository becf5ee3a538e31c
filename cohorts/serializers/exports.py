"""What the API says of exports of records, and what it takes."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from cohorts.models import ExportRequest, RecordExport
from cohorts.services.exporting import export_requests
from cohorts.services.exporting.record_exports import FORMATS


class ExportFileSerializer(serializers.ModelSerializer[RecordExport]):
    """A file that was made: to whom, of how many, and its SHA-256."""

    exported_by = serializers.CharField(
        source="exported_by.username", read_only=True, allow_null=True, default=None
    )

    class Meta:
        model = RecordExport
        fields = ["exported_at", "exported_by", "n_participants", "n_samples", "sha256"]


class ExportRequestSerializer(serializers.ModelSerializer[ExportRequest]):
    """A request; ``state`` is waiting, refused, open or over."""

    site = serializers.CharField(source="site.code", read_only=True)
    asked_by = serializers.CharField(source="asked_by.username", read_only=True)
    decided_by = serializers.CharField(
        source="decided_by.username", read_only=True, allow_null=True, default=None
    )
    state = serializers.SerializerMethodField()
    to_be_told = serializers.SerializerMethodField(
        help_text="People in its files who have withdrawn since: tell the recipient."
    )
    files = ExportFileSerializer(many=True, read_only=True)

    class Meta:
        model = ExportRequest
        fields = [
            "id",
            "site",
            "format",
            "batches",
            "recipient",
            "recipient_country",
            "commercial",
            "reason",
            "asked_by",
            "asked_at",
            "needs_approval",
            "approved",
            "decided_by",
            "decided_at",
            "note",
            "expires_at",
            "state",
            "to_be_told",
            "files",
        ]

    def get_state(self, asked: ExportRequest) -> str:
        return asked.state_at(timezone.now())

    def get_to_be_told(self, asked: ExportRequest) -> int:
        return export_requests.to_be_told(asked)


class NewExportSerializer(serializers.Serializer[Any]):
    """Records of one site, in one format, for one recipient."""

    site = serializers.CharField(max_length=12)
    format = serializers.ChoiceField(choices=list(FORMATS))
    recipient = serializers.CharField(max_length=200, help_text="Who gets the file.")
    recipient_country = serializers.RegexField(
        "^[A-Z]{2}$", error_messages={"invalid": _("Two capital letters, such as JP.")}
    )
    reason = serializers.CharField(max_length=300)
    batches = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**31 - 1),
        default=list,
        max_length=500,
        help_text="Of the formats of assay values: these batches alone.",
    )
    commercial = serializers.BooleanField(default=False)


class RefuseExportSerializer(serializers.Serializer[Any]):
    """Why it is refused; the person who asked reads it."""

    note = serializers.CharField(max_length=300)
