"""What the API says of an erasure, and what it takes to ask for one or to stop it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from cohorts.models import Erasure
from cohorts.serializers.records import OR_NULL
from cohorts.services.erasing.erasure import due_at


class ErasureSerializer(serializers.ModelSerializer[Erasure]):
    """A request, by whom, and after it was carried out the receipt; then it names nobody."""

    site = serializers.CharField(source="site.code", read_only=True)
    participant = serializers.CharField(source="participant.code", **OR_NULL)
    state = serializers.CharField(read_only=True)
    requested_by = serializers.CharField(source="requested_by.username", **OR_NULL)
    approved_by = serializers.CharField(source="approved_by.username", **OR_NULL)
    stopped_by = serializers.CharField(source="stopped_by.username", **OR_NULL)
    due_at = serializers.SerializerMethodField(help_text="Until then it can be stopped.")

    class Meta:
        model = Erasure
        fields = [
            "id",
            "site",
            "participant",
            "state",
            "requested_by",
            "requested_at",
            "approved_by",
            "approved_at",
            "due_at",
            "stopped_by",
            "stopped_at",
            "reason",
            "executed_at",
            "proof",
            "receipt",
        ]

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_due_at(self, erasure: Erasure) -> str | None:
        moment = due_at(erasure)
        return moment.isoformat() if moment else None


class NewErasureSerializer(serializers.Serializer[Any]):
    """A participant who wants everything removed."""

    site = serializers.CharField(max_length=12)
    participant = serializers.CharField(max_length=64, help_text="The participant's code.")
    note = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class StopErasureSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=300)
