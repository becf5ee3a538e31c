"""Long polls: a few requests at a time may wait until what they ask for has moved."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from django.conf import settings

Seen = TypeVar("Seen")
LONGEST_SECONDS = 30
STEP_SECONDS = 0.5
# Each who waits holds a thread of the server: the rest of them must stay free for everybody else.
_places = threading.BoundedSemaphore(settings.LONG_POLLS)


def until_changed(
    before: Seen, read: Callable[[], Seen | None], seconds: float, step: float = STEP_SECONDS
) -> Seen | None:
    """What ``read`` gives when it is no longer ``before``, or after ``seconds`` what it was.

    Where every place to wait is taken, at once.
    """
    if seconds <= 0 or not _places.acquire(blocking=False):
        return before
    try:
        deadline, now = time.monotonic() + seconds, read()
        while now == before and time.monotonic() < deadline:
            time.sleep(min(step, max(0.0, deadline - time.monotonic())))
            now = read()
        return now
    finally:
        _places.release()
