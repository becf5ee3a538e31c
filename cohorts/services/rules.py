"""A row held to the rules of its model, whose words reach the person who asked."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db.models import Model

from cohorts.errors import UnusableRequest


def hold_to_its_rules(row: Model) -> None:
    """UnusableRequest, in the words of the rules that the row breaks."""
    try:
        row.full_clean()
    except ValidationError as error:
        raise UnusableRequest(" ".join(error.messages)) from error
