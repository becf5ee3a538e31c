"""What the API says of edits of the dictionary, and what it takes."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from cohorts.models import DictionaryEdit

LARGEST = 2**63 - 1


class DictionaryEditSerializer(serializers.ModelSerializer[DictionaryEdit]):
    """An edit; ``state`` is waiting, approved or refused. ``was`` is empty for a new entry."""

    proposed_by = serializers.CharField(source="proposed_by.username", read_only=True)
    decided_by = serializers.CharField(
        source="decided_by.username", read_only=True, allow_null=True, default=None
    )
    state = serializers.CharField(read_only=True)

    class Meta:
        model = DictionaryEdit
        fields = [
            *("id", "kind", "subject", "subject_id", "label", "was", "becomes", "reason", "state"),
            *("proposed_by", "proposed_at", "decided_by", "decided_at", "note"),
        ]


class NewDictionaryEditSerializer(serializers.Serializer[Any]):
    """An entry (without ``subject_id``) or new values of one; other entries by their number."""

    subject = serializers.ChoiceField(choices=DictionaryEdit.Subject.choices)
    subject_id = serializers.IntegerField(
        min_value=1, max_value=LARGEST, required=False, allow_null=True
    )
    becomes = serializers.DictField()
    reason = serializers.CharField(max_length=300, allow_blank=True)

    def validate_becomes(self, becomes: dict[str, Any]) -> dict[str, Any]:
        """One plain value a field, such as the dictionary's columns can hold."""
        for name, value in becomes.items():
            plain = value is None or isinstance(value, str | bool | float | int)
            too_large = isinstance(value, int) and abs(value) > LARGEST
            if not plain or too_large or "\0" in f"{name}{value}":
                raise serializers.ValidationError(
                    f"{name[:80]!r} is not one plain value: give a text, a number, true, false or "
                    "null."
                )
        return becomes


class RefuseEditSerializer(serializers.Serializer[Any]):
    note = serializers.CharField(max_length=300, allow_blank=True)
