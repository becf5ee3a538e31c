"""A warm process that forks one child a job: `python -m cohorts.ingest.child.server FD`.

It ends when the process that started it closes its end of FD, however that one ends.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Any

from cohorts.ingest import checking
from cohorts.ingest.child.limits import apply
from cohorts.ingest.encodings import UndecidedEncoding
from cohorts.ingest.workbook import UnreadableFile

JOBS: dict[str, Callable[..., object]] = {"read": checking.read_file, "check": checking.check_file}


def serve(control: socket.socket) -> None:
    """Fork a child for each connection that comes over ``control``."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the children
    # A collection in a child would touch, and so copy, every page of what is warm.
    gc.collect()
    gc.freeze()
    gc.disable()
    while True:
        _, fds, _, _ = socket.recv_fds(control, 1, 1)
        if not fds:
            return
        with socket.socket(fileno=fds[0]) as connection:
            if os.fork() == 0:
                control.close()
                _work(connection)


def _work(connection: socket.socket) -> None:
    """One job, then the end of this process: nothing of a file outlives it."""
    try:
        with connection.makefile("rb") as incoming:
            limits, job, arguments = pickle.load(incoming)  # noqa: S301 - from our own parent
        apply(limits)
        answer = pickle.dumps(_answer(job, arguments), protocol=5)
        connection.sendall(answer)
    finally:
        # The parent of a fork must not run on in its child.
        os._exit(0)


def _answer(job: str, arguments: tuple[Any, ...]) -> tuple[str, Any]:
    try:
        return "done", JOBS[job](*arguments)
    except UndecidedEncoding as question:
        return "undecided", (question.message, question.choices)
    except UnreadableFile as refusal:
        return "unreadable", refusal.message
    except MemoryError:
        return "memory", ""
    except Exception:  # noqa: BLE001 - the parent raises it: a fault of ours, not of the file
        return "broken", traceback.format_exc()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a key press ends the parent, and that this
    serve(socket.socket(fileno=int(sys.argv[1])))
