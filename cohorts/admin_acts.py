"""What can be done with a record, offered on its own page and not in the list alone."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


def asks_on(shown: Any, acts: list[tuple[str, str]]) -> list[Any]:
    """The fields that these acts ask for besides the record."""
    if not any(name in shown.asking_actions for name, _ in acts):
        return []
    form = shown.action_form(auto_id=None)
    return [field for field in form if field.name not in ("action", "select_across")]


def acts_on(shown: Any, request: HttpRequest, row: Any) -> list[tuple[str, str]]:
    """(name, words) of the list's actions that fit this record and that the person may do."""
    if row is None or not shown.actions:
        return []
    offered = shown.get_actions(request)
    return [(name, offered[name][2]) for name in shown.acts_fit(row) if name in offered]
