"""Ports and passwords of the embedded servers, kept in one file of mode 0600."""

import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass, replace
from pathlib import Path

ROLE = DATABASE = "hiki"


class CredentialsLost(Exception):
    """A database is there, its passwords are not."""


@dataclass(frozen=True)
class Credentials:
    """How to reach the servers of one state folder; the same over restarts where possible."""

    database_port: int
    database_password: str
    superuser_password: str
    broker_port: int
    broker_password: str

    @property
    def database_url(self) -> str:
        """URL of the application's database, for the role that owns it."""
        return (
            f"postgres://{ROLE}:{self.database_password}@127.0.0.1:{self.database_port}/{DATABASE}"
        )

    @property
    def redis_url(self) -> str:
        """URL of the first Valkey database."""
        return f"redis://:{self.broker_password}@127.0.0.1:{self.broker_port}/0"


def free_port(wanted: int = 0) -> int:
    """`wanted` if nobody listens there, else any free port of the loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return free_port()
        return int(probe.getsockname()[1])


def write_private(path: Path, text: str) -> None:
    """Write `path` with mode 0600, wholly or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read(state: Path) -> Credentials | None:
    """What an earlier start wrote, or None."""
    try:
        return Credentials(**json.loads((state / "services.json").read_text()))
    except FileNotFoundError:
        return None


def renew(state: Path) -> Credentials:
    """The earlier passwords, or new ones; the earlier ports unless something else took them."""
    known = read(state)
    if known is None:
        if (state / "postgres" / "data").exists():
            raise CredentialsLost(
                f"{state / 'services.json'} is gone, and with it the passwords of the database "
                f"beside it. Put the file back, or remove {state} to begin anew."
            )
        word = secrets.token_urlsafe
        known = Credentials(0, word(24), word(24), 0, word(24))
    database, broker = free_port(known.database_port), free_port(known.broker_port)
    known = replace(known, database_port=database, broker_port=broker)
    write_private(state / "services.json", json.dumps(asdict(known), indent=1))
    return known
