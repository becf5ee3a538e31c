"""Several values as one text, by the database: far fewer words for its planner than `Concat`."""

from __future__ import annotations

from typing import Any

from django.db.models import Func, TextField, Value


class Joined(Func):
    """PostgreSQL's concat_ws: what is null is left out, so a place that counts is never null."""

    function = "concat_ws"

    def __init__(self, between: str, *parts: Any) -> None:
        super().__init__(Value(between), *parts, output_field=TextField())
