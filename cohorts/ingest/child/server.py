"""Keeps a warm child forked for the next job: `python -m cohorts.ingest.child.server FD`.

It ends when the process that started it closes its end of FD, however that one ends.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Any

from cohorts.ingest import checking, redcap_projects
from cohorts.ingest.child import warmth, wire
from cohorts.ingest.child.ahead import ALL_TOLD, Teller
from cohorts.ingest.child.limits import apply
from cohorts.ingest.child.memory import Shared
from cohorts.ingest.encodings import UndecidedEncoding
from cohorts.ingest.facts import ContextVariable
from cohorts.ingest.reading import Table
from cohorts.ingest.sheets.workbook import UnreadableFile

_TAKEN, _NO_MORE = b"t", b"n"
_REST_SECONDS = 0.2


def serve(control: socket.socket) -> None:
    """Keep one child ready, forked before its connection comes over ``control``."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the children
    # A collection in a child would touch, and so copy, every page of what is warm.
    gc.collect()
    gc.freeze()
    gc.disable()
    while _child_is_taken(control):
        pass


def _child_is_taken(control: socket.socket) -> bool:
    """Fork a child and wait until the next is due; False once nobody can send a job."""
    told, tells = os.pipe()
    if os.fork() == 0:
        os.close(told)
        _wait_for_work(control, tells)
    os.close(tells)
    with os.fdopen(told, "rb", buffering=0) as words:
        if words.read(1) == _NO_MORE:
            return False
        # To fork beside a child that is at work, or while its rows are being stored, would take
        # the processor from them; a job that comes meanwhile gets its child at once.
        due, _, _ = select.select([words.fileno(), control.fileno()], [], [])
        if control.fileno() not in due:
            select.select([control], [], [], _REST_SECONDS)
    return True


def _wait_for_work(control: socket.socket, tells: int) -> None:
    """The child: one job, then the end of this process."""
    try:
        if not select.select([control], [], [], 0)[0]:
            warmth.grow_warm()
        _, fds, _, _ = socket.recv_fds(control, 1, 2)
        # Where the server was killed meanwhile, nobody is there to be told.
        with contextlib.suppress(BrokenPipeError):
            os.write(tells, _TAKEN if fds else _NO_MORE)
        # ``tells`` stays open: that it is closed tells the end of this process.
        control.close()
        if fds:
            with socket.socket(fileno=fds[0]) as connection:
                _work(connection, *map(Shared, fds[1:]))
    finally:
        # The parent of a fork must not run on in its child.
        os._exit(0)


def _work(connection: socket.socket, memory: Shared) -> None:
    """Nothing of a file outlives this process but its answer in ``memory``."""
    with connection.makefile("rwb") as both:
        limits, job, size, arguments = wire.receive(both)
        apply(limits)
        asked = functools.cache(lambda: wire.receive(both))
        teller = Teller(connection, both, memory, asked)
        outcome, value = _answer(job, lambda: memory.content(size), (*arguments, teller))
        # Also where the file was refused before: the other end must not be left writing. It may
        # have gone, as where the file is known already; then this ends here.
        asked()
        wire.send(both, (ALL_TOLD if teller.has_told(value) else outcome, value), memory)


def _read(content: bytes, kind: str, filename: str, encoding: str, _teller: Teller) -> Table:
    return checking.read_file(kind, content, filename, encoding)


def _check(
    content: bytes,
    kind: str,
    filename: str,
    options: checking.Options,
    encoding: str,
    teller: Teller,
) -> checking.Checked:
    return checking.check_file(
        kind, content, filename, teller.facts, options, encoding, teller.as_numbers
    )


def _at_the_door(
    content: bytes,
    _kind: str,
    filename: str,
    dictionary: bytes,
    declared: tuple[ContextVariable, ...],
    encoding: str,
    _teller: Teller,
) -> redcap_projects.AtTheDoor:
    return redcap_projects.at_the_door(content, filename, dictionary, declared, encoding)


JOBS: dict[str, Callable[..., object]] = {"read": _read, "check": _check, "door": _at_the_door}


def _answer(job: str, content: Callable[[], bytes], arguments: tuple[Any, ...]) -> tuple[str, Any]:
    try:
        return "done", JOBS[job](content(), *arguments)
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
