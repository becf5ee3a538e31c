"""Data queries over HTTP: asked, answered, asked again, closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import exceptions, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cohorts import models
from cohorts.api.base import PROBLEM, RecordViewSet, fields_sent, location_of
from cohorts.api.filters import BySite
from cohorts.models.query import SUBJECTS
from cohorts.overview import record_of
from cohorts.requests import user_of
from cohorts.serializers import queries as serializers_queries
from cohorts.services import queries

ABOUT_A_PERSON = {
    "site": "FUK",
    "about_kind": "participant",
    "about": "FUK-0001",
    "text": "Is the year of birth right?",
}
ANSWERS = {200: serializers_queries.QuerySerializer, 409: PROBLEM}


class QueryFilter(BySite):
    state = filters.ChoiceFilter(choices=models.Query.State.choices)
    rule = filters.CharFilter()
    about_kind = filters.ChoiceFilter(
        choices=[(name, name) for name in SUBJECTS], method="of_kind", label="What it is about."
    )

    def of_kind(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(**{f"{value}__isnull": False})


class QueryViewSet(RecordViewSet):
    """Questions about records, asked by people and by rules."""

    queryset = models.Query.objects.none()
    serializer_class = serializers_queries.QuerySerializer
    filterset_class = QueryFilter
    page_ordering = ("-pk",)
    related = ("site", "raised_by", "closed_by", *SUBJECTS)
    prefetched = ("events__by",)
    verbs = {
        **RecordViewSet.verbs,
        **dict.fromkeys(("create", "answer", "ask_again", "close"), "C"),
    }

    @extend_schema(
        request=serializers_queries.NewQuerySerializer,
        examples=[OpenApiExample("About a person", value=ABOUT_A_PERSON, request_only=True)],
        responses={201: serializers_queries.QuerySerializer, 409: PROBLEM},
    )
    def create(self, request: Request) -> Response:
        """Ask about one record that you can see."""
        sent = fields_sent(serializers_queries.NewQuerySerializer, request)
        about = record_of(user_of(request), sent["site"], sent["about_kind"], sent["about"])
        if about is None:
            raise exceptions.NotFound
        made = queries.ask(about, text=sent["text"], by=user_of(request))
        told = self.get_serializer(made).data
        headers = location_of(request, made.pk)
        return Response(told, status=status.HTTP_201_CREATED, headers=headers)

    @extend_schema(request=serializers_queries.QueryTextSerializer, responses=ANSWERS)
    @action(detail=True, methods=["post"])
    def answer(self, request: Request, pk: str) -> Response:
        """Answer it; whoever asked closes it or asks again."""
        return self._carry_out(request, queries.answer)

    @extend_schema(request=serializers_queries.QueryTextSerializer, responses=ANSWERS)
    @action(detail=True, methods=["post"], url_path="ask-again")
    def ask_again(self, request: Request, pk: str) -> Response:
        """The answer does not settle it: say what is still open."""
        return self._carry_out(request, queries.ask_again)

    @extend_schema(request=serializers_queries.QueryTextSerializer, responses=ANSWERS)
    @action(detail=True, methods=["post"])
    def close(self, request: Request, pk: str) -> Response:
        """Close it with the reason; not by the person whose answer it is."""
        return self._carry_out(request, queries.close)

    def _carry_out(self, request: Request, verb: Callable[..., models.Query]) -> Response:
        said = fields_sent(serializers_queries.QueryTextSerializer, request)
        query = self.get_object()
        verb(query.pk, text=said["text"], by=user_of(request))
        return Response(self.get_serializer(self.get_object()).data)
