"""Exports of records over HTTP: asked for, approved by another person, taken as a file."""

from __future__ import annotations

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cohorts import models
from cohorts.api.base import PROBLEM, RecordViewSet, fields_sent, location_of
from cohorts.api.filters import BySite
from cohorts.downloads import as_download
from cohorts.requests import user_of
from cohorts.serializers import exports as serializers
from cohorts.services.exporting import export_requests


class ExportViewSet(RecordViewSet):
    """Requests to take a site's records away, and the files that were made of each."""

    queryset = models.ExportRequest.objects.none()
    serializer_class = serializers.ExportRequestSerializer
    filterset_class = BySite
    related = ("site", "asked_by", "decided_by")
    prefetched = ("files__exported_by",)
    verbs = {**RecordViewSet.verbs, "create": "XC", "approve": "A", "refuse": "A", "file": "XC"}

    @extend_schema(
        request=serializers.NewExportSerializer,
        examples=[
            OpenApiExample(
                "People and samples for a registry",
                value={
                    "site": "FUK",
                    "format": "fhir",
                    "recipient": "Kyushu registry",
                    "recipient_country": "JP",
                    "reason": "yearly report",
                },
                request_only=True,
            )
        ],
        responses={201: serializers.ExportRequestSerializer, 409: PROBLEM},
    )
    def create(self, request: Request) -> Response:
        """Ask for an export. A site's data manager takes the own site's at once, others wait."""
        said = fields_sent(serializers.NewExportSerializer, request)
        user = user_of(request)
        site = export_requests.site_for(user, said.pop("site"))
        wish = export_requests.Wish(**said | {"batches": tuple(said["batches"])})
        made = export_requests.ask(site, wish, by=user)
        told = self.get_serializer(made).data
        headers = location_of(request, made.pk)
        return Response(told, status=status.HTTP_201_CREATED, headers=headers)

    @extend_schema(request=None, responses={200: serializers.ExportRequestSerializer, 409: PROBLEM})
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        """Approve somebody else's request; its file can be taken for seven days."""
        done = export_requests.decide(self.get_object().pk, approve=True, by=user_of(request))
        return Response(self.get_serializer(done).data)

    @extend_schema(
        request=serializers.RefuseExportSerializer,
        responses={200: serializers.ExportRequestSerializer, 409: PROBLEM},
    )
    @action(detail=True, methods=["post"])
    def refuse(self, request: Request, pk: str) -> Response:
        """Refuse somebody else's request, with the reason."""
        said = fields_sent(serializers.RefuseExportSerializer, request)
        note = said["note"]
        found = self.get_object().pk
        done = export_requests.decide(found, approve=False, by=user_of(request), note=note)
        return Response(self.get_serializer(done).data)

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"])
    def file(self, request: Request, pk: str) -> HttpResponse:
        """The file, made of the records as they stand now; each one is on record."""
        made = export_requests.file_of(self.get_object().pk, by=user_of(request))
        return as_download(made)
