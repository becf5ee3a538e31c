"""Pages of lists: a cursor, so that a page costs the same however far in it is."""

from rest_framework.pagination import CursorPagination


class IdCursorPagination(CursorPagination):
    """By primary key; ``page_size`` up to 1,000."""

    ordering = "pk"
    page_size_query_param = "page_size"
    max_page_size = 1_000
