"""Whether a number is one of very many: a condition that costs the database no parsing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, F, Func
from django.db.models.sql.compiler import SQLCompiler


class _OneOf(Func):
    """Whether a number is in an array: a list of thousands is taken apart at every step.

    The array is the driver's own parameter: Django would prepare each number by itself.
    """

    output_field = BooleanField()

    def __init__(self, field: str, numbers: Sequence[int]) -> None:
        super().__init__(F(field))
        self.numbers = list(numbers)

    def as_sql(  # type: ignore[override]  # of Func's further arguments none is given
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper
    ) -> tuple[str, list[Any]]:
        [field] = self.get_source_expressions()
        sql, params = compiler.compile(field)
        return f"{sql} = ANY(%s::bigint[])", [*params, self.numbers]


def one_of(field: str, numbers: Sequence[int]) -> Func:
    """A condition of rows whose field is one of many numbers."""
    return _OneOf(field, numbers)
