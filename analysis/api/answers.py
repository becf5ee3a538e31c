"""Answers about a published run: marked with it, conditional, in pages or as a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import pandas as pd
import pyarrow as pa
from django.http import HttpResponseBase, StreamingHttpResponse
from rest_framework import exceptions, status
from rest_framework.generics import get_object_or_404
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from analysis.api import polling, result_streams
from analysis.api.result_query import Page, ResultQuery
from analysis.models import Run, RunDocument, RunTable
from analysis.serializers.fields import Fields
from analysis.services import pruning, refusals, release, results
from analysis.services.run_versions import marked, release_rules
from cohorts.api import conditional, whole_lists
from cohorts.api.base import RecordViewSet
from cohorts.api.streaming import FORMATS


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


class ResultAnswers(RecordViewSet):
    """How what a published run concluded is answered, whichever table or document it is."""

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

    def _table(self, name: str, row: type[Fields]) -> HttpResponseBase:
        query = ResultQuery.of(self.request.query_params, list(row().fields))
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
