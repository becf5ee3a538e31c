"""What may be asked of an address is what its description names: a slip is no answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from django.urls import re_path
from drf_spectacular.generators import SchemaGenerator
from rest_framework import exceptions
from rest_framework.request import Request

ALWAYS = "format"  # also where there is one form only


def refuse_unknown(request: Request) -> None:
    """ValidationError for each parameter of a reading that would be left out of account."""
    matched = request.resolver_match
    if request.method not in ("GET", "HEAD") or not request.query_params or matched is None:
        return
    known = described(matched.func) or (ALWAYS,)
    unknown = [name for name in request.query_params if name not in (*known, ALWAYS)]
    if unknown:
        words = f"This is not asked here; choose from {', '.join(known)}."
        raise exceptions.ValidationError(dict.fromkeys(unknown, words))


@cache
def described(answer: Callable[..., Any]) -> tuple[str, ...]:
    """The query parameters that OpenAPI names for reading at one address."""
    alone = SchemaGenerator(patterns=[re_path("^asked$", answer)])  # type: ignore[no-untyped-call]  # no types
    (methods,) = alone.get_schema(public=True)["paths"].values()  # type: ignore[no-untyped-call]  # no types
    told = methods["get"].get("parameters", [])
    return tuple(each["name"] for each in told if each["in"] == "query")
