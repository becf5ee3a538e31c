"""What the API says of a sent table, and what it takes to send one."""

from __future__ import annotations

from typing import Any

from django.utils import translation
from rest_framework import serializers

from cohorts import access
from cohorts.ingest.encodings import CODECS
from cohorts.language.asked import asked_language
from cohorts.language.told_reports import report_told
from cohorts.models import Upload
from cohorts.serializers.records import OR_NULL
from cohorts.services.tables.sent_tables import SCALES, ZERO_MEANS


class UploadSerializer(serializers.ModelSerializer[Upload]):
    site = serializers.CharField(source="site.code", read_only=True)
    sent_by = serializers.CharField(source="sent_by.username", **OR_NULL)
    accepted_by = serializers.CharField(source="accepted_by.username", **OR_NULL)

    class Meta:
        model = Upload
        fields = [
            "id",
            "site",
            "kind",
            "status",
            "filename",
            "sha256",
            "n_bytes",
            "options",
            "sent_by",
            "received_at",
            "accepted_at",
            "accepted_by",
            "reason",
            "report",
        ]

    def to_representation(self, instance: Upload) -> dict[str, Any]:
        """The report in the language asked for; the rest are data."""
        told: dict[str, Any] = super().to_representation(instance)
        request = self.context.get("request")
        if told.get("report") and request is not None:
            with translation.override(asked_language(request.headers)):
                told["report"] = report_told(told["report"])
        return told


class NewUploadSerializer(serializers.Serializer[Any]):
    """A table to take in. The last five belong to assay tables, ``dictionary`` to REDCap's."""

    site = serializers.CharField(max_length=12)
    kind = serializers.CharField(
        max_length=40, help_text="One of " + ", ".join(access.UPLOAD_KINDS) + "."
    )
    file = serializers.FileField(
        allow_empty_file=True,
        max_length=255,
        help_text="CSV, TSV, XLSX or ODS; of assays also mwTab, mzTab-M and zipped ISA-Tab.",
    )
    dictionary = serializers.FileField(
        required=False,
        max_length=255,
        help_text="redcap: the project's data dictionary (CSV), beside its data.",
    )
    check_only = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Check and preview; accept it afterwards at uploads/{id}/accept.",
    )
    encoding = serializers.CharField(
        max_length=12,
        required=False,
        help_text="Where it is not certain: one of " + ", ".join(CODECS) + ".",
    )
    platform = serializers.CharField(max_length=80, required=False)
    matrix = serializers.CharField(max_length=40, required=False)
    unit = serializers.CharField(max_length=20, required=False)
    scale = serializers.CharField(
        max_length=12, required=False, help_text="One of " + ", ".join(SCALES) + "."
    )
    zero_means = serializers.CharField(
        max_length=12, required=False, help_text="One of " + ", ".join(ZERO_MEANS) + "."
    )


class MappingSerializer(serializers.Serializer[Any]):
    columns = serializers.DictField(
        child=serializers.CharField(max_length=200),
        help_text="Standard name -> the table's own column; of participants sex, group and "
        "enrolled_on may be =value, for every row of this file.",
    )


class AcceptUploadSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(
        max_length=300,
        required=False,
        allow_blank=True,
        default="",
        help_text="Why values on the books are corrected; needed where any is.",
    )
