"""Plans and claims over HTTP: each method parses, calls one service, renders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.http import HttpResponse
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from analysis.api.result_query import STRATUM, VERDICT, refuse_no_verdict, text_parameter
from analysis.models import Claim, Plan, Run
from analysis.serializers import claims as serializers
from analysis.services import histories, plan_locks, told_verdicts
from analysis.services.run_versions import marked, release_rules
from cohorts.api import conditional
from cohorts.api.base import RecordViewSet, ScopedViewSet
from cohorts.api.filters import FilterSet
from cohorts.requests import user_of

PLAN_NAME = text_parameter("plan", "verdicts of this plan's newest run only", "kyushu-2022")
Rows = Iterable[dict[str, Any]]


class PlanFilter(FilterSet):
    name = filters.CharFilter()
    followed = filters.BooleanFilter()


class PlanViewSet(RecordViewSet):
    """Analysis plans; an edit is a new version."""

    verbs = {**RecordViewSet.verbs, "lock": "A"}

    queryset = Plan.objects.none()
    serializer_class = serializers.PlanSerializer
    filterset_class = PlanFilter
    related = ("study",)

    @extend_schema(request=None, responses=serializers.PlanSerializer)
    @action(detail=True, methods=["post"], filterset_class=None, pagination_class=None)
    def lock(self, request: Request, pk: str = "") -> Response:
        """Preregister this version: its day and digest stay for ever, and it cannot change."""
        plan = plan_locks.lock(self.get_object().pk, by=user_of(request))
        return Response(self.get_serializer(plan).data)


class ClaimViewSet(ScopedViewSet):
    """Published statements, with what the newest run that you may see says of each."""

    queryset = Claim.objects.none()
    serializer_class = serializers.ClaimSerializer
    lookup_field = "code"
    verbs = {**ScopedViewSet.verbs, "history": "R"}
    filter_backends = []
    pagination_class = None

    @extend_schema(
        parameters=[
            PLAN_NAME,
            STRATUM,
            VERDICT,
        ],
        responses=serializers.StandingRow(many=True),
    )
    def list(self, request: Request) -> Response | HttpResponse:
        """A row a claim and stratum."""
        standing = told_verdicts.standing_runs(request.user, self._plan())
        etag = self._version(standing)
        if conditional.not_modified(request, etag):
            return conditional.unchanged(etag)
        rows = told_verdicts.standing_for(self.get_queryset(), standing, request.user)
        return Response(self._chosen(rows), headers={"ETag": etag})

    @extend_schema(responses=serializers.ClaimWithVerdicts)
    def retrieve(self, request: Request, code: str) -> Response | HttpResponse:
        """One claim, its source, and its standing verdict in each stratum."""
        claim = self.get_object()
        standing = told_verdicts.standing_runs(request.user, self._plan())
        etag = self._version(standing)
        if conditional.not_modified(request, etag):
            return conditional.unchanged(etag)
        verdicts = told_verdicts.standing_for([claim], standing, request.user)
        told = self.get_serializer(claim).data | {"verdicts": verdicts}
        return Response(told, headers={"ETag": etag})

    @extend_schema(
        parameters=[text_parameter("plan", "runs of this plan only"), STRATUM, VERDICT],
        responses=serializers.HistoryRow(many=True),
    )
    @action(detail=True)
    def history(self, request: Request, code: str) -> Response | HttpResponse:
        """What each run that you may see said of the claim, the newest first."""
        claim, plan = self.get_object(), self._plan()
        seen = histories.runs_for(claim, request.user, plan)
        etag = self._version({run.pk: run for run in seen})
        if conditional.not_modified(request, etag):
            return conditional.unchanged(etag)
        rows = histories.history_for(claim, seen, request.user)
        return Response(self._chosen(rows), headers={"ETag": etag})

    def _chosen(self, rows: Rows) -> Rows:
        asked = self.request.query_params
        refuse_no_verdict(asked)
        wanted = {name: asked[name] for name in ("stratum", "verdict") if name in asked}
        return [row for row in rows if all(row[name] == wanted[name] for name in wanted)]

    def _plan(self) -> str:
        asked = serializers.LatestQuery(data=self.request.query_params, partial=True)
        asked.is_valid(raise_exception=True)
        return str(asked.validated_data.get("plan", ""))

    def _version(self, standing: Mapping[Any, Run]) -> str:
        """Moves with the registry, and with what each run's own answers rest on."""
        told = marked(Run.objects.filter(pk__in=[run.pk for run in standing.values()]))
        return self.etag(
            conditional.version_of(self.get_queryset()),
            *release_rules(),
            list(told.order_by("pk").values_list("mark", "released_at")),
        )
