"""What the API tells of a value: as sent, converted, and the ranges that hold for it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class BoundsSerializer(serializers.Serializer[Any]):
    """A reference range in the feature's canonical unit."""

    low = serializers.FloatField()
    high = serializers.FloatField()
    source = serializers.CharField()  # type: ignore[assignment]  # DRF has an attribute so named
    to_be_confirmed = serializers.BooleanField()


class MeasuredSerializer(serializers.Serializer[Any]):
    """One value of one sample. The range flags it and changes nothing."""

    batch = serializers.IntegerField(source="row.batch_id")
    sample = serializers.CharField(source="row.label")
    feature = serializers.CharField(source="column.feature.name")
    flag = serializers.SerializerMethodField(help_text="measured, below_lod, missing or excluded.")
    value = serializers.FloatField(allow_null=True)
    unit = serializers.CharField(source="column.unit")
    canonical_value = serializers.FloatField(source="canonical", allow_null=True)
    canonical_unit = serializers.CharField(source="column.feature.canonical_unit")
    ranges = BoundsSerializer(source="bounds", many=True)
    against_range = serializers.CharField(
        source="side",
        help_text="below, within or above; empty where no range holds or nothing can be said.",
    )

    def get_flag(self, each: Any) -> str:
        return str(each.flag.name.lower())
