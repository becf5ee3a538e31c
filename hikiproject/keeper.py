"""The process that owns the embedded servers: it ends them when nobody uses them any more.

``python -m hikiproject.keeper STATE [--forgetful]`` returns when the servers answer and leaves a
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
from typing import IO

from hikiproject import credentials, servers
from hikiproject.locks import lock, open_lock, try_lock

POLL_SECONDS = 0.2


class Ended(Exception):
    """Somebody asked the daemon to stop."""


def watch(owned: list[servers.Server], users: IO[str]) -> None:
    """Restart a server that died; return as soon as nobody uses them."""
    while not try_lock(users):
        for server in owned:
            if not server.running:
                server.start()
        time.sleep(POLL_SECONDS)


def _end(signum: int, _frame: object) -> None:
    raise Ended(signal.Signals(signum).name)


def keep(state: Path, *, durable: bool, ready: int) -> None:
    """Start the servers, say so on the file descriptor `ready`, and keep them."""
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, _end)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    own, users = open_lock(state / "keeper.lock"), open_lock(state / "users.lock")
    lock(own)
    own.truncate()
    own.write(str(os.getpid()))
    own.flush()
    owned: list[servers.Server] = []
    try:
        known = credentials.renew(state)
        owned = [servers.Postgres(state, known, durable=durable), servers.Valkey(state, known)]
        for server in owned:
            server.prepare()
            server.spawn()
        for server in owned:
            server.start()
        os.write(ready, b"ready")
        os.close(ready)
        watch(owned, users)
    except (servers.ServerFailed, credentials.CredentialsLost, OSError) as error:
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
    state, durable = Path(arguments[0]), "--forgetful" not in arguments
    incoming, outgoing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        os.close(incoming)
        log = os.open(state / "keeper.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        keep(state, durable=durable, ready=outgoing)
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
