"""A study's dictionary of context variables over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from analysis.services.dictionary_plans import touched_by
from cohorts.api.base import PROBLEM, RecordViewSet, fields_sent, location_of
from cohorts.api.filters import FilterSet
from cohorts.ingest.dictionary_changes import DictionaryChanges
from cohorts.models import Study, VariableDictionary
from cohorts.outgoing import data_dictionary
from cohorts.requests import user_of
from cohorts.services import dictionaries

LONGEST = 2_000_000


class DictionarySerializer(serializers.ModelSerializer[VariableDictionary]):
    study = serializers.CharField(source="study.code", read_only=True)

    class Meta:
        model = VariableDictionary
        fields = ["id", "study", "version", "filename", "added_at", "variables", "left_out"]


class NewDictionarySerializer(serializers.Serializer[Any]):
    """REDCap's data dictionary as text; ``after`` is the version that you have seen (0: none)."""

    study = serializers.SlugField()
    content = serializers.CharField(max_length=LONGEST, trim_whitespace=False)
    filename = serializers.CharField(max_length=255, default="dictionary.csv")
    after = serializers.IntegerField(min_value=0)
    dry_run = serializers.BooleanField(default=False)


class AlteredSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    what = serializers.CharField()
    was = serializers.CharField()
    now = serializers.CharField()


class TouchedSerializer(serializers.Serializer[Any]):
    plan = serializers.CharField()
    version = serializers.IntegerField()
    use = serializers.CharField()
    variable = serializers.CharField()
    what = serializers.CharField()


class OutsideSerializer(serializers.Serializer[Any]):
    """Recorded answers of a column that the version would not take; they stay as they are."""

    column = serializers.CharField()
    n_outside = serializers.IntegerField()
    n_recorded = serializers.IntegerField()


class ChangesSerializer(serializers.Serializer[Any]):
    """What a version changes beside the one before it, and the plans that name such variables."""

    added = serializers.ListField(child=serializers.CharField())
    removed = serializers.ListField(child=serializers.CharField())
    changed = AlteredSerializer(many=True)
    plans = TouchedSerializer(many=True)
    left_out = serializers.ListField(child=serializers.ListField(child=serializers.CharField()))
    unjudged = serializers.ListField(child=serializers.CharField())
    outside = OutsideSerializer(many=True, help_text="Of a dry run alone.")


class DictionaryFilter(FilterSet):
    study = filters.CharFilter(field_name="study__code")


class DictionaryViewSet(RecordViewSet):
    """Context variables that tables of participants and questionnaires may bring, in versions."""

    queryset = VariableDictionary.objects.none()
    serializer_class = DictionarySerializer
    filterset_class = DictionaryFilter
    page_ordering = ("-pk",)
    related = ("study",)
    verbs = {**RecordViewSet.verbs, "create": "C", "changes": "R", "redcap": "R"}

    @extend_schema(
        request=NewDictionarySerializer,
        responses={200: ChangesSerializer, 201: DictionarySerializer, 409: PROBLEM},
    )
    def create(self, request: Request) -> Response:
        """Take a new version, or with ``dry_run`` say what it would change."""
        sent = fields_sent(NewDictionarySerializer, request)
        study = get_object_or_404(Study.objects.visible_to(request.user), code=sent["study"])
        content = sent["content"].encode()
        if sent["dry_run"]:
            draft = dictionaries.draft(study, content, filename=sent["filename"])
            more = {
                "left_out": draft.left_out,
                "unjudged": draft.unjudged,
                "outside": draft.outside,
            }
            return Response(_told(draft.changes, study, **more))
        made = dictionaries.add(
            study.pk,
            content,
            by=user_of(request),
            after=sent["after"],
            filename=sent["filename"],
        )
        return Response(
            self.get_serializer(made).data,
            status=status.HTTP_201_CREATED,
            headers=location_of(request, made.pk),
        )

    @extend_schema(responses={200: ChangesSerializer})
    @action(detail=True, methods=["get"], pagination_class=None, filterset_class=None)
    def changes(self, request: Request, pk: str) -> Response:
        """What this version changed beside the one before it, and which plans that touches."""
        version = self.get_object()
        told = _told(dictionaries.changes_of(version), version.study, left_out=version.left_out)
        return Response(told, headers={"ETag": self._version([told])})

    @extend_schema(
        responses={(200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, "REDCap's 18 columns.")}
    )
    @action(detail=True, methods=["get"], pagination_class=None, filterset_class=None)
    def redcap(self, request: Request, pk: str) -> HttpResponse:
        """This version as REDCap's data dictionary."""
        version = self.get_object()
        answer = HttpResponse(
            data_dictionary.write(dictionaries.variables_of(version)),
            content_type="text/csv; charset=utf-8",
        )
        name = f"{version.study.code}-variables-{version.version}.csv"
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer


def _told(changes: DictionaryChanges, study: Study, **more: Any) -> dict[str, Any]:
    plans = [asdict(each) for each in touched_by(changes, study)]
    told = asdict(changes) | {"plans": plans, "left_out": [], "unjudged": [], "outside": []} | more
    return dict(ChangesSerializer(told).data)
