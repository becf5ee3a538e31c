"""What published runs concluded, over HTTP: tables and documents past the disclosure rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import pandas as pd
import pyarrow as pa
from django.http import HttpResponseBase, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import exceptions, renderers, status
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from analysis.api import polling, result_streams
from analysis.api.result_query import (
    CLASS,
    FEATURE,
    FIELDS,
    P_BELOW,
    PAGES,
    Q_BELOW,
    SITE,
    STRATUM,
    VERDICT,
    Page,
    ResultQuery,
)
from analysis.models import Run, RunDocument, RunTable
from analysis.serializers import further as serializers_further
from analysis.serializers import results as result_rows
from analysis.serializers import runs as serializers
from analysis.serializers.claims import VerdictRow
from analysis.serializers.fields import Fields
from analysis.services import changes, crates, pruning, refusals, release, results
from analysis.services.run_versions import marked, release_rules
from cohorts.api import conditional, whole_lists
from cohorts.api.base import RecordViewSet
from cohorts.api.renderers import records_of
from cohorts.api.streaming import FORMATS

JSON_ONLY = [renderers.JSONRenderer]
# What each table may be asked by; anything else is refused, not left out of account.
EVERY = (FEATURE, CLASS, STRATUM, P_BELOW, FIELDS, *PAGES)
EFFECTS, POOLED, ONE_STAGE = (*EVERY, SITE), (*EVERY, Q_BELOW), EVERY
MODERATED, CLAIMS = (*EVERY, SITE, Q_BELOW), (STRATUM, VERDICT, FIELDS)


class ZipRenderer(renderers.BaseRenderer):
    """A file of bytes as it is; an error stays a JSON problem."""

    media_type, format, charset, render_style = "application/zip", "zip", None, "binary"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        response = dict(renderer_context or {}).get("response")
        if response is not None and response.exception:
            problem: bytes = renderers.JSONRenderer().render(
                data, None, dict(renderer_context or {})
            )
            return problem
        return bytes(data)


class QueriesStopped(exceptions.APIException):
    """An analyst asked too often for what is hidden."""

    status_code = status.HTTP_429_TOO_MANY_REQUESTS
    default_code = "too_many_refusals"
    default_detail = (
        f"{refusals.A_DAY} questions of yours today were for numbers that are hidden; results are "
        "closed to this account until tomorrow. Ask the consortium's data manager if you need them."
    )

    @property
    def wait(self) -> float:
        return refusals.seconds_left_today()


def _marked(answer: HttpResponseBase, run: Run) -> HttpResponseBase:
    """The answer with its run and the rules that it passed, whatever its form."""
    rules, k = release_rules()
    answer["X-Run"], answer["X-Release-Rules"], answer["X-Disclosure-K"] = (
        str(run.pk),
        str(rules),
        str(k),
    )
    return answer


def _n_hidden(rows: pd.DataFrame) -> int:
    return int(rows["reason"].isin(release.HIDDEN).sum())


class PublishedResults(RecordViewSet):
    """Tables and documents of a published run."""

    def _published(self) -> Any:
        visible = Run.objects.visible_to(self.request.user).published().select_related("plan")
        found = marked(visible)
        found = found.defer("left_out", "summary", "libraries", "plan__data")
        return get_object_or_404(found, pk=self.kwargs["pk"])

    def _result(
        self, make: Callable[[Run], Any], *more: Callable[[Run], object]
    ) -> HttpResponseBase:
        """An answer that never changes while the run and the caller's view stay as they are."""
        if refusals.stopped(self.request.user):
            raise QueriesStopped
        run = self._published()
        mark = ":".join([run.mark, *(str(each(run)) for each in more)])
        etag = polling.etag(self.request, conditional.standing_of(self.request.user), mark)
        if conditional.not_modified(self.request, etag):
            return _marked(conditional.unchanged(etag), run)
        try:
            made = make(run)
        except (RunTable.DoesNotExist, RunDocument.DoesNotExist) as error:
            raise exceptions.NotFound(pruning.words(run) or None) from error
        if isinstance(made, HttpResponseBase):
            made["ETag"] = etag
            return _marked(made, run)
        return _marked(Response(made, headers={"ETag": etag}), run)

    def _table(
        self, name: str, row: type[Fields], takes: Sequence[OpenApiParameter]
    ) -> HttpResponseBase:
        query = ResultQuery.of(self.request.query_params, list(row().fields), takes)
        page = Page.of(self.request.query_params)
        following: list[str | None] = []

        def made(run: Run) -> Any:
            if page.is_everything and self._form in FORMATS:
                return self._stream(run, name, row, query)
            stored = results.table_for(run, name, self.request.user)
            # A run of earlier code lacks the columns that came later: they are null.
            rows = query.rows(stored.reindex(columns=list(row().fields)))
            shown = query.columns(self._counted(rows, query))
            following.append(page.following(shown))
            return result_streams.counted(page.rows(shown))

        answer = self._result(made, *([lambda _: query.rests_on()] if query.rests_on() else []))
        if self._form != "json":
            filename = f"{self.kwargs['pk']}-{name}.{self._form}"
            answer["Content-Disposition"] = f'attachment; filename="{filename}"'
        if following and following[0]:
            address = self.request.build_absolute_uri()
            link = replace_query_param(address, "cursor", following[0])
            answer["Link"] = f'<{link}>; rel="next"'
        return answer

    @property
    def _form(self) -> str:
        return str(self.request.accepted_renderer.format)

    def _stream(
        self, run: Run, name: str, row: type[Fields], query: ResultQuery
    ) -> StreamingHttpResponse:
        """The whole table as a file, however long."""
        schema = whole_lists.schema_of(row().fields)
        schema = pa.schema([schema.field(each) for each in query.fields or schema.names])
        found = results.pieces_for(run, name, self.request.user)
        pieces = self._picked(chain([next(found)], found), query, list(row().fields))
        write = result_streams.csv if self._form == "csv" else result_streams.parquet
        return StreamingHttpResponse(write(pieces, schema), content_type=FORMATS[self._form])

    def _picked(
        self, pieces: Iterable[pd.DataFrame], query: ResultQuery, columns: list[str]
    ) -> Iterator[pd.DataFrame]:
        n_rows = n_hidden = 0
        for piece in pieces:
            rows = query.rows(piece.reindex(columns=columns))
            n_rows, n_hidden = n_rows + len(rows), n_hidden + _n_hidden(rows)
            yield query.columns(rows)
        if query.picks and 0 < n_rows == n_hidden:
            refusals.note(self.request.user, self.request.get_full_path())

    def _counted(self, frame: pd.DataFrame, query: ResultQuery) -> pd.DataFrame:
        """The rows; a question for some of them that gets hidden ones alone is a refusal."""
        if query.picks and 0 < len(frame) == _n_hidden(frame):
            refusals.note(self.request.user, self.request.get_full_path())
        return frame

    @extend_schema(
        parameters=[*EFFECTS],
        responses=result_rows.EffectRow(many=True),
        filters=False,
    )
    @action(detail=True, filterset_class=None, pagination_class=None)
    def effects(self, request: Request, pk: str = "") -> HttpResponseBase:
        """Effects by stratum, feature and site."""
        return self._table("effects", result_rows.EffectRow, EFFECTS)

    @extend_schema(
        parameters=[*POOLED],
        responses=result_rows.PooledRow(many=True),
        filters=False,
    )
    @action(detail=True, filterset_class=None, pagination_class=None)
    def pooled(self, request: Request, pk: str = "") -> HttpResponseBase:
        """Effects pooled over the sites."""
        return self._table("pooled", result_rows.PooledRow, POOLED)

    @extend_schema(
        parameters=[*ONE_STAGE],
        responses=result_rows.OneStageRow(many=True),
        filters=False,
    )
    @action(detail=True, url_path="one-stage", filterset_class=None, pagination_class=None)
    def one_stage(self, request: Request, pk: str = "") -> HttpResponseBase:
        """One mixed model over all sites beside the pooled effects, where the plan asks for it."""
        return self._table("one_stage", result_rows.OneStageRow, ONE_STAGE)

    @extend_schema(
        parameters=[*ONE_STAGE],
        responses=serializers_further.SensitivityRow(many=True),
        filters=False,
    )
    @action(detail=True, filterset_class=None, pagination_class=None)
    def sensitivity(self, request: Request, pk: str = "") -> HttpResponseBase:
        """Pooled effects under every combination of changes, where the plan asks for them."""
        return self._table("sensitivity", serializers_further.SensitivityRow, ONE_STAGE)

    @extend_schema(
        parameters=[*MODERATED],
        responses=serializers_further.ModeratedRow(many=True),
        filters=False,
    )
    @action(detail=True, filterset_class=None, pagination_class=None)
    def moderated(self, request: Request, pk: str = "") -> HttpResponseBase:
        """The sites' effects with variances that borrow strength, where the plan asks for them."""
        return self._table("moderated", serializers_further.ModeratedRow, MODERATED)

    @extend_schema(
        parameters=[*CLAIMS],
        responses=VerdictRow(many=True),
        filters=False,
    )
    @action(detail=True, filterset_class=None, pagination_class=None)
    def claims(self, request: Request, pk: str = "") -> HttpResponseBase:
        """The run's verdict on each claim and stratum."""
        columns = list(VerdictRow().fields)
        query = ResultQuery.of(request.query_params, columns, CLAIMS)

        def made(run: Run) -> Any:
            rows = results.verdicts_for(run, request.user)
            # A run that judged no claim still has the columns that may be asked for.
            told = pd.DataFrame(rows, columns=None if rows else columns, dtype=object)
            return records_of(query.columns(query.rows(told)))

        return self._result(made)

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True, renderer_classes=JSON_ONLY)
    def harmonisation(self, request: Request, pk: str = "") -> HttpResponseBase:
        """What ComBat changed, or why it refused; and how each site handled its blood."""
        return self._result(lambda run: results.document_for(run, "harmonisation", request.user))

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True, renderer_classes=JSON_ONLY)
    def classifier(self, request: Request, pk: str = "") -> HttpResponseBase:
        """Case against control, each site judged by a model that saw nothing of it."""
        return self._result(lambda run: results.document_for(run, "classifier", request.user))

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True, renderer_classes=JSON_ONLY)
    def severity(self, request: Request, pk: str = "") -> HttpResponseBase:
        """How well severity is predicted at sites that were left out."""
        return self._result(lambda run: results.document_for(run, "severity", request.user))

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True, renderer_classes=JSON_ONLY)
    def nested(self, request: Request, pk: str = "") -> HttpResponseBase:
        """A tuned forest against penalised logistic regression, where the plan asks for them."""
        return self._result(lambda run: results.document_for(run, "nested", request.user))

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True, renderer_classes=JSON_ONLY)
    def transport(self, request: Request, pk: str = "") -> HttpResponseBase:
        """A model frozen without a site and taken there, where the plan asks for it."""
        return self._result(lambda run: results.document_for(run, "transport", request.user))

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True, renderer_classes=JSON_ONLY)
    def languages(self, request: Request, pk: str = "") -> HttpResponseBase:
        """Whether language versions of the outcome ask the same, where the plan asks."""
        return self._result(lambda run: results.document_for(run, "languages", request.user))

    @extend_schema(responses=serializers.RunChanges)
    @action(detail=True, renderer_classes=JSON_ONLY)
    def changes(self, request: Request, pk: str = "") -> HttpResponseBase:
        """What is new since the previous published run of the plan that you may see."""
        return self._result(
            lambda run: changes.changes_for(
                Run.objects.select_related("plan", "snapshot").get(pk=run.pk),
                changes.previous_for(run, request.user),
                request.user,
            ),
            lambda run: getattr(changes.previous_for(run, request.user), "pk", None),
        )

    @extend_schema(responses={(200, "application/zip"): OpenApiTypes.BINARY})
    @action(detail=True, renderer_classes=[ZipRenderer])
    def crate(self, request: Request, pk: str = "") -> HttpResponseBase:
        """The run as an RO-Crate: files with their digests, and the provenance of each step."""

        def made(run: Run) -> bytes:
            whole = Run.objects.select_related("plan__study", "snapshot").get(pk=run.pk)
            return crates.zipped(whole, request.user)

        answer = self._result(made)
        answer["Content-Disposition"] = f'attachment; filename="run-{pk}.crate.zip"'
        return answer
