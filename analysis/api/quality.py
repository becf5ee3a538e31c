"""The quality report of a batch over HTTP."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cohorts.api.base import ScopedViewSet
from cohorts.models import AssayBatch
from cohorts.requests import user_of
from cohorts.services.batches import quality


class FeatureQualitySerializer(serializers.Serializer[Any]):
    feature = serializers.CharField()
    rsd_percent = serializers.FloatField(allow_null=True)
    blank_percent = serializers.FloatField(allow_null=True)
    missing_percent = serializers.FloatField(allow_null=True)
    fails = serializers.ListField(child=serializers.CharField())


class QualitySerializer(serializers.Serializer[Any]):
    n_study = serializers.IntegerField()
    n_qc = serializers.IntegerField()
    n_blank = serializers.IntegerField()
    rsd_limit_percent = serializers.FloatField(source="limits.rsd")
    blank_limit_percent = serializers.FloatField(source="limits.blank")
    missing_limit_percent = serializers.FloatField(source="limits.missing")
    failing_limit_percent = serializers.FloatField(
        source="limits.failing", help_text="Share of features over a limit that a batch may have."
    )
    limits_of = serializers.CharField(source="limits.of", help_text="study, platform or batch.")
    accepted = serializers.BooleanField(
        allow_null=True, help_text="Null for a batch without QC pools and blanks."
    )
    features = FeatureQualitySerializer(many=True)
    drift = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField()),
        help_text="Pairs of injection order and median of value / median QC pool, in percent.",
    )


class QualityViewSet(ScopedViewSet):
    """What QC pools, blanks and gaps say of a batch."""

    queryset = AssayBatch.objects.none()
    serializer_class = QualitySerializer
    related = ("site__study",)
    verbs = {"qc": "R"}

    def resource_of(self, action: str) -> str:
        return "quality_report"

    def get_queryset(self) -> QuerySet[AssayBatch]:
        if getattr(self, "swagger_fake_view", False):
            return AssayBatch.objects.none()
        rows: QuerySet[AssayBatch] = AssayBatch.objects.reported_to(self.request.user)
        return rows.select_related(*self.related)

    @extend_schema(responses={200: QualitySerializer})
    @action(detail=True, methods=["get"])
    def qc(self, request: Request, pk: str) -> Response:
        """RSD, blanks and gaps of each feature against the acceptance limits, and the drift.

        An analyst reads it of batches of enough people, without what counts them.
        """
        report = quality.report_for(user_of(request), self.get_object())
        return Response(QualitySerializer(report).data)
