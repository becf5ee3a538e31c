"""The versions of a site's consent form over HTTP: read, registered, put right with the reason."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import exceptions, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cohorts import models
from cohorts.api.base import PROBLEM, RecordViewSet, fields_sent, location_of
from cohorts.api.filters import BySite
from cohorts.models import ConsentForm
from cohorts.models.consent import SCOPES
from cohorts.requests import user_of
from cohorts.services import consent_forms
from cohorts.services.consent_forms import Version

_EXAMPLE = {
    "site": "FUK",
    "version": "2.0",
    "language": "ja",
    "valid_from": "2026-04-01",
    "offered_scopes": ["store_samples", "metabolomics", "share_consortium"],
    "document_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}


class ConsentFormSerializer(serializers.ModelSerializer[ConsentForm]):
    site = serializers.CharField(source="site.code", read_only=True)

    class Meta:
        model = ConsentForm
        fields = [
            *("id", "site", "version", "language", "valid_from", "valid_until"),
            *("offered_scopes", "document_sha256"),
        ]


class VersionSerializer(serializers.Serializer[Any]):
    """What the paper says."""

    valid_from = serializers.DateField(required=False, allow_null=True, default=None)
    valid_until = serializers.DateField(required=False, allow_null=True, default=None)
    offered_scopes = serializers.ListField(child=serializers.ChoiceField(choices=sorted(SCOPES)))
    document_sha256 = serializers.RegexField(
        "^[0-9a-f]{64}$",
        required=False,
        default="",
        help_text="SHA-256 of the document that people sign, 64 hexadecimal digits.",
    )


class NewConsentFormSerializer(VersionSerializer):
    site = serializers.CharField()
    version = serializers.CharField(max_length=40)
    language = serializers.CharField(max_length=16)


class CorrectedConsentFormSerializer(VersionSerializer):
    reason = serializers.CharField(max_length=300)


class ConsentFormViewSet(RecordViewSet):
    """Consent forms: each version and language of a site, and the days on which it is signed."""

    queryset = ConsentForm.objects.none()
    serializer_class = ConsentFormSerializer
    filterset_class = BySite
    related = ("site",)
    verbs = {**RecordViewSet.verbs, "create": "C", "correct": "U"}

    @extend_schema(
        request=NewConsentFormSerializer,
        examples=[OpenApiExample("A version", value=_EXAMPLE, request_only=True)],
        responses={201: ConsentFormSerializer, 400: PROBLEM},
    )
    def create(self, request: Request) -> Response:
        """Register a version with the hash of its document; the document stays at your site."""
        said = fields_sent(NewConsentFormSerializer, request)
        sites = models.Site.objects.visible_to(request.user)
        site = sites.filter(code=said.pop("site")).first()
        if site is None:
            raise exceptions.NotFound
        made = consent_forms.register(site, Version(**said), by=user_of(request))
        headers = location_of(request, made.pk)
        told = self.get_serializer(made).data
        return Response(told, status=status.HTTP_201_CREATED, headers=headers)

    @extend_schema(
        request=CorrectedConsentFormSerializer,
        responses={200: ConsentFormSerializer, 400: PROBLEM},
    )
    @action(detail=True, methods=["post"])
    def correct(self, request: Request, pk: str) -> Response:
        """Make a version say what its paper says, or end it; nothing that was signed on is lost."""
        form = self.get_object()
        said = fields_sent(CorrectedConsentFormSerializer, request)
        reason = said.pop("reason")
        version = Version(version=form.version, language=form.language, **said)
        kept = consent_forms.correct(form.pk, version, reason=reason, by=user_of(request))
        return Response(self.get_serializer(kept).data)
