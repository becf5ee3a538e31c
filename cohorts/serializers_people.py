"""What the API takes and tells of people beside their records: corrections and what was before."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from cohorts.models import Participant
from cohorts.services.enrolment import CORRECTABLE


class ParticipantChangesSerializer(serializers.ModelSerializer[Participant]):
    class Meta:
        model = Participant
        fields = CORRECTABLE
        extra_kwargs = {name: {"required": False} for name in CORRECTABLE}


class CorrectionSerializer(serializers.Serializer[Any]):
    """New values of a participant, with the reason and the version that you have seen."""

    version = serializers.IntegerField(min_value=1)
    reason = serializers.CharField(max_length=300, allow_blank=True)
    changes = ParticipantChangesSerializer()


class PastSerializer(serializers.Serializer[Any]):
    """One event of a record, the newest first."""

    at = serializers.DateTimeField()
    what = serializers.CharField(help_text="insert, update or delete.")
    by = serializers.CharField()
    reason = serializers.CharField()
    version = serializers.IntegerField(allow_null=True)
    changed = serializers.SerializerMethodField()

    def get_changed(self, past: Any) -> list[dict[str, Any]]:
        return [
            {"field": field, "was": was, "became": became} for field, was, became in past.changed
        ]
