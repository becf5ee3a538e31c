"""Erasures over HTTP: asked for, approved by another person, stopped."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cohorts import models
from cohorts.api.base import PROBLEM, RecordViewSet, fields_sent, location_of, person_named
from cohorts.api.records import ErasureFilter
from cohorts.requests import user_of
from cohorts.serializers import erasures as serializers
from cohorts.services.erasing import erasure


class ErasureViewSet(RecordViewSet):
    """Requests to remove a participant, and the receipts of those that were carried out."""

    queryset = models.Erasure.objects.none()
    serializer_class = serializers.ErasureSerializer
    filterset_class = ErasureFilter
    related = ("site", "participant", "requested_by", "approved_by", "stopped_by")
    # Whoever may ask for one or approve one may stop it.
    verbs = {**RecordViewSet.verbs, "create": "C", "approve": "A", "stop": "CA"}

    @extend_schema(
        request=serializers.NewErasureSerializer,
        examples=[
            OpenApiExample(
                "A request",
                value={"site": "FUK", "participant": "FUK-0001", "note": "by letter"},
                request_only=True,
            )
        ],
        responses={201: serializers.ErasureSerializer, 409: PROBLEM},
    )
    def create(self, request: Request) -> Response:
        """Ask for an erasure: every use stops at once, the removal waits for a second person."""
        sent = fields_sent(serializers.NewErasureSerializer, request)
        person = person_named(request, sent["site"], sent["participant"])
        made = erasure.request(person.pk, by=user_of(request), note=sent["note"])
        told = self.get_serializer(made).data
        headers = location_of(request, made.pk)
        return Response(told, status=status.HTTP_201_CREATED, headers=headers)

    @extend_schema(request=None, responses={200: serializers.ErasureSerializer, 409: PROBLEM})
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        """Approve somebody else's request; it is carried out when the wait is over."""
        done = erasure.approve(self.get_object().pk, by=user_of(request))
        return Response(self.get_serializer(done).data)

    @extend_schema(
        request=serializers.StopErasureSerializer,
        responses={200: serializers.ErasureSerializer, 409: PROBLEM},
    )
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, pk: str) -> Response:
        """Stop an erasure before it is carried out, with the reason."""
        said = fields_sent(serializers.StopErasureSerializer, request)
        reason = said["reason"]
        done = erasure.stop(self.get_object().pk, by=user_of(request), reason=reason)
        return Response(self.get_serializer(done).data)
