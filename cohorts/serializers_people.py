"""What the API takes and tells of people beside their records: corrections and what was before."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from cohorts.models import Participant, Transfer
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


class MergeSerializer(serializers.Serializer[Any]):
    """The code of the second record, which is to be kept under this one, and how you know."""

    other = serializers.CharField(max_length=64)
    reason = serializers.CharField(max_length=300, allow_blank=True)


class SamePersonSerializer(serializers.Serializer[Any]):
    """A record at another site that is of the same person; without one, the link is taken back."""

    site = serializers.CharField(max_length=12, required=False)
    participant = serializers.CharField(max_length=64, required=False)
    reason = serializers.CharField(max_length=300, allow_blank=True)


class TransferSerializer(serializers.ModelSerializer[Transfer]):
    site = serializers.CharField(source="participant.site.code", read_only=True)
    participant = serializers.CharField(source="participant.code", read_only=True)
    to_site = serializers.CharField(source="to_site.code", read_only=True)
    arrived_as = serializers.CharField(source="arrived_as.code", default=None, read_only=True)
    state = serializers.CharField(read_only=True)

    class Meta:
        model = Transfer
        fields = [
            "id",
            "site",
            "participant",
            "to_site",
            "arrived_as",
            "state",
            "reason",
            "asked_at",
            "accepted_at",
        ]


class NewTransferSerializer(serializers.Serializer[Any]):
    """A participant who moves to another site of the study."""

    site = serializers.CharField(max_length=12)
    participant = serializers.CharField(max_length=64)
    to_site = serializers.CharField(max_length=12)
    reason = serializers.CharField(max_length=300, allow_blank=True)


class TakeOverSerializer(serializers.Serializer[Any]):
    """The code that the new site gives, and the day of the move."""

    code = serializers.CharField(max_length=64)
    on = serializers.DateField()
