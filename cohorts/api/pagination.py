"""Pages of lists: a cursor, so that a page costs the same however far in it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import DataError
from django.db.models import QuerySet
from django.http import QueryDict
from rest_framework.exceptions import NotFound
from rest_framework.exceptions import ValidationError as ValidationErrors
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.views import APIView


class IdCursorPagination(CursorPagination):
    """By the view's ``page_ordering``, else by primary key; ``page_size`` up to 1,000."""

    ordering = "pk"
    page_size_query_param = "page_size"
    max_page_size = 1_000

    def get_ordering(
        self, request: Request, queryset: QuerySet[Any], view: APIView | None
    ) -> tuple[str, ...]:
        """Newest first where a view says so; the key decides between equals."""
        return tuple(getattr(view, "page_ordering", (self.ordering,)))

    def paginate_queryset(
        self,
        queryset: QuerySet[Any] | Sequence[Any],
        request: Request,
        view: APIView | None = None,
    ) -> list[Any] | None:
        """The page; ValidationError for a cursor that is not this list's, or what is no size."""
        size = request.query_params.get("page_size", "1")
        if not (size.isascii() and size.isdecimal() and 1 <= int(size[:9]) <= self.max_page_size):
            words = f"A number from 1 to {self.max_page_size}."
            raise ValidationErrors({"page_size": words})
        # Fewer where each row brings many of its own.
        self.page_size = getattr(view, "page_rows", self.page_size)
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValueError, ValidationError, DataError) as error:
            # The position in a cursor is any text that a caller writes there.
            raise self._no_cursor() from error

    def decode_cursor(self, request: Request) -> Cursor | None:
        """The place that a cursor names; ValidationError for what no page of ours gave out."""
        given = request.query_params.get(self.cursor_query_param)
        if given is None:
            return None
        try:
            cursor: Cursor | None = super().decode_cursor(request)
        except NotFound:
            cursor = None
        # Some nonsense can be read as the first page: the list would begin anew without a word.
        if cursor is None or not given or given != self._named(cursor):
            raise self._no_cursor()
        return cursor

    def _no_cursor(self) -> ValidationErrors:
        words = "This cursor is none of this list's: take it from the page before."
        return ValidationErrors({self.cursor_query_param: words})

    def _named(self, cursor: Cursor) -> str | None:
        link = QueryDict(urlsplit(self.encode_cursor(cursor)).query)
        return link.get(self.cursor_query_param)
