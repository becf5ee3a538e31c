"""A whole list as one table: `?rows=all` with CSV or Parquet, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa
from django.db.models import QuerySet, prefetch_related_objects
from django.http import StreamingHttpResponse
from rest_framework import exceptions, serializers
from rest_framework.request import Request

from cohorts import access
from cohorts.api.streaming import FORMATS, csv_of_records, parquet_of_records
from cohorts.models import RecordReading, User

PIECE_ROWS = 1_000
KINDS = (
    (serializers.BooleanField, pa.bool_()),
    (serializers.IntegerField, pa.int64()),
    (serializers.FloatField, pa.float64()),
)


def asked_for(request: Request) -> bool:
    """Whether the whole list is wanted. ValidationError where it cannot be had so."""
    asked = request.query_params.get("rows")
    if asked is None:
        return False
    if asked != "all":
        raise exceptions.ValidationError({"rows": "Write rows=all, or leave it out for a page."})
    if request.accepted_renderer.format not in FORMATS:
        raise exceptions.ValidationError(
            {"rows": "A whole list is sent as CSV or Parquet; JSON comes in pages."}
        )
    return True


def table(
    rows: QuerySet[Any],
    form: str,
    serialise: Callable[[Sequence[Any]], Any],
    *,
    fields: Mapping[str, Any],
    prefetched: Sequence[str],
) -> Iterator[bytes]:
    """The list in pieces of rows; ``serialise`` makes dicts of one piece."""
    pieces = (serialise(piece) for piece in _pieces(rows, prefetched))
    if form == "csv":
        return csv_of_records(list(fields), pieces)
    return parquet_of_records(schema_of(fields), pieces)


def note(user: User, what: str, n_rows: int) -> None:
    """Write down who reads people's records in bulk; reference data are nobody's."""
    if access.reach(user, "participant"):
        RecordReading.objects.create(read_by=user, what=what[:200], n_rows=n_rows)


def streamed(pieces: Iterable[bytes], form: str, name: str, etag: str) -> StreamingHttpResponse:
    """The answer, as a file that a browser saves."""
    answer = StreamingHttpResponse(pieces, content_type=FORMATS[form], headers={"ETag": etag})
    answer["Content-Disposition"] = f'attachment; filename="{name}.{form}"'
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


def _pieces(rows: QuerySet[Any], prefetched: Sequence[str]) -> Iterator[list[Any]]:
    # A cursor of the server: neither it nor we hold the list.
    found = rows.iterator(PIECE_ROWS)
    while piece := list(islice(found, PIECE_ROWS)):
        prefetch_related_objects(piece, *prefetched)
        yield piece


def schema_of(fields: Mapping[str, Any]) -> pa.Schema:
    """Columns of a serializer's fields; what is no number or truth is text."""
    return pa.schema([pa.field(name, _kind(field)) for name, field in fields.items()])


def _kind(field: Any) -> pa.DataType:
    return next((kind for known, kind in KINDS if isinstance(field, known)), pa.string())
