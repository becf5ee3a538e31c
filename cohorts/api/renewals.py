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
from cohorts.models import Consent, User
from cohorts.models.consent import SCOPES
from cohorts.requests import user_of
from cohorts.serializers.records import ConsentSerializer
from cohorts.services import consent_corrections, renewals

PAGE = 100


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
            OpenApiParameter("after", int, description="As `Link` names it."),
        ],
        responses={200: RenewalSerializer(many=True)},
    )
    @action(detail=False, methods=["get"], pagination_class=None, filterset_class=None)
    def renewals(self, request: Request) -> Response:
        """Whom to ask again, the first to lapse first; `Link` names the next hundred."""
        asked, user = request.query_params.get("site", ""), user_of(request)
        after = _told_last(request.query_params.get("after", ""), user)
        due = renewals.due(user, site=asked, after=after, most=PAGE + 1)
        found = RenewalSerializer(due[:PAGE], many=True).data
        told = {"ETag": self._version([list(map(dict, found)), len(due) > PAGE])}
        if len(due) > PAGE:
            last = due[PAGE - 1].consent_id
            following = replace_query_param(request.build_absolute_uri(), "after", last)
            told["Link"] = f'<{following}>; rel="next"'
        return Response(found, headers=told)


def _told_last(asked: str, user: User) -> Consent | None:
    """The consent after which a page begins; None for the first."""
    if not asked:
        return None
    rows = Consent.objects.visible_to(user).filter(form__valid_until__isnull=False)
    rows = rows.select_related("form", "participant")
    found = rows.filter(pk=int(asked[:18])) if asked.isascii() and asked.isdecimal() else ()
    for consent in found:
        return consent
    raise serializers.ValidationError({"after": "Not a page of this list: begin with the first."})
