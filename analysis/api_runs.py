"""Runs over HTTP: started, followed, and found by their plan."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponseBase
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import exceptions, status
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from analysis import serializers
from analysis.api_results import JSON_ONLY, PublishedResults, release_rules
from analysis.models import Plan, Run
from analysis.services import freshness, results, runs
from cohorts import access, conditional
from cohorts.api_base import RecordViewSet
from cohorts.views import user_of

PROBLEM = OpenApiResponse(OpenApiTypes.OBJECT, "A problem (RFC 9457).")
POLL_SECONDS = "2"
WORKING = (Run.State.QUEUED, Run.State.RUNNING)
# Columns of a run that its answers rest on; snapshots hold every participant's number.
VERSION = ("state", "step", "share_done", "published_at", "released_at", "held_because", "same_as")
BIG = ("snapshot__participant_ids", "snapshot__assay_row_ids", "snapshot__assessment_ids")


class RunFilter(filters.FilterSet):  # type: ignore[misc]  # untyped library
    plan = filters.CharFilter(field_name="plan__name")
    state = filters.ChoiceFilter(choices=Run.State.choices)
    since = filters.IsoDateTimeFilter(field_name="queued_at", lookup_expr="gte")


class RunViewSet(PublishedResults):
    """Runs, their progress, and what they concluded."""

    queryset = Run.objects.none()
    serializer_class = serializers.RunStatusSerializer
    filterset_class = RunFilter
    page_ordering = ("-queued_at", "-pk")
    related = ("plan",)
    verbs = {
        **RecordViewSet.verbs,
        "create": "S",
        "latest": "R",
        "effects": "R",
        "pooled": "R",
        "claims": "R",
        "harmonisation": "R",
        "classifier": "R",
        "severity": "R",
        "changes": "R",
    }

    def resource_of(self, action: str) -> str:
        """How far a run is may be read more widely than what it concluded."""
        progress = ("list", "retrieve", "create", "metadata")
        return "run" if action in progress else "released_result"

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """Pages say how far each run is."""
        if args and kwargs.get("many"):
            args = ([results.status_of(run) for run in args[0]],)
        return super().get_serializer(*args, **kwargs)

    @extend_schema(
        request=serializers.NewRunSerializer,
        responses={202: serializers.RunStatusSerializer},
    )
    def create(self, request: Request) -> Response:
        """Run a plan now. Poll the address in Location; it says when to come back."""
        asked = serializers.NewRunSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        current = Plan.objects.visible_to(request.user).current()
        plan = current.filter(name=asked.validated_data["plan"]).first()
        if plan is None:
            raise exceptions.NotFound(f"There is no plan {asked.validated_data['plan']!r}.")
        run = runs.request(plan, cause="asked for by hand", by=user_of(request))
        freshness.ring("analysis.execute", str(run.pk))
        where = request.build_absolute_uri(f"{request.path.rstrip('/')}/{run.pk}")
        headers = {"Location": where, "Retry-After": POLL_SECONDS}
        return Response(results.status_of(run), status=status.HTTP_202_ACCEPTED, headers=headers)

    @extend_schema(responses=serializers.RunSerializer)
    def retrieve(self, request: Request, pk: str = "") -> HttpResponseBase:
        """What a run is, and while it works, how far it is."""
        return self._tell(get_object_or_404(self._known().values("pk", *VERSION), pk=pk))

    @extend_schema(
        parameters=[OpenApiParameter("plan", OpenApiTypes.STR, required=True)],
        responses={200: serializers.RunSerializer, 404: PROBLEM},
        filters=False,
    )
    @action(detail=False, renderer_classes=JSON_ONLY, filterset_class=None, pagination_class=None)
    def latest(self, request: Request) -> HttpResponseBase:
        """The newest published run of a plan that you may see."""
        asked = serializers.LatestQuery(data=request.query_params)
        asked.is_valid(raise_exception=True)
        published = Run.objects.visible_to(request.user).published()
        ours = published.filter(plan__name=asked.validated_data["plan"]).order_by("-published_at")
        newest = ours.values("pk", *VERSION).first()
        if newest is None:
            raise exceptions.NotFound(
                f"Plan {asked.validated_data['plan']!r} has no run yet that you can see."
            )
        return self._tell(newest)

    def _known(self) -> QuerySet[Run]:
        """Runs whose progress the caller may follow, their own unreleased ones too."""
        return Run.objects.open_to(self.request.user, "R")

    def _tell(self, version: dict[str, Any]) -> HttpResponseBase:
        etag = self.etag(*release_rules(), list(version.values()))
        if conditional.not_modified(self.request, etag):
            answer: HttpResponseBase = conditional.unchanged(etag)
        else:
            answer = Response(self._facts(version["pk"]), headers={"ETag": etag})
        if version["state"] in WORKING:
            answer["Retry-After"] = POLL_SECONDS
        return answer

    def _facts(self, run_id: Any) -> dict[str, Any]:
        user = self.request.user
        wide = Run.objects.visible_to(user).select_related("plan", "snapshot").defer(*BIG)
        run = wide.filter(pk=run_id).first() if access.reach(user, "released_result") else None
        if run is not None:
            return results.facts_for(run, user)
        return results.status_of(self._known().select_related("plan").get(pk=run_id))
