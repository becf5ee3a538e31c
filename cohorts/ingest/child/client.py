"""Jobs for the child: read a file, or check it; whatever happens there, an answer comes back."""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self

from cohorts.ingest.checking import Checked, Options
from cohorts.ingest.child import wire
from cohorts.ingest.child.ahead import ALL_TOLD, ROWS, Asked, Taker, Told
from cohorts.ingest.child.limits import Limits
from cohorts.ingest.child.memory import Shared
from cohorts.ingest.encodings import UndecidedEncoding
from cohorts.ingest.facts import ContextVariable, SiteFacts
from cohorts.ingest.reading import Table
from cohorts.ingest.redcap_projects import AtTheDoor
from cohorts.ingest.sheets.workbook import UnreadableFile
from cohorts.language.sentences import say

LIMITS = Limits()
_ROOT = Path(__file__).resolve().parents[3]
_starting = threading.Lock()
_servers: dict[int, _Server] = {}


class ParserFailure(RuntimeError):
    """The parser broke on a file: a fault of the program, with the child's own traceback."""


def read_file(kind: str, content: bytes, filename: str, encoding: str = "") -> Table:
    """As `checking.read_file`, in a child."""
    with Begun("read", content, (kind, filename, encoding)) as begun:
        table: Table = begun.answer(lambda: None)
        return table


def at_the_door(
    data: bytes,
    filename: str,
    dictionary: bytes,
    declared: tuple[ContextVariable, ...],
    encoding: str = "",
) -> AtTheDoor:
    """As `redcap_projects.at_the_door`, in a child."""
    with Begun("door", data, ("redcap", filename, dictionary, declared, encoding)) as begun:
        kept: AtTheDoor = begun.answer(lambda: None)
        return kept


def begin_check(
    content: bytes, kind: str, filename: str, options: Options, encoding: str = ""
) -> Begun:
    """Let a child read a file, to be checked as `checking.check_file` does."""
    return Begun("check", content, (kind, filename, options, encoding))


def warm() -> None:
    """Start the process that forks the children, without waiting for it."""
    _server()


class Begun:
    """A job that a child is at, and that there waits for the facts; to be closed."""

    def __init__(self, job: str, content: bytes, arguments: tuple[Any, ...]) -> None:
        self._arguments, self._since, self._is_asked = arguments, time.monotonic(), False
        with ExitStack() as undone:
            self._memory = Shared.holding(content)
            undone.callback(self._memory.close)
            self._connection, theirs = socket.socketpair()
            undone.callback(self._connection.close)
            with theirs:
                _hand_over([theirs.fileno(), self._memory.fileno()])
            undone.pop_all()  # it has begun: closing is for `close`
        # Beyond the child's own alarm: only a lost server would let this wait.
        self._connection.settimeout(LIMITS.wall_seconds + 30)
        self._both = self._connection.makefile("rwb")
        # Where the server was lost, the answer is where that is noticed.
        with suppress(BrokenPipeError, ConnectionResetError):
            wire.send(self._both, (LIMITS, job, len(content), arguments))

    def serves(self, *arguments: object) -> bool:
        """Whether it reads its file in that way, and can still be asked."""
        # The alarm of a child runs also while somebody else has the site's books.
        is_fresh = time.monotonic() - self._since < LIMITS.wall_seconds / 3
        return arguments == self._arguments and is_fresh and not self._is_asked

    def checked(self, facts: Callable[[], SiteFacts], taker: Taker | None = None) -> Checked:
        """As `checking.check_file`; ``facts`` are looked up while the child reads the file.

        ``taker`` is told of rows of plain numbers before it is known whether the table holds.
        """
        checked: Checked = self.answer(facts, taker)
        return checked

    def answer(self, facts: Callable[[], SiteFacts | None], taker: Taker | None = None) -> Any:
        """What the child has found. Raises UnreadableFile as it does, and where it was ended."""
        self._is_asked = True
        asked = Asked(facts(), wants_rows=taker is not None)
        try:
            wire.send(self._both, asked)
            outcome, value = wire.receive(self._both, self._memory)
            told = Told(self._memory, taker)
            while outcome == ROWS:
                told.pass_on(*value)
                outcome, value = wire.receive(self._both, self._memory)
        except (BrokenPipeError, ConnectionResetError, TimeoutError, EOFError) as ended:
            # The kernel ended the child.
            raise UnreadableFile(
                say(
                    "%(filename)s takes more time or memory than a table of its size should; "
                    "save it anew as CSV, or split it by rows.",
                    filename=self._filename,
                )
            ) from ended
        if outcome == ALL_TOLD and taker is not None:
            taker.hold()
        return self._of(outcome, value)

    @property
    def _filename(self) -> str:
        return str(self._arguments[1]) or say("The file")

    def _of(self, outcome: str, value: Any) -> Any:
        if outcome == "undecided":
            raise UndecidedEncoding(*value)
        if outcome == "unreadable":
            raise UnreadableFile(value)
        if outcome == "memory":
            raise UnreadableFile(
                say(
                    "%(filename)s needs more memory than a table may; split it by rows.",
                    filename=self._filename,
                )
            )
        if outcome == "broken":
            raise ParserFailure(value)
        return value

    def close(self) -> None:
        """A child that is not asked any more ends once it has read the file."""
        # What was not sent to a child that is gone is of no use either.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._both.close()
        self._connection.close()
        self._memory.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _hand_over(descriptors: list[int]) -> None:
    server = _server()
    try:
        socket.send_fds(server.control, [b"."], descriptors)
    except (BrokenPipeError, ConnectionResetError):
        # The warm process was killed from outside: another takes its place.
        close()
        socket.send_fds(_server().control, [b"."], descriptors)


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
