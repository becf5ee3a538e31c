"""Voiding a batch over HTTP: asked for by one person, decided by another."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers as fields
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cohorts.api.base import PROBLEM, fields_sent
from cohorts.api.records import AssayBatchViewSet
from cohorts.requests import user_of
from cohorts.serializers import records as serializers
from cohorts.services.batches import voiding

ANSWERS = {200: serializers.AssayBatchSerializer, 409: PROBLEM}


class VoidSerializer(fields.Serializer[Any]):
    reason = fields.CharField(max_length=300)


class VoidDecisionSerializer(fields.Serializer[Any]):
    approve = fields.BooleanField()


class BatchesViewSet(AssayBatchViewSet):
    """What was measured together: one run of a platform at a site."""

    verbs = {**AssayBatchViewSet.verbs, "void": "C", "decide_void": "A"}

    def resource_of(self, action: str) -> str:
        voids = action in ("void", "decide_void")
        return "assay_correction" if voids else super().resource_of(action)

    @extend_schema(request=VoidSerializer, responses=ANSWERS)
    @action(detail=True, methods=["post"])
    def void(self, request: Request, pk: str) -> Response:
        """Ask that the batch be voided; somebody else decides, and until then it is in use."""
        said = fields_sent(VoidSerializer, request)
        voiding.ask(self.get_object().pk, reason=said["reason"], by=user_of(request))
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=VoidDecisionSerializer, responses=ANSWERS)
    @action(detail=True, methods=["post"], url_path="decide-void")
    def decide_void(self, request: Request, pk: str) -> Response:
        """Void the batch as asked, or keep it; the next table of its run takes its place."""
        said = fields_sent(VoidDecisionSerializer, request)
        approve = said["approve"]
        voiding.decide(self.get_object().pk, approve=approve, by=user_of(request))
        return Response(self.get_serializer(self.get_object()).data)
