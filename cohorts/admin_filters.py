"""Filters of the admin's lists that stay quick however long the list is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.admin.filters import AllValuesFieldListFilter
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cohorts.admin_values import word

NEWEST = 2_000


class NewestValues(AllValuesFieldListFilter):
    """Offers the values of the newest rows, and the one that is chosen.

    Django's own filter asks a whole table for its distinct values, each time the list is opened.
    """

    def __init__(
        self,
        field: Any,
        request: HttpRequest,
        params: dict[str, Any],
        model: type[models.Model],
        model_admin: Any,
        field_path: str,
    ) -> None:
        super().__init__(field, request, params, model, model_admin, field_path)
        newest = (
            model_admin.get_queryset(request).order_by("-pk").values_list(field.name, flat=True)
        )
        seen = set(newest[:NEWEST]) | set(self.lookup_val or ())
        self.lookup_choices: Any = sorted(seen, key=str)

    def choices(self, changelist: Any) -> Iterator[Any]:
        """As Django's, but said, and with a word for rows that have none: a link can be read."""
        for choice in super().choices(changelist):
            yield {**choice, "display": word(str(choice["display"])) or _("None of these")}


def has_any_words(field: Any) -> bool:
    """Whether a column holds words that are not listed beforehand."""
    return isinstance(field, models.CharField | models.TextField) and not field.choices
