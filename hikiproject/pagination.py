"""Pages of lists: a cursor, so that a page costs the same however far in it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DataError
from django.db.models import QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.exceptions import ValidationError as ValidationErrors
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.views import APIView


class IdCursorPagination(CursorPagination):
    """By the view's ``page_ordering``, else by primary key; ``page_size`` up to 1,000."""

    ordering = "pk"
    page_size_query_param = "page_size"
    max_page_size = 1_000
    invalid_cursor_message = "This cursor is none of this list's: take it from the page before."

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
        """The page; 404 for a cursor that this list never gave out, 400 for what is no size."""
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
            raise NotFound(self.invalid_cursor_message) from error
