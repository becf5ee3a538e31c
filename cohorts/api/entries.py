"""Second entries of questionnaires over HTTP: made, compared, settled."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from cohorts.api.base import PROBLEM, fields_sent
from cohorts.api.records import AssessmentViewSet
from cohorts.models import Assessment, SecondEntry
from cohorts.requests import user_of
from cohorts.services import entries


class SecondItemsSerializer(serializers.Serializer[Any]):
    """The answers read from the paper again, null where unanswered."""

    items = serializers.ListField(child=serializers.IntegerField(allow_null=True))


class DifferenceSerializer(serializers.Serializer[Any]):
    item = serializers.IntegerField()
    first = serializers.IntegerField(allow_null=True)
    second = serializers.IntegerField(allow_null=True)


class ComparisonSerializer(serializers.Serializer[Any]):
    """``state`` is once, differs, agrees or settled."""

    state = serializers.CharField()
    differences = DifferenceSerializer(many=True)


class EntryDecisionSerializer(serializers.Serializer[Any]):
    item = serializers.IntegerField(min_value=1)
    answer = serializers.IntegerField(allow_null=True)


class SettleSerializer(serializers.Serializer[Any]):
    answers = EntryDecisionSerializer(many=True)
    reason = serializers.CharField(max_length=300)


class AssessmentsViewSet(AssessmentViewSet):
    """Answers to questionnaires, and their second entries."""

    verbs = {**AssessmentViewSet.verbs, "comparison": "R", "second_entry": "CU", "settle": "U"}

    @extend_schema(responses={200: ComparisonSerializer})
    @action(detail=True, methods=["get"], pagination_class=None, filterset_class=None)
    def comparison(self, request: Request, pk: str) -> Response:
        """How the two entries of this questionnaire compare."""
        told = _told(self.get_object())
        return Response(told, headers={"ETag": self._version([told])})

    @extend_schema(
        request=SecondItemsSerializer, responses={200: ComparisonSerializer, 409: PROBLEM}
    )
    @action(detail=True, methods=["post"], url_path="second-entry")
    def second_entry(self, request: Request, pk: str) -> Response:
        """Type the paper in again; differences become a data query."""
        found = self.get_object()
        said = fields_sent(SecondItemsSerializer, request)
        entries.enter_again(found.pk, said["items"], by=user_of(request))
        return Response(_told(found))

    @extend_schema(request=SettleSerializer, responses={200: ComparisonSerializer, 409: PROBLEM})
    @action(detail=True, methods=["post"])
    def settle(self, request: Request, pk: str) -> Response:
        """Decide every item that differs, from the paper."""
        found = self.get_object()
        said = fields_sent(SettleSerializer, request)
        answers = {each["item"]: each["answer"] for each in said["answers"]}
        reason = said["reason"]
        return Response(
            _told(entries.settle(found.pk, answers, reason=reason, by=user_of(request)))
        )


def _told(assessment: Assessment) -> dict[str, Any]:
    second = SecondEntry.objects.filter(assessment=assessment).first()
    differ = entries.differences(assessment)
    state = "once" if second is None else "differs" if differ else "agrees"
    state = "settled" if second is not None and second.settled_at else state
    return dict(ComparisonSerializer({"state": state, "differences": differ}).data)
