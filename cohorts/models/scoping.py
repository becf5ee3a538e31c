"""The one door to rows that belong to a site: `visible_to`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from django.db import models

from cohorts import access

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from cohorts.models.account import User

_Row = TypeVar("_Row", bound=models.Model)


class ScopedQuerySet(models.QuerySet[_Row]):
    """Rows of a resource in the permission table; ``site_path`` leads from the row to its site.

    ``site_path = ""`` marks reference data, which whoever has the verb anywhere may read.
    """

    resource: ClassVar[str]
    site_path: ClassVar[str] = "site"

    def visible_to(self, user: User | AnonymousUser) -> Self:
        """The rows that ``user`` may read; none for everybody that the table does not name."""
        return self.open_to(user, "R")

    def open_to(self, user: User | AnonymousUser, verb: str) -> Self:
        """The rows on which ``user`` may do ``verb``."""
        where = access.reach(user, self.resource, verb)
        if where.everywhere or (where and not self.site_path):
            return self
        if not where:
            return self.none()
        within: dict[str, Any] = {f"{self.site_path}__in": where.site_ids}
        return self.filter(**within)
