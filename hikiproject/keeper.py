"""The process that owns the embedded servers: it ends them when nobody uses them any more.

``python -m hikiproject.keeper STATE`` returns when the servers answer and leaves a
daemon behind. Every user of the servers holds a shared lock on ``users.lock``, which the kernel
takes away even from a process that was killed; when the daemon gets the exclusive lock it is
alone, stops the servers, and ends.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from hikiproject import credentials
from hikiproject.locks import Lock
from hikiproject.postgres import Postgres
from hikiproject.servers import Server, ServerFailed
from hikiproject.valkey import Valkey

POLL_SECONDS = 0.2


class Ended(Exception):
    """Somebody asked the daemon to stop."""


def watch(owned: list[Server], users: Lock) -> None:
    """Restart a server that died; return as soon as nobody uses them."""
    while not users.try_take():
        for server in owned:
            if not server.running:
                server.start()
        time.sleep(POLL_SECONDS)


def _end(signum: int, _frame: object) -> None:
    raise Ended(signal.Signals(signum).name)


def make_servers(state: Path) -> list[Server]:
    """Prepare the servers of a state folder; none is started yet."""
    # Test runs say no: their data need not survive a power cut.
    durable = os.environ.get("HIKI_DURABLE") != "false"
    known = credentials.renew(state)
    made: list[Server] = [Postgres(state, known, durable=durable), Valkey(state, known)]
    for server in made:
        server.prepare()
    return made


def keep(state: Path, tell: Callable[[str], None]) -> None:
    """Start the servers, `tell` "ready" or what went wrong, and keep them while they are used."""
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, _end)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    own, users = Lock(state / "keeper.lock"), Lock(state / "users.lock")
    own.take()
    own.write(str(os.getpid()))
    owned: list[Server] = []
    try:
        owned = make_servers(state)
        for server in owned:
            server.spawn()  # both at once, then wait for each
        for server in owned:
            server.start()
        tell("ready")
        watch(owned, users)
    except (ServerFailed, credentials.CredentialsLost, OSError) as error:
        tell(str(error))
    except Ended:
        pass
    finally:
        for ending in (signal.SIGTERM, signal.SIGINT):
            signal.signal(ending, signal.SIG_IGN)
        for server in owned:
            server.stop()


def _tell(pipe: int, word: str) -> None:
    """Tell the process that started us, while it listens, and the log."""
    sys.stderr.write(f"{word}\n")
    sys.stderr.flush()
    with suppress(OSError):
        os.write(pipe, word.encode())
        os.close(pipe)


def main(arguments: list[str]) -> int:
    """Fork the daemon and wait for its word."""
    state = Path(arguments[0])
    incoming, outgoing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        os.close(incoming)
        log = os.open(state / "keeper.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        keep(state, partial(_tell, outgoing))
        return 0
    os.close(outgoing)
    with os.fdopen(incoming, "rb") as pipe:
        word = pipe.read().decode()
    if word == "ready":
        return 0
    sys.stderr.write((word or f"The servers did not start; see {state / 'keeper.log'}.") + "\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
