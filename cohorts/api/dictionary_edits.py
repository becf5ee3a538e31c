"""Edits of the dictionary over HTTP: proposed by one data manager, approved by another."""

from __future__ import annotations

from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cohorts import models
from cohorts.api.base import PROBLEM, RecordViewSet, fields_sent, location_of
from cohorts.api.filters import FilterSet
from cohorts.requests import user_of
from cohorts.serializers import dictionary_edits as shapes
from cohorts.services.features import dictionary_edits


class EditFilter(FilterSet):
    waiting = filters.BooleanFilter(field_name="approved", lookup_expr="isnull")

    class Meta:
        model = models.DictionaryEdit
        fields = ("subject", "kind")


class DictionaryEditViewSet(RecordViewSet):
    """Edits of features, other names, reference ranges and acceptance limits."""

    queryset = models.DictionaryEdit.objects.none()
    serializer_class = shapes.DictionaryEditSerializer
    filterset_class = EditFilter
    related = ("proposed_by", "decided_by")
    verbs = {**RecordViewSet.verbs, "create": "C", "approve": "A", "refuse": "A"}

    @extend_schema(
        request=shapes.NewDictionaryEditSerializer,
        examples=[
            OpenApiExample(
                "A feature that a new panel measures",
                value={
                    "subject": "feature",
                    "becomes": {
                        "name": "isovalerylglycine",
                        "canonical_unit": "umol/L",
                        "molar_mass": 159.185,
                    },
                    "reason": "on the panel from 2026 on",
                },
                request_only=True,
            )
        ],
        responses={201: shapes.DictionaryEditSerializer, 400: PROBLEM},
    )
    def create(self, request: Request) -> Response:
        """Propose an entry or new values of one; in force once somebody else approves."""
        sent = fields_sent(shapes.NewDictionaryEditSerializer, request)
        made = dictionary_edits.propose(
            sent["subject"],
            sent.get("subject_id"),
            sent["becomes"],
            reason=sent["reason"],
            by=user_of(request),
        )
        told = self.get_serializer(self.get_queryset().get(pk=made.pk)).data
        headers = location_of(request, made.pk)
        return Response(told, status=status.HTTP_201_CREATED, headers=headers)

    @extend_schema(request=None, responses={200: shapes.DictionaryEditSerializer, 409: PROBLEM})
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        """Carry out what somebody else proposed."""
        done = dictionary_edits.approve(self.get_object().pk, by=user_of(request))
        return Response(self.get_serializer(done).data)

    @extend_schema(
        request=shapes.RefuseEditSerializer,
        responses={200: shapes.DictionaryEditSerializer, 409: PROBLEM},
    )
    @action(detail=True, methods=["post"])
    def refuse(self, request: Request, pk: str) -> Response:
        """Refuse an edit, with the reason."""
        said = fields_sent(shapes.RefuseEditSerializer, request)
        note = said["note"]
        done = dictionary_edits.refuse(self.get_object().pk, note=note, by=user_of(request))
        return Response(self.get_serializer(done).data)
