"""Servers of a test's own, which it may kill: a PostgreSQL that is durable, and a Valkey."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from django.db import connection, connections

from hikiproject import state as states
from hikiproject.credentials import Credentials, free_port
from hikiproject.postgres import Postgres
from hikiproject.valkey import Valkey


@contextmanager
def _folder(name: str) -> Iterator[tuple[Path, Credentials]]:
    state = states.prepare(states.default_state()) / f"{name}-{secrets.token_hex(4)}"
    states.prepare(state)
    words = [secrets.token_urlsafe(12) for _ in range(3)]
    known = Credentials(free_port(), words[0], words[1], free_port(), words[2])
    shared = states.default_state() / "programs"
    if shared.exists():  # as root the programs are copied; once is enough
        (state / "programs").symlink_to(shared)
    try:
        yield state, known
    finally:
        shutil.rmtree(state, ignore_errors=True)


@contextmanager
def valkey() -> Iterator[Valkey]:
    """A broker; ``kill`` and ``back_empty`` do as their names say."""
    with _folder("valkey") as (state, known):
        server = Valkey(state, known)
        server.prepare()
        server.start()
        try:
            yield server
        finally:
            server.stop()


def back_empty(server: Valkey) -> None:
    """Start a killed broker without anything that it held."""
    shutil.rmtree(server.state / "valkey" / "appendonlydir", ignore_errors=True)
    server.start()


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A database that keeps what it has acknowledged."""
    with _folder("postgres") as (state, known):
        server = Postgres(state, known, durable=True)
        server.prepare()
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def in_use(server: Postgres) -> Iterator[None]:
    """This process, all its threads, works on that database instead of the tests' own."""
    url = urlsplit(server.credentials.database_url)
    place = {
        "HOST": url.hostname,
        "PORT": url.port,
        "USER": url.username,
        "PASSWORD": url.password,
        "NAME": url.path.removeprefix("/"),
    }
    before = {name: connection.settings_dict[name] for name in place}
    connections.close_all()
    connection.settings_dict.update(place)
    try:
        yield
    finally:
        connections.close_all()
        connection.settings_dict.update(before)


def kill(server: Postgres | Valkey) -> None:
    """SIGKILL to the server's first process."""
    assert server.process is not None
    server.process.kill()
    server.process.wait()
