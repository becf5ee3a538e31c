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
from contextlib import suppress
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


def keep(state: Path, *, ready: int) -> None:
    """Start the servers, say so on the file descriptor `ready`, and keep them."""
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, _end)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    own, users = Lock(state / "keeper.lock"), Lock(state / "users.lock")
    own.take()
    own.write(str(os.getpid()))
    owned: list[Server] = []
    try:
        # Test runs say no: their data need not survive a power cut.
        durable = os.environ.get("HIKI_DURABLE") != "false"
        known = credentials.renew(state)
        owned = [Postgres(state, known, durable=durable), Valkey(state, known)]
        for server in owned:
            server.prepare()
            server.spawn()
        for server in owned:
            server.start()
        os.write(ready, b"ready")
        os.close(ready)
        watch(owned, users)
    except (ServerFailed, credentials.CredentialsLost, OSError) as error:
        with suppress(OSError):
            os.write(ready, str(error).encode())
    except Ended:
        pass
    finally:
        # The broker last: whoever stops on the database's end may still want to say so.
        for server in owned:
            server.stop()


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
        keep(state, ready=outgoing)
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
