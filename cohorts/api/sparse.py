"""`?fields=`: the columns of a list that are asked for, in that order."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from rest_framework import exceptions
from rest_framework.request import Request

PARAMETER = {
    "in": "query",
    "name": "fields",
    "schema": {"type": "string"},
    "description": "Columns to send, separated by commas; the others are left out of the answer.",
}


def asked_for(request: Request, known: Collection[str]) -> tuple[str, ...]:
    """The columns, all of them where none is named. ValidationError for one that is not there."""
    text = request.query_params.get("fields", "")
    asked = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in asked if name not in known]
    if unknown:
        words = f"There is no column {unknown[0]!r}; choose from {', '.join(known)}."
        raise exceptions.ValidationError({"fields": words})
    return asked or tuple(known)


def columns(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """These columns of rows that the serializer has made: what it hides is hidden before."""
    return [{name: row[name] for name in names if name in row} for row in rows]
