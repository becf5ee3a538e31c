"""Real PostgreSQL and Valkey servers for a machine that has none: no Docker, no root.

`ensure` starts them, or finds those that another process of the same state folder started. They
live as long as any process that called `ensure` does, and stop within a second after the last one
is gone, however it went (see `hikiproject.keeper`).
"""

import atexit
import os
import secrets
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hikiproject import credentials
from hikiproject import state as states
from hikiproject.locks import Lock
from hikiproject.tether import child_environment

START_SECONDS = 120.0
STOP_SECONDS = 30.0


class ServicesUnavailable(Exception):
    """The embedded servers cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Services:
    """Where the application finds its database and its broker."""

    database_url: str
    redis_url: str


@dataclass(frozen=True)
class Status:
    """What runs in a state folder."""

    state: Path
    running: bool
    keeper_pid: int | None


# The shared lock of each state folder that this process uses; closing it would end our use.
_held: dict[Path, Lock] = {}


def ensure(state: Path | None = None) -> Services:
    """Start the servers of a state folder, or find them running, and use them until we end.

    Parameters
    ----------
    state : folder of the servers' files, `states.default_state()` if None

    Raises
    ------
    ServicesUnavailable
        The folder cannot be used or a server does not start.
    """
    folder = _folder(state)
    if folder not in _held:
        users = Lock(folder / "users.lock")
        # Waits while a keeper that has lost its last user is still stopping the servers.
        users.take(shared=True)
        _held[folder] = users
        atexit.register(release, folder, os.getpid())
    with Lock(folder / "start.lock") as starting:
        starting.take()
        if not status(folder).running:
            _start_keeper(folder)
        known = credentials.read(folder)
    if known is None:
        raise ServicesUnavailable(f"{folder}/services.json has gone while the servers run.")
    return Services(known.database_url, known.redis_url)


def _folder(state: Path | None) -> Path:
    try:
        return states.prepare(state or states.default_state())
    except states.UnusableState as error:
        raise ServicesUnavailable(str(error)) from error


def _start_keeper(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hikiproject.keeper", str(folder)],
        cwd=states.BASE,
        env=child_environment({"PYTHONPATH": str(states.BASE)}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    if done.returncode:
        raise ServicesUnavailable(done.stderr.strip() or f"See {folder / 'keeper.log'}.")


def secret_key() -> str:
    """Return Django's secret key of this machine, made at the first call."""
    folder = _folder(None)
    path = folder / "secret.key"
    with Lock(folder / "start.lock") as starting:
        starting.take()
        if not path.exists():
            credentials.write_private(path, secrets.token_urlsafe(50))
        return path.read_text()


def status(state: Path | None = None) -> Status:
    """Whether the servers of a state folder run, and under which keeper."""
    folder = state or states.default_state()
    if not (folder / "keeper.lock").exists():
        return Status(folder, running=False, keeper_pid=None)
    with Lock(folder / "keeper.lock") as file:
        if file.try_take(shared=True):
            return Status(folder, running=False, keeper_pid=None)
        pid = file.read()
    return Status(folder, running=True, keeper_pid=int(pid) if pid else None)


def stop(state: Path | None = None) -> None:
    """Stop the servers now, whoever uses them, and wait until they are gone."""
    found = status(state)
    if found.keeper_pid is not None:
        with suppress(ProcessLookupError):
            os.kill(found.keeper_pid, signal.SIGTERM)
    _wait_until_stopped(found.state)


def release(state: Path, pid: int | None = None) -> None:
    """End our use; the last user waits until the servers are gone."""
    # A forked child inherits this exit hook, but its parent still uses the servers.
    if pid not in (None, os.getpid()) or state not in _held:
        return
    _held.pop(state).close()
    if not state.exists():  # removed under us, e.g. by a person who starts anew
        return
    # A new description: a forked child may still share the old one, and then uses the servers.
    with Lock(state / "users.lock") as users:
        alone = users.try_take()
    if alone:
        _wait_until_stopped(state)


def _wait_until_stopped(folder: Path) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while status(folder).running and time.monotonic() < deadline:
        time.sleep(0.05)
