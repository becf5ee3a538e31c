"""What the API says of data queries, and what it takes to ask and to answer one."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from cohorts.models import Query, QueryEvent
from cohorts.models.query import SUBJECTS


class QueryEventSerializer(serializers.ModelSerializer[QueryEvent]):
    by = serializers.CharField(source="by.username", default=None, read_only=True, allow_null=True)

    class Meta:
        model = QueryEvent
        fields = ["kind", "by", "at", "text"]


class QuerySerializer(serializers.ModelSerializer[Query]):
    """A question about one record, with what was said since; without a person a rule asked."""

    site = serializers.CharField(source="site.code", read_only=True)
    about_kind = serializers.ChoiceField(choices=SUBJECTS, source="subject_kind", read_only=True)
    about = serializers.SerializerMethodField(help_text="A code, or the id of what has none.")
    raised_by = serializers.CharField(
        source="raised_by.username", default=None, read_only=True, allow_null=True
    )
    closed_by = serializers.CharField(
        source="closed_by.username", default=None, read_only=True, allow_null=True
    )
    events = QueryEventSerializer(many=True, read_only=True)

    class Meta:
        model = Query
        fields = [
            "id",
            "site",
            "about_kind",
            "about",
            "rule",
            "text",
            "state",
            "raised_by",
            "raised_at",
            "closed_by",
            "closed_at",
            "events",
        ]

    @extend_schema_field(serializers.CharField())
    def get_about(self, query: Query) -> str:
        return str(getattr(query.subject, "code", query.subject.pk))


class NewQuerySerializer(serializers.Serializer[Any]):
    """A question about one record of a site."""

    site = serializers.CharField(max_length=12)
    about_kind = serializers.ChoiceField(choices=SUBJECTS)
    about = serializers.CharField(
        max_length=64, help_text="The code of a participant or sample; the id of anything else."
    )
    text = serializers.CharField(max_length=1000)


class QueryTextSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=1000)
