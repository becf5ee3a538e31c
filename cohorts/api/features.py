"""The dictionary over HTTP: names to review, decisions, and what a feature was called before."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cohorts import models
from cohorts.api.base import PROBLEM, fields_sent
from cohorts.api.records import FeatureFilter, FeatureViewSet
from cohorts.errors import NoSuchSite, UnusableRequest
from cohorts.requests import user_of
from cohorts.serializers import features as shapes
from cohorts.serializers import records as serializers
from cohorts.serializers.dictionary_edits import DictionaryEditSerializer
from cohorts.services.features import dictionary_edits, lineage, name_review

DECIDED = {200: serializers.FeatureSerializer, 409: PROBLEM}
PROPOSED = {202: DictionaryEditSerializer, 409: PROBLEM}


class NamedFilter(FeatureFilter):
    name = filters.CharFilter(method="once_named", label="Its name, today's or an earlier one.")

    def once_named(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return lineage.once_named(rows, value)


class DictionaryViewSet(FeatureViewSet):
    """The dictionary of what is measured."""

    filterset_class = NamedFilter
    verbs = {
        **FeatureViewSet.verbs,
        **{"review": "R", "decide": "CA", "lineage": "R"},
        **dict.fromkeys(("rename", "merge", "split"), "U"),
    }

    def resource_of(self, action: str) -> str:
        return "source_name" if action in ("review", "decide") else super().resource_of(action)

    @extend_schema(responses={200: shapes.WaitingNameSerializer(many=True)})
    @action(detail=False, methods=["get"], filterset_class=None)
    def review(self, request: Request) -> Response:
        """Names in tables of your sites that lead to no known feature yet."""
        user = user_of(request)
        page = self.paginate_queryset(name_review.waiting(user)) or []
        rows = name_review.described(page, user)
        return self.get_paginated_response(shapes.WaitingNameSerializer(rows, many=True).data)

    @extend_schema(request=shapes.NewDecisionSerializer, responses=DECIDED)
    @action(detail=True, methods=["post"])
    def decide(self, request: Request, pk: str) -> Response:
        """Say what a waiting name is: another name of a feature, a new one, or not analysed."""
        said = fields_sent(shapes.NewDecisionSerializer, request)
        name, user = self.get_object(), user_of(request)
        if said["decision"] == "alias":
            done = name_review.decide_alias(
                name.pk,
                of=feature_named(said.get("of", "")).pk,
                site=_site_of(user, said.get("site", "")),
                reason=said["reason"],
                by=user,
            )
        elif said["decision"] == "new":
            done = name_review.decide_new(
                name.pk, name=said["name"], facts=said, reason=said["reason"], by=user
            )
        else:
            done = name_review.ignore(name.pk, reason=said["reason"], by=user)
        return self._told(done)

    @extend_schema(responses={200: shapes.DecisionSerializer(many=True)})
    @action(detail=True, methods=["get"], filterset_class=None, pagination_class=None)
    def lineage(self, request: Request, pk: str) -> Response:
        """Every decision on this feature, oldest first."""
        rows = models.FeatureDecision.objects.visible_to(user_of(request)).of(self.get_object())
        found = rows.select_related("site", "decided_by")
        return Response(shapes.DecisionSerializer(found, many=True).data)

    @extend_schema(request=shapes.FeatureRenameSerializer, responses=PROPOSED)
    @action(detail=True, methods=["post"])
    def rename(self, request: Request, pk: str) -> Response:
        """Propose to call it anew; the old name will go on leading to it."""
        return self._propose("rename", fields_sent(shapes.FeatureRenameSerializer, request))

    @extend_schema(request=shapes.FeatureMergeSerializer, responses=PROPOSED)
    @action(detail=True, methods=["post"])
    def merge(self, request: Request, pk: str) -> Response:
        """Propose that it is one with another feature, which stays."""
        said = fields_sent(shapes.FeatureMergeSerializer, request)
        return self._propose("merge", said | {"into": feature_named(said["into"]).pk})

    @extend_schema(request=shapes.FeatureSplitSerializer, responses=PROPOSED)
    @action(detail=True, methods=["post"])
    def split(self, request: Request, pk: str) -> Response:
        """Propose that what some sites sent under it is a feature of its own."""
        return self._propose("split", fields_sent(shapes.FeatureSplitSerializer, request))

    def _propose(self, kind: str, said: dict[str, Any]) -> Response:
        feature, by = self.get_object(), user_of(self.request)
        reason = said.pop("reason")
        made = dictionary_edits.propose_verb(kind, feature.pk, said, reason=reason, by=by)
        made.refresh_from_db()
        return Response(DictionaryEditSerializer(made).data, status=status.HTTP_202_ACCEPTED)

    def _told(self, feature: models.Feature) -> Response:
        return Response(self.get_serializer(feature).data)


def feature_named(name: str) -> models.Feature:
    """The feature of that name. Raises UnusableRequest where there is none."""
    found = lineage.once_named(models.Feature.objects.filter(merged_into=None), name).first()
    if found is None:
        raise UnusableRequest(f'No feature is called "{name}": give its name in the dictionary.')
    feature: models.Feature = found
    return feature


def _site_of(user: models.User, code: str) -> models.Site | None:
    if not code:
        return None
    site: models.Site | None = models.Site.objects.visible_to(user).filter(code=code).first()
    if site is None:
        raise NoSuchSite(code)
    return site
