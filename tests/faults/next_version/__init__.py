"""A version after this one, made up: one more column, an index on it, and code that reads it."""

from __future__ import annotations

from collections.abc import Callable

from django.db import connection
from django.http import HttpRequest, HttpResponse

VERSION_HEADER = "X-Next-Version"


def reads_the_column(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware that every request of the next version passes."""

    def answer(request: HttpRequest) -> HttpResponse:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(next_note) FROM cohorts_participant")
        response = get_response(request)
        response[VERSION_HEADER] = "yes"
        return response

    return answer
