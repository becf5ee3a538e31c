"""Pages of a long list: what is before a page is counted off in the index that orders it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet

if TYPE_CHECKING:
    RowPaginator = Paginator[Any]
else:  # Django's own class takes no parameter
    RowPaginator = Paginator


class KeyedPaginator(RowPaginator):
    """Finds a page's keys first: rows before it are passed over unread, and joined to nothing."""

    object_list: QuerySet[Any]

    def page(self, number: int | str) -> Page[Any]:
        number = self.validate_number(number)
        start = (number - 1) * self.per_page
        keys = list(self.object_list.values_list("pk", flat=True)[start : start + self.per_page])
        rows = self.object_list.in_bulk(keys)
        return Page([rows[key] for key in keys], number, self)
