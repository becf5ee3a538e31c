"""Plans, runs, results and claims over HTTP: each method parses, calls one service, renders."""

from __future__ import annotations

import math

from django.conf import settings
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import exceptions, renderers, status
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.response import Response

from analysis import serializers
from analysis.models import Claim, Plan, Run, RunDocument, RunTable
from analysis.services import freshness, refusals, release, results, runs
from cohorts import access, conditional
from cohorts.api_base import RecordViewSet, ScopedViewSet
from cohorts.renderers import records_of

PROBLEM = OpenApiResponse(OpenApiTypes.OBJECT, "A problem (RFC 9457).")
POLL_SECONDS = "2"
WORKING = (Run.State.QUEUED, Run.State.RUNNING)
# Columns of a run that its answers rest on; snapshots hold every participant's number.
VERSION = ("state", "step", "share_done", "published_at", "released_at", "held_because", "same_as")
BIG = ("snapshot__participant_ids", "snapshot__assay_row_ids", "snapshot__assessment_ids")
JSON_ONLY = [renderers.JSONRenderer]


class QueriesStopped(exceptions.APIException):
    """An analyst asked too often for what is hidden."""

    status_code = status.HTTP_429_TOO_MANY_REQUESTS
    default_code = "too_many_refusals"
    default_detail = (
        f"{refusals.A_DAY} questions of yours today were for numbers that are hidden; results are "
        "closed to this account until tomorrow. Ask the consortium's data manager if you need them."
    )

    @property
    def wait(self):
        return refusals.seconds_left_today()


def _rules():
    """By what it is decided what is shown: a part of every ETag."""
    return release.RELEASE_RULES_VERSION, settings.DISCLOSURE_K


def _marked(answer, run):
    """The answer with its run and the rules that it passed, whatever its form."""
    rules, k = _rules()
    answer["X-Run"], answer["X-Release-Rules"], answer["X-Disclosure-K"] = str(run.pk), rules, k
    return answer


class PlanFilter(filters.FilterSet):
    name = filters.CharFilter()
    followed = filters.BooleanFilter()


class PlanViewSet(RecordViewSet):
    """Analysis plans; an edit is a new version."""

    queryset = Plan.objects.none()
    serializer_class = serializers.PlanSerializer
    filterset_class = PlanFilter
    related = ("study",)


class RunFilter(filters.FilterSet):
    plan = filters.CharFilter(field_name="plan__name")
    state = filters.ChoiceFilter(choices=Run.State.choices)
    since = filters.IsoDateTimeFilter(field_name="queued_at", lookup_expr="gte")


def _text(name, what):
    return OpenApiParameter(name, OpenApiTypes.STR, description=what)


FEATURE = _text("feature", "canonical name")
STRATUM = _text("stratum", "all, men or women")
SITE = _text("site", "code of the site")
P_BELOW = OpenApiParameter("p_below", OpenApiTypes.FLOAT, description="rows with a smaller p")
Q_BELOW = OpenApiParameter("q_below", OpenApiTypes.FLOAT, description="rows with a smaller q")


