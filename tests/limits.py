"""What might wait without end fails by name instead."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def within(seconds: int, what: str) -> Iterator[None]:
    """AssertionError in the main thread when the block has not ended by then."""

    def late(*_signal: object) -> None:
        raise AssertionError(f"{what}: not ended within {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
