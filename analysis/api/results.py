"""What published runs concluded, over HTTP: tables and documents past the disclosure rules."""

from __future__ import annotations

from typing import Any

import pandas as pd
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request

from analysis.api.answers import ResultAnswers
from analysis.api.renderings import JSON_ONLY, ZipRenderer
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
    ResultQuery,
)
from analysis.models import Run
from analysis.serializers import further as serializers_further
from analysis.serializers import results as result_rows
from analysis.serializers import runs as serializers
from analysis.serializers.claims import VerdictRow
from analysis.services import changes, crates, results, told_verdicts
from cohorts.api.renderers import records_of

# What each table may be asked by.
EVERY = (FEATURE, CLASS, STRATUM, P_BELOW, FIELDS, *PAGES)
EFFECTS, POOLED, ONE_STAGE = (*EVERY, SITE), (*EVERY, Q_BELOW), EVERY
MODERATED, CLAIMS = (*EVERY, SITE, Q_BELOW), (STRATUM, VERDICT, FIELDS)


class PublishedResults(ResultAnswers):
    """Tables and documents of a published run."""

    @extend_schema(
        parameters=[*EFFECTS],
        responses=result_rows.EffectRow(many=True),
        filters=False,
    )
    @action(detail=True, filterset_class=None, pagination_class=None)
    def effects(self, request: Request, pk: str = "") -> HttpResponseBase:
        """Effects by stratum, feature and site."""
        return self._table("effects", result_rows.EffectRow)

    @extend_schema(
        parameters=[*POOLED],
        responses=result_rows.PooledRow(many=True),
        filters=False,
    )
    @action(detail=True, filterset_class=None, pagination_class=None)
    def pooled(self, request: Request, pk: str = "") -> HttpResponseBase:
        """Effects pooled over the sites."""
        return self._table("pooled", result_rows.PooledRow)

    @extend_schema(
        parameters=[*ONE_STAGE],
        responses=result_rows.OneStageRow(many=True),
        filters=False,
    )
    @action(detail=True, url_path="one-stage", filterset_class=None, pagination_class=None)
    def one_stage(self, request: Request, pk: str = "") -> HttpResponseBase:
        """One mixed model over all sites beside the pooled effects, where the plan asks for it."""
        return self._table("one_stage", result_rows.OneStageRow)

    @extend_schema(
        parameters=[*ONE_STAGE],
        responses=serializers_further.SensitivityRow(many=True),
        filters=False,
    )
    @action(detail=True, filterset_class=None, pagination_class=None)
    def sensitivity(self, request: Request, pk: str = "") -> HttpResponseBase:
        """Pooled effects under every combination of changes, where the plan asks for them."""
        return self._table("sensitivity", serializers_further.SensitivityRow)

    @extend_schema(
        parameters=[*MODERATED],
        responses=serializers_further.ModeratedRow(many=True),
        filters=False,
    )
    @action(detail=True, filterset_class=None, pagination_class=None)
    def moderated(self, request: Request, pk: str = "") -> HttpResponseBase:
        """The sites' effects with variances that borrow strength, where the plan asks for them."""
        return self._table("moderated", serializers_further.ModeratedRow)

    @extend_schema(
        parameters=[*CLAIMS],
        responses=VerdictRow(many=True),
        filters=False,
    )
    @action(detail=True, filterset_class=None, pagination_class=None)
    def claims(self, request: Request, pk: str = "") -> HttpResponseBase:
        """The run's verdict on each claim and stratum."""
        columns = list(VerdictRow().fields)
        query = ResultQuery.of(request.query_params, columns)

        def made(run: Run) -> Any:
            rows = told_verdicts.verdicts_for(run, request.user)
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
