"""Names that wait for a decision, what is decided, and the lineage of a feature."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from cohorts.models import FeatureDecision


class DecisionSerializer(serializers.ModelSerializer[FeatureDecision]):
    feature = serializers.IntegerField(source="feature_id")
    into = serializers.IntegerField(source="into_id", allow_null=True)
    site = serializers.CharField(source="site.code", default=None)
    decided_by = serializers.CharField(source="decided_by.username", default=None)

    class Meta:
        model = FeatureDecision
        fields = [
            *("id", "kind", "feature", "into", "site", "old_name", "new_name"),
            *("n_columns", "reason", "decided_by", "decided_at"),
        ]
        read_only_fields = fields


class SentNameSerializer(serializers.Serializer[Any]):
    site = serializers.CharField()
    name = serializers.CharField()
    unit = serializers.CharField()
    n_batches = serializers.IntegerField()


class WaitingNameSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="feature.pk")
    name = serializers.CharField(source="feature.name")
    sent = serializers.SerializerMethodField()
    nearest = serializers.ListField(
        child=serializers.CharField(), help_text="Names that are spelled alike; no proof."
    )

    @extend_schema_field(SentNameSerializer(many=True))
    def get_sent(self, row: Any) -> list[dict[str, Any]]:
        names = ("site", "name", "unit", "n_batches")
        return [dict(zip(names, each, strict=True)) for each in row.sent]


class NewDecisionSerializer(serializers.Serializer[Any]):
    """``of`` and ``site`` are of an alias, ``name`` and what follows of a new feature."""

    decision = serializers.ChoiceField(["alias", "new", "ignore"])
    reason = serializers.CharField(max_length=300)
    of = serializers.CharField(required=False, help_text="Name of the feature that is meant.")
    site = serializers.CharField(required=False, help_text="Its code; empty: at every site.")
    name = serializers.CharField(required=False, default="", max_length=200)
    hmdb = serializers.CharField(required=False, max_length=11)
    chebi = serializers.CharField(required=False, max_length=16)
    inchikey = serializers.CharField(required=False, max_length=27)
    canonical_unit = serializers.CharField(required=False, max_length=20)
    chemical_class = serializers.CharField(required=False, max_length=80)
    molar_mass = serializers.FloatField(required=False, min_value=0)


class FeatureRenameSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=200)
    reason = serializers.CharField(max_length=300)


class FeatureMergeSerializer(serializers.Serializer[Any]):
    into = serializers.CharField(help_text="Name of the feature that stays.")
    reason = serializers.CharField(max_length=300)


class FeatureSplitSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=200, help_text="Of the new feature.")
    sites = serializers.ListField(
        child=serializers.CharField(), help_text="Codes of the sites that measure the new one."
    )
    reason = serializers.CharField(max_length=300)
