"""A database or a disk that is away for a moment is told as that: 503, and when to come back."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

logger = logging.getLogger(__name__)
RETRY_SECONDS = "5"
BUSY = "The database is busy or away; nothing was changed. Try again."
FULL = (
    "The disk that keeps sent files is full or failing; nothing was stored. Tell the "
    "administrators, then send the file again."
)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def sentence_for(error: Exception) -> str:
    """What to say of an error that passes by itself; "" for every other."""
    if isinstance(error, OperationalError | InterfaceError):
        return BUSY
    if isinstance(error, OSError) and error.errno in _FULL:
        return FULL
    return ""


class BusyMiddleware:
    """Pages: the API's own answers are made by its exception handler."""

    def __init__(self, answer: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.answer(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """A page with the sentence, for an error that has one."""
        sentence = sentence_for(error)
        if not sentence:
            return None
        logger.error("%s %s: %s", request.method, request.path, error)
        # Without the request: its context would ask the database who is logged in.
        page = render(None, "503.html", {"sentence": sentence}, status=503)
        page["Retry-After"] = RETRY_SECONDS
        return page
