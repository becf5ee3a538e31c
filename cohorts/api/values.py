"""The values of a batch over HTTP, as a stream."""

from __future__ import annotations

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import exceptions
from rest_framework.decorators import action
from rest_framework.request import Request

from cohorts.api import conditional, parquet
from cohorts.api.batches import BatchesViewSet
from cohorts.api.renderers import CsvRenderer, ParquetRenderer
from cohorts.api.streaming import csv_of_batches
from cohorts.api.whole_lists import streamed
from cohorts.models import AssayRow
from cohorts.requests import user_of
from cohorts.services.batches import batch_values

FORMS = {
    (200, renderer.media_type): OpenApiTypes.BINARY for renderer in (CsvRenderer, ParquetRenderer)
}
SAMPLE_TYPE = OpenApiParameter(
    "sample_type", enum=AssayRow.Type.values, description="rows of this kind alone; all without it"
)


class BatchValuesViewSet(BatchesViewSet):
    """What was measured together: one run of a platform at a site."""

    verbs = {**BatchesViewSet.verbs, "values": "R"}

    def resource_of(self, action: str) -> str:
        return "row_values" if action == "values" else super().resource_of(action)

    @extend_schema(responses=FORMS, parameters=[SAMPLE_TYPE])
    @action(detail=True, renderer_classes=[CsvRenderer, ParquetRenderer])
    def values(self, request: Request, pk: str) -> HttpResponseBase:
        """Every value as the site sent it, a row a sample: CSV or Parquet, of any size.

        Who reads them is written down.
        """
        sample_type = request.query_params.get("sample_type", "")
        if sample_type not in ("", *AssayRow.Type.values):
            words = f"Write one of {', '.join(AssayRow.Type.values)}, or leave it out for all."
            raise exceptions.ValidationError({"sample_type": words})
        batch = self.get_object()
        rows = AssayRow.objects.visible_to(request.user).filter(batch=batch)
        etag = self._version([*conditional.page_version([batch]), conditional.version_of(rows)])
        if conditional.not_modified(request, etag):
            return conditional.unchanged(etag)
        form = request.accepted_renderer.format
        found = batch_values.read(batch, by=user_of(request), sample_type=sample_type)
        if form == "csv":
            pieces = csv_of_batches(found.names, found.for_csv())
        else:
            pieces = parquet.stream(found.schema, found.for_parquet())
        return streamed(pieces, form, f"batch-{batch.pk}", etag)
