"""Who changed something, and why: told to the triggers that keep the events of each row."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pghistory
from django.http import HttpRequest
from pghistory.middleware import HistoryMiddleware

_REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{8,64}$")


class ActorMiddleware(HistoryMiddleware):
    """Every write of a request carries its user and its id; the address is left out.

    An address can hold a participant's code, which an erasure would have to find again.
    """

    def get_context(self, request: HttpRequest) -> dict[str, Any]:
        sent = request.headers.get("X-Request-ID", "")
        user = getattr(request, "user", None)
        return {
            "user": getattr(user, "pk", None),
            "request": sent if _REQUEST_ID.match(sent) else uuid.uuid4().hex,
        }


def acting(source: str) -> pghistory.context:
    """A command or a worker that writes; enter it around the work."""
    return pghistory.context(source=source)


@contextmanager
def because(reason: str, **more: Any) -> Iterator[None]:
    """Why the rows that are written inside are changed; afterwards the reason no longer holds."""
    with pghistory.context() as now:
        before = dict(now.metadata)
        now.metadata.update(reason=reason, **more)
        try:
            yield
        finally:
            now.metadata.clear()
            now.metadata.update(before)
