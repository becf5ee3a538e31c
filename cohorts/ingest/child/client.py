"""Jobs for the child: read a file, or check it; whatever happens there, an answer comes back."""

from __future__ import annotations

import atexit
import os
import pickle
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cohorts.ingest.checking import Checked, Options
from cohorts.ingest.child import wire
from cohorts.ingest.child.limits import Limits
from cohorts.ingest.encodings import UndecidedEncoding
from cohorts.ingest.facts import SiteFacts
from cohorts.ingest.reading import Table
from cohorts.ingest.workbook import UnreadableFile
from cohorts.sentences import say

LIMITS = Limits()
_ROOT = Path(__file__).resolve().parents[3]
_starting = threading.Lock()
_servers: dict[int, _Server] = {}


class ParserFailure(RuntimeError):
    """The parser broke on a file: a fault of the program, with the child's own traceback."""


def read_file(kind: str, content: bytes, filename: str, encoding: str = "") -> Table:
    """As `checking.read_file`, in a child."""
    arguments = (kind, pickle.PickleBuffer(content), filename, encoding)
    table: Table = _run("read", arguments, filename, lambda: None)
    return table


def check_file(
    kind: str,
    content: bytes,
    filename: str,
    facts: Callable[[], SiteFacts],
    options: Options,
    encoding: str = "",
) -> Checked:
    """As `checking.check_file`, in a child; ``facts`` are looked up while it reads the file."""
    arguments = (kind, pickle.PickleBuffer(content), filename, options, encoding)
    checked: Checked = _run("check", arguments, filename, facts)
    return checked


def warm() -> None:
    """Start the process that forks the children, without waiting for it."""
    _server()


def _run(
    job: str, arguments: tuple[Any, ...], filename: str, facts: Callable[[], SiteFacts | None]
) -> Any:
    try:
        outcome, value = _exchange((LIMITS, job, arguments), facts)
    except (BrokenPipeError, ConnectionResetError, TimeoutError, EOFError) as ended:
        # The kernel ended the child.
        raise UnreadableFile(
            say(
                "%(filename)s takes more time or memory than a table of its size should; "
                "save it anew as CSV, or split it by rows.",
                filename=filename or say("The file"),
            )
        ) from ended
    if outcome == "undecided":
        raise UndecidedEncoding(*value)
    if outcome == "unreadable":
        raise UnreadableFile(value)
    if outcome == "memory":
        raise UnreadableFile(
            say(
                "%(filename)s needs more memory than a table may; split it by rows.",
                filename=filename or say("The file"),
            )
        )
    if outcome == "broken":
        raise ParserFailure(value)
    return value


def _exchange(job: object, facts: Callable[[], SiteFacts | None]) -> Any:
    """The child's answer to the job, and to the facts that are sent after it."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            _hand_over(theirs)
        # Beyond the child's own alarm: only a lost server would let this wait.
        ours.settimeout(LIMITS.wall_seconds + 30)
        with ours.makefile("rwb") as both:
            wire.send(both, job)
            wire.send(both, facts())
            return wire.receive(both, writable=True)


def _hand_over(connection: socket.socket) -> None:
    server = _server()
    try:
        socket.send_fds(server.control, [b"."], [connection.fileno()])
    except (BrokenPipeError, ConnectionResetError):
        # The warm process was killed from outside: another takes its place.
        close()
        socket.send_fds(_server().control, [b"."], [connection.fileno()])


class _Server:
    def __init__(self) -> None:
        self.control, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cohorts.ingest.child.server", str(theirs.fileno())],
                cwd=_ROOT,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def close(self) -> None:
        """It ends by itself once nobody holds the other end."""
        self.control.close()
        self.process.wait()


def close() -> None:
    """End this process's own server; a fork never waits for its parent's."""
    mine = _servers.pop(os.getpid(), None)
    if mine is not None:
        mine.close()


atexit.register(close)


def _server() -> _Server:
    """This process's own: a fork of the web server starts another."""
    with _starting:
        mine = _servers.get(os.getpid())
        if mine is not None and mine.process.poll() is not None:
            close()
            mine = None
        if mine is None:
            mine = _servers[os.getpid()] = _Server()
        return mine
