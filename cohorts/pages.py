"""Pages of a long list: what is before a page is counted off in the index that orders it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property

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


class CountedSoFar(RowPaginator):
    """Counts no further than anybody turns pages: the count of a million rows reads a million."""

    MOST = 100_000
    object_list: QuerySet[Any]

    @cached_property
    def _n_found(self) -> int:
        return self.object_list.order_by()[: self.MOST + 1].count()

    @property
    def has_more(self) -> bool:
        """Whether there are rows that no page shows."""
        return self._n_found > self.MOST

    @cached_property
    def count(self) -> int:
        """Rows that pages show."""
        return min(self._n_found, self.MOST)