class RunViewSet(RecordViewSet):
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

    def resource_of(self, action):
        """How far a run is may be read more widely than what it concluded."""
        progress = ("list", "retrieve", "create", "metadata")
        return "run" if action in progress else "released_result"

    def get_serializer(self, *args, **kwargs):
        """Pages say how far each run is."""
        if args and kwargs.get("many"):
            args = ([results.status_of(run) for run in args[0]],)
        return super().get_serializer(*args, **kwargs)

    @extend_schema(
        request=serializers.NewRunSerializer,
        responses={202: serializers.RunStatusSerializer},
    )
    def create(self, request):
        """Run a plan now. Poll the address in Location; it says when to come back."""
        asked = serializers.NewRunSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        current = Plan.objects.visible_to(request.user).current()
        plan = current.filter(name=asked.validated_data["plan"]).first()
        if plan is None:
            raise exceptions.NotFound(f"There is no plan {asked.validated_data['plan']!r}.")
        run = runs.request(plan, cause="asked for by hand", by=request.user)
        freshness.ring("analysis.execute", str(run.pk))
        where = request.build_absolute_uri(f"{request.path.rstrip('/')}/{run.pk}")
        headers = {"Location": where, "Retry-After": POLL_SECONDS}
        return Response(results.status_of(run), status=status.HTTP_202_ACCEPTED, headers=headers)

    @extend_schema(responses=serializers.RunSerializer)
    def retrieve(self, request, pk=None):
        """What a run is, and while it works, how far it is."""
        return self._tell(get_object_or_404(self._known().values("pk", *VERSION), pk=pk))

    @extend_schema(
        parameters=[OpenApiParameter("plan", OpenApiTypes.STR, required=True)],
        responses={200: serializers.RunSerializer, 404: PROBLEM},
        filters=False,
    )
    @action(detail=False, renderer_classes=JSON_ONLY, filterset_class=None, pagination_class=None)
    def latest(self, request):
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

    def _known(self):
        """Runs whose progress the caller may follow, their own unreleased ones too."""
        return Run.objects.open_to(self.request.user, "R")

    def _tell(self, version):
        etag = self.etag(*_rules(), list(version.values()))
        if conditional.not_modified(self.request, etag):
            answer = conditional.unchanged(etag)
        else:
            answer = Response(self._facts(version["pk"]), headers={"ETag": etag})
        if version["state"] in WORKING:
            answer["Retry-After"] = POLL_SECONDS
        return answer

    def _facts(self, run_id):
        user = self.request.user
        wide = Run.objects.visible_to(user).select_related("plan", "snapshot").defer(*BIG)
        run = wide.filter(pk=run_id).first() if access.reach(user, "released_result") else None
        if run is not None:
            return results.facts_for(run, user)
        return results.status_of(self._known().select_related("plan").get(pk=run_id))

    # --- what a published run concluded

    def _published(self):
        found = Run.objects.visible_to(self.request.user).published().select_related("plan")
        found = found.defer("left_out", "summary", "libraries", "plan__data")
        return get_object_or_404(found, pk=self.kwargs["pk"])

    def _result(self, make, *more):
        """An answer that never changes while the run and the caller's view stay as they are."""
        if refusals.stopped(self.request.user):
            raise QueriesStopped
        run = self._published()
        # With the caller's roles, which every ETag holds, k decides what is shown.
        rests_on = (run.pk, run.published_at, run.released_at, *_rules())
        etag = self.etag(*rests_on, *(each(run) for each in more))
        if conditional.not_modified(self.request, etag):
            return _marked(conditional.unchanged(etag), run)
        try:
            made = make(run)
        except (RunTable.DoesNotExist, RunDocument.DoesNotExist) as error:
            raise exceptions.NotFound from error
        return _marked(Response(made, headers={"ETag": etag}), run)

    def _table(self, name):
        self._check_filters()
        answer = self._result(
            lambda run: self._rendered(
                self._counted(self._chosen(results.table_for(run, name, self.request.user)))
            )
        )
        if self.request.accepted_renderer.format != "json":
            filename = f"{self.kwargs['pk']}-{name}.{self.request.accepted_renderer.format}"
            answer["Content-Disposition"] = f'attachment; filename="{filename}"'
        return answer

    def _rendered(self, frame):
        counts = [name for name in frame.columns if name.startswith("n_")]
        typed = frame.astype(dict.fromkeys(counts, "Int64"))
        return records_of(typed) if self.request.accepted_renderer.format == "json" else typed

    def _check_filters(self):
        for name in ("p_below", "q_below"):
            if name in self.request.query_params:
                self._limit(name)

    def _limit(self, name):
        try:
            limit = float(self.request.query_params[name])
        except ValueError:
            limit = math.nan
        if not 0 <= limit <= 1:
            raise exceptions.ValidationError({name: "A number from 0 to 1, such as 0.05."})
        return limit

    def _chosen(self, frame):
        """Rows that the query asks for, after the disclosure rules and never before."""
        asked = self.request.query_params
        for name in ("feature", "stratum", "site"):
            if name in asked and name in frame:
                frame = frame[frame[name].str.casefold() == asked[name].casefold()]
        for name in ("p", "q"):
            if f"{name}_below" in asked and name in frame:
                frame = frame[frame[name] < self._limit(f"{name}_below")]
        return frame.reset_index(drop=True)

    def _counted(self, frame):
        """The rows; a question for some of them that gets hidden ones alone is a refusal."""
        asked = {"feature", "stratum", "site"} & set(self.request.query_params)
        if asked and len(frame) and (frame["reason"] == release.HIDDEN).all():
            refusals.note(self.request.user, self.request.get_full_path())
        return frame

    @extend_schema(
        parameters=[FEATURE, STRATUM, SITE, P_BELOW],
        responses=serializers.EffectRow(many=True),
        filters=False,
    )
    @action(detail=True, filterset_class=None, pagination_class=None)
    def effects(self, request, pk=None):
        """Effects by stratum, feature and site."""
        return self._table("effects")

    @extend_schema(
        parameters=[FEATURE, STRATUM, P_BELOW, Q_BELOW],
        responses=serializers.PooledRow(many=True),
        filters=False,
    )
    @action(detail=True, filterset_class=None, pagination_class=None)
    def pooled(self, request, pk=None):
        """Effects pooled over the sites."""
        return self._table("pooled")

    @extend_schema(responses=serializers.VerdictRow(many=True), filters=False)
    @action(detail=True, filterset_class=None, pagination_class=None)
    def claims(self, request, pk=None):
        """The run's verdict on each claim and stratum."""
        return self._result(lambda run: results.verdicts_for(run, request.user))

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True, renderer_classes=JSON_ONLY)
    def harmonisation(self, request, pk=None):
        """What ComBat changed, or why it refused; and how each site handled its blood."""
        return self._result(lambda run: results.document_for(run, "harmonisation", request.user))

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True, renderer_classes=JSON_ONLY)
    def classifier(self, request, pk=None):
        """Case against control, each site left out in turn."""
        return self._result(lambda run: results.document_for(run, "classifier", request.user))

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True, renderer_classes=JSON_ONLY)
    def severity(self, request, pk=None):
        """How well severity is predicted at sites that were left out."""
        return self._result(lambda run: results.document_for(run, "severity", request.user))

    @extend_schema(responses=serializers.RunChanges)
    @action(detail=True, renderer_classes=JSON_ONLY)
    def changes(self, request, pk=None):
        """What is new since the previous published run of the plan that you may see."""
        return self._result(
            lambda run: results.changes_for(
                Run.objects.select_related("plan", "snapshot").get(pk=run.pk),
                results.previous_for(run, request.user),
                request.user,
            ),
            lambda run: getattr(results.previous_for(run, request.user), "pk", None),
        )


