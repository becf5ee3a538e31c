"""Consents over HTTP, and the list of those that must be asked for again."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cohorts.api import ConsentViewSet
from cohorts.services import renewals
from cohorts.views import user_of


class RenewalSerializer(serializers.Serializer[Any]):
    """A participant whose consent form has lapsed, or lapses within 60 days."""

    site = serializers.CharField()
    participant = serializers.CharField()
    form_version = serializers.CharField()
    signed_on = serializers.DateField()
    valid_until = serializers.DateField()
    lapsed = serializers.BooleanField()


class ConsentsViewSet(ConsentViewSet):
    """What participants agreed to."""

    verbs = {**ConsentViewSet.verbs, "renewals": "R"}

    @extend_schema(
        parameters=[OpenApiParameter("site", str, description="Only this site.")],
        responses={200: RenewalSerializer(many=True)},
    )
    @action(detail=False, methods=["get"], pagination_class=None, filterset_class=None)
    def renewals(self, request: Request) -> Response:
        """Whom to ask again, the first to lapse first."""
        asked = request.query_params.get("site", "")
        found = RenewalSerializer(renewals.due(user_of(request), site=asked), many=True).data
        return Response(found, headers={"ETag": self._version([list(map(dict, found))])})
