"""Doing something in a process of its own, which may then be stopped, starved or killed."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable

from django.db import connections


def fork(act: Callable[[], object]) -> int:
    """Start ``act`` in a child with database connections of its own; its process id."""
    # A connection that both had would be ended by whoever ends first.
    connections.close_all()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        # A browser's event loop in our thread has connections of its own, and does not run here:
        # what is left are those of before, which may have ended since.
        connections.close_all()
        act()
        code = 0
    except BaseException:  # noqa: BLE001 - a child never returns into pytest
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(code)


def wait(child: int, seconds: float = 60.0) -> int:
    """The child's exit code, negative for the signal that ended it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError(f"the child did not end within {seconds} s")


def run(act: Callable[[], object], seconds: float = 60.0) -> int:
    """Fork, wait, and tell how it ended."""
    return wait(fork(act), seconds)
