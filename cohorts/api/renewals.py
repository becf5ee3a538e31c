"""Consents over HTTP, and the list of those that must be asked for again."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from cohorts.api import preconditions
from cohorts.api.base import PROBLEM
from cohorts.api.records import ConsentViewSet
from cohorts.models import Consent
from cohorts.models.consent import SCOPES
from cohorts.requests import user_of
from cohorts.serializers.records import ConsentSerializer
from cohorts.services import consent_corrections, renewals

PAGE, LAST_PAGE = 100, 10_000


class RenewalSerializer(serializers.Serializer[Any]):
    """A participant whose consent form has lapsed, or lapses within 60 days."""

    site = serializers.CharField()
    participant = serializers.CharField()
    form_version = serializers.CharField()
    signed_on = serializers.DateField()
    valid_until = serializers.DateField()
    lapsed = serializers.BooleanField()


class ConsentChangesSerializer(serializers.Serializer[Any]):
    """What is wrong in the record, as it stands on the paper."""

    form_version = serializers.CharField(
        max_length=40, required=False, allow_blank=True, help_text="Empty: none, but a basis."
    )
    form_language = serializers.CharField(
        max_length=16,
        required=False,
        allow_blank=True,
        help_text="With form_version, where that is registered in several languages.",
    )
    signed_on = serializers.DateField(required=False)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=list(SCOPES)), required=False
    )
    basis = serializers.CharField(max_length=200, required=False, allow_blank=True)


class ConsentCorrectionSerializer(serializers.Serializer[Any]):
    """New values, with the reason and, without If-Match, the version seen."""

    version = serializers.IntegerField(min_value=1, required=False)
    reason = serializers.CharField(max_length=300, allow_blank=True)
    changes = ConsentChangesSerializer()


class ConsentsViewSet(ConsentViewSet):
    """What participants agreed to."""

    verbs = {**ConsentViewSet.verbs, "renewals": "R", "correct": "U"}
    conditional_actions = ("correct",)

    def record_etag(self, row: Consent) -> str:
        return preconditions.etag_of_version(super().record_etag(row), row.version)

    @extend_schema(
        request=ConsentCorrectionSerializer,
        responses={200: ConsentSerializer, 409: PROBLEM},
    )
    @action(detail=True, methods=["post"])
    def correct(self, request: Request, pk: str) -> Response:
        """Make the record say what the paper says: a new version, with the reason.

        Say which state you have seen: its ETag as If-Match, or `version`. A withdrawal stands as
        it stood; what a participant newly wishes is a new consent.
        """
        found = self.get_object()
        said = ConsentCorrectionSerializer(data=request.data)
        said.is_valid(raise_exception=True)
        sent = said.validated_data
        # What is not known here is refused by the service in words, not passed over.
        changes = {**said.initial_data["changes"], **sent["changes"]}
        seen = preconditions.version_seen(request, sent.get("version"), found.version)
        with preconditions.told_as_named(request):
            done = consent_corrections.correct(
                found.pk, changes, reason=sent["reason"], by=user_of(request), version=seen
            )
        return Response(self.get_serializer(done).data)

    @extend_schema(
        parameters=[
            OpenApiParameter("site", str, description="Only this site."),
            OpenApiParameter("page", int, description="From 1; each has up to 100."),
        ],
        responses={200: RenewalSerializer(many=True)},
    )
    @action(detail=False, methods=["get"], pagination_class=None, filterset_class=None)
    def renewals(self, request: Request) -> Response:
        """Whom to ask again, the first to lapse first; `Link` names the next hundred."""
        asked, page = request.query_params.get("site", ""), _page_of(request)
        first = (page - 1) * PAGE
        due = renewals.due(user_of(request), site=asked, first=first, most=PAGE + 1)
        found = RenewalSerializer(due[:PAGE], many=True).data
        told = {"ETag": self._version([list(map(dict, found)), len(due) > PAGE])}
        if len(due) > PAGE:
            following = replace_query_param(request.build_absolute_uri(), "page", page + 1)
            told["Link"] = f'<{following}>; rel="next"'
        return Response(found, headers=told)


def _page_of(request: Request) -> int:
    asked = request.query_params.get("page", "1")
    if not (asked.isascii() and asked.isdecimal() and 1 <= int(asked[:9]) <= LAST_PAGE):
        raise serializers.ValidationError({"page": f"A number from 1 to {LAST_PAGE}."})
    return int(asked)
