"""What surrounds every request."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from cohorts import access

Answer = Callable[[HttpRequest], HttpResponseBase]


def roles_read_once(answer: Answer) -> Answer:
    """A request reads what its user may do once, however many rules ask."""

    def answered(request: HttpRequest) -> HttpResponseBase:
        with access.one_request():
            return answer(request)

    return answered
