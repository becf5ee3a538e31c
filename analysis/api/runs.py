"""Runs over HTTP: started, followed, and found by their plan."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponseBase
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiResponse,
    extend_schema,
)
from rest_framework import exceptions, status
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from analysis.api import polling
from analysis.api.polling import POLL_SECONDS
from analysis.api.renderings import JSON_ONLY
from analysis.api.result_query import text_parameter
from analysis.api.results import PublishedResults
from analysis.models import Plan, Run
from analysis.serializers import runs as serializers
from analysis.serializers.claims import LatestQuery
from analysis.services import freshness, progress, queue, results, runs, waiting
from analysis.services.disclosure import releasing
from analysis.services.run_versions import is_working, marked, newest_of_plan
from cohorts import access
from cohorts.api import conditional
from cohorts.api.base import RecordViewSet, fields_sent
from cohorts.api.filters import FilterSet
from cohorts.language.sentences import say
from cohorts.requests import user_of

PLAN = "kyushu-2022"  # in examples
PROBLEM = OpenApiResponse(OpenApiTypes.OBJECT, "A problem (RFC 9457).")
# Snapshots hold every participant's number.
BIG = ("snapshot__participant_ids", "snapshot__assay_row_ids", "snapshot__assessment_ids")


class RunFilter(FilterSet):
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
        "crate": "X",
        "one_stage": "R",
        "sensitivity": "R",
        "moderated": "R",
        "nested": "R",
        "transport": "R",
        "languages": "R",
        "cancel": "W",
        "priority": "U",
        "release": "U",
    }

    def resource_of(self, action: str) -> str:
        """How far a run is may be read more widely than what it concluded."""
        on_the_way = ("list", "retrieve", "create", "metadata", "cancel", "priority", "release")
        return "run" if action in on_the_way else "released_result"

    def also_rests_on(self) -> list[object]:
        """A newer run supersedes those before it."""
        return [*sorted(map(str, self._newest().values()))]

    def _newest(self) -> dict[str, datetime]:
        return progress.newest_of_plans(self.request.user)

    def _status(self, run: Run) -> dict[str, Any]:
        return results.status_of(run) | {"standing": progress.standing(run, self._newest())}

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """Pages say how far each run is."""
        if args and kwargs.get("many"):
            newest = self._newest()
            rows = [
                results.status_of(run) | {"standing": progress.standing(run, newest)}
                for run in args[0]
            ]
            args = (rows,)
        return super().get_serializer(*args, **kwargs)

    @extend_schema(
        request=serializers.NewRunSerializer,
        examples=[OpenApiExample("A plan", value={"plan": PLAN}, request_only=True)],
        responses={202: serializers.RunStatusSerializer},
    )
    def create(self, request: Request) -> Response:
        """Run a plan now. Poll the address in Location; it says when to come back."""
        asked = fields_sent(serializers.NewRunSerializer, request)
        current = Plan.objects.visible_to(request.user).newest_versions()
        plan = current.filter(name=asked["plan"]).first()
        if plan is None:
            raise exceptions.NotFound(f"There is no plan {asked['plan']!r}.")
        run = runs.request(plan, cause=say("asked for by hand"), by=user_of(request))
        freshness.ring("analysis.execute", str(run.pk))
        where = request.build_absolute_uri(f"{request.path.rstrip('/')}/{run.pk}")
        headers = {"Location": where, "Retry-After": POLL_SECONDS}
        return Response(self._status(run), status=status.HTTP_202_ACCEPTED, headers=headers)

    @extend_schema(request=None, responses=serializers.RunStatusSerializer)
    @action(detail=True, methods=["post"], renderer_classes=JSON_ONLY)
    def cancel(self, request: Request, pk: str = "") -> Response:
        """End a run that waits or computes; it publishes nothing. Your own, or any as manager."""
        run = get_object_or_404(self._known(), pk=pk)
        return Response(self._status(queue.cancel(run.pk, by=user_of(request))))

    @extend_schema(
        request=serializers.PrioritySerializer,
        responses=serializers.RunStatusSerializer,
        examples=[OpenApiExample("Before the others", value={"priority": 1}, request_only=True)],
    )
    @action(detail=True, methods=["post"], renderer_classes=JSON_ONLY)
    def priority(self, request: Request, pk: str = "") -> Response:
        """Put a waiting run before (above 0) or behind (below 0) the others."""
        asked = fields_sent(serializers.PrioritySerializer, request)
        run = get_object_or_404(self._known(), pk=pk)
        placed = queue.prioritise(run.pk, by=user_of(request), **asked)
        return Response(self._status(placed))

    @extend_schema(request=None, responses=serializers.RunStatusSerializer)
    @action(detail=True, methods=["post"], renderer_classes=JSON_ONLY)
    def release(self, request: Request, pk: str = "") -> Response:
        """Release a run whose plan asks for approval, if the disclosure rules allow it now."""
        run = get_object_or_404(self._known(), pk=pk)
        return Response(self._status(releasing.approve(run.pk, by=user_of(request))))

    @extend_schema(
        parameters=[serializers.WaitQuery],
        responses=serializers.RunSerializer,
    )
    def retrieve(self, request: Request, pk: str = "") -> HttpResponseBase:
        """What a run is, and while it works, how far it is.

        With `wait`, the answer comes when the run has moved on, or after so many seconds.
        """
        asked = serializers.WaitQuery(data=request.query_params)
        asked.is_valid(raise_exception=True)
        known = marked(self._known(), among=Run.objects.visible_to(request.user))
        known = known.values_list("pk", "mark")
        run_id, mark = get_object_or_404(known, pk=pk)
        if is_working(mark) and self._holds(mark):
            moved = known.filter(pk=pk).first
            run_id, mark = waiting.until_changed((run_id, mark), moved, asked.seconds) or (pk, mark)
        return self._tell(run_id, mark)

    def _holds(self, mark: str) -> bool:
        """Whether the caller knows this state already: who holds nothing is told at once."""
        standing = conditional.standing_of(self.request.user)
        return conditional.not_modified(self.request, polling.etag(self.request, standing, mark))

    @extend_schema(
        parameters=[text_parameter("plan", "name of the plan", PLAN, required=True)],
        responses={200: serializers.RunSerializer, 404: PROBLEM},
        filters=False,
    )
    @action(detail=False, renderer_classes=JSON_ONLY, filterset_class=None, pagination_class=None)
    def latest(self, request: Request) -> HttpResponseBase:
        """The newest published run of a plan that you may see."""
        asked = LatestQuery(data=request.query_params)
        asked.is_valid(raise_exception=True)
        visible = Run.objects.visible_to(request.user)
        ours = marked(newest_of_plan(visible, asked.validated_data["plan"]))
        newest = ours.values_list("pk", "mark").first()
        if newest is None:
            raise exceptions.NotFound(
                f"Plan {asked.validated_data['plan']!r} has no run yet that you can see."
            )
        return self._tell(*newest)

    def _known(self) -> QuerySet[Run]:
        """Runs whose progress the caller may follow, their own unreleased ones too."""
        return Run.objects.open_to(self.request.user, "R")

    def _tell(self, run_id: uuid.UUID, mark: str) -> HttpResponseBase:
        etag = polling.etag(self.request, conditional.standing_of(self.request.user), mark)
        if conditional.not_modified(self.request, etag):
            answer: HttpResponseBase = conditional.unchanged(etag)
        else:
            answer = Response(self._facts(run_id), headers={"ETag": etag})
        if is_working(mark):
            answer["Retry-After"] = POLL_SECONDS
        return answer

    def _facts(self, run_id: uuid.UUID) -> dict[str, Any]:
        user = self.request.user
        wide = Run.objects.visible_to(user).select_related("plan", "snapshot").defer(*BIG)
        run = wide.filter(pk=run_id).first() if access.reach(user, "released_result") else None
        if run is not None:
            told = results.facts_for(run, user)
            return told | {"standing": progress.standing(run, self._newest())}
        return self._status(self._known().select_related("plan").get(pk=run_id))