class ClaimViewSet(ScopedViewSet):
    """Published statements, with what the newest run that you may see says of each."""

    queryset = Claim.objects.none()
    serializer_class = serializers.ClaimSerializer
    lookup_field = "code"
    filter_backends = []
    pagination_class = None

    @extend_schema(
        parameters=[_text("plan", "verdicts of this plan's newest run only"), STRATUM],
        responses=serializers.StandingRow(many=True),
    )
    def list(self, request):
        """A row a claim and stratum."""
        standing = results.standing_runs(request.user, self._plan())
        etag = self._version(standing)
        if conditional.not_modified(request, etag):
            return conditional.unchanged(etag)
        rows = results.standing_for(self.get_queryset(), standing, request.user)
        stratum = request.query_params.get("stratum")
        shown = [row for row in rows if stratum in (None, row["stratum"])]
        return Response(shown, headers={"ETag": etag})

    @extend_schema(responses=serializers.ClaimWithVerdicts)
    def retrieve(self, request, code=None):
        """One claim, its source, and its standing verdict in each stratum."""
        claim = self.get_object()
        standing = results.standing_runs(request.user, self._plan())
        etag = self._version(standing)
        if conditional.not_modified(request, etag):
            return conditional.unchanged(etag)
        verdicts = results.standing_for([claim], standing, request.user)
        told = self.get_serializer(claim).data | {"verdicts": verdicts}
        return Response(told, headers={"ETag": etag})

    def _plan(self):
        asked = serializers.LatestQuery(data=self.request.query_params, partial=True)
        asked.is_valid(raise_exception=True)
        return asked.validated_data.get("plan", "")

    def _version(self, standing):
        return self.etag(
            conditional.version_of(self.get_queryset()),
            *_rules(),
            [(run.pk, run.published_at, run.released_at) for run in standing.values()],
        )
