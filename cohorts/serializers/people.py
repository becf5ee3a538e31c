"""What the API takes and tells of people beside their records: corrections and what was before."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from cohorts.models import Interview, Participant, Transfer
from cohorts.models.interview import FACTS
from cohorts.services.enrolment import CORRECTABLE


class ParticipantChangesSerializer(serializers.ModelSerializer[Participant]):
    class Meta:
        model = Participant
        fields = CORRECTABLE
        extra_kwargs = {name: {"required": False} for name in CORRECTABLE}


class CorrectionSerializer(serializers.Serializer[Any]):
    """New values of a participant, with the reason and, without If-Match, the version seen."""

    version = serializers.IntegerField(min_value=1, required=False)
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
    arrived_as = serializers.CharField(
        source="arrived_as.code", default=None, read_only=True, allow_null=True
    )
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


class PlannedVisitSerializer(serializers.Serializer[Any]):
    """A visit of the protocol, its window, and how it was kept."""

    label = serializers.CharField()  # type: ignore[assignment]  # DRF has an attribute so named
    first = serializers.DateField()
    last = serializers.DateField()
    visited_on = serializers.DateField(allow_null=True)
    state = serializers.CharField()
    words = serializers.CharField()


class NewVisitSerializer(serializers.Serializer[Any]):
    label = serializers.CharField(max_length=40)  # type: ignore[assignment]  # as above
    on = serializers.DateField()
    reason = serializers.CharField(
        max_length=300,
        required=False,
        default="",
        allow_blank=True,
        write_only=True,
        help_text="Needed where another day is on record.",
    )


class GradeSerializer(serializers.Serializer[Any]):
    """A grade of social withdrawal; ``criteria`` names the set that was applied."""

    criteria = serializers.CharField()
    state = serializers.CharField()
    severity = serializers.CharField()
    reason = serializers.CharField()


class InterviewSerializer(serializers.ModelSerializer[Interview]):
    """Criteria as asked; the grades are computed from them."""

    on = serializers.DateField(source="interviewed_on")
    grades = GradeSerializer(many=True, read_only=True)
    reason = serializers.CharField(
        max_length=300,
        required=False,
        default="",
        allow_blank=True,
        write_only=True,
        help_text="Needed where an interview of that day is on record, which this one corrects.",
    )

    class Meta:
        model = Interview
        fields = ["id", "on", *FACTS, "grades", "reason"]
