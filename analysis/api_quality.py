"""The quality report of a batch over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from analysis import quality
from cohorts.api_base import ScopedViewSet
from cohorts.models import AssayBatch


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
    rsd_limit_percent = serializers.FloatField()
    blank_limit_percent = serializers.FloatField()
    missing_limit_percent = serializers.FloatField()
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

    @extend_schema(responses={200: QualitySerializer})
    @action(detail=True, methods=["get"])
    def qc(self, request: Request, pk: str) -> Response:
        """RSD, blanks and gaps of each feature against the study's limits, and the drift."""
        return Response(asdict(quality.report_of(self.get_object())))
