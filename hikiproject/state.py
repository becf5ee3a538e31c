"""Where the embedded servers keep their files, and who they run as."""

import hashlib
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

BASE = Path(__file__).resolve().parent.parent


class UnusableState(Exception):
    """No state folder can be used; the message says which, why, and what to do."""


@dataclass(frozen=True)
class Servant:
    """The user that PostgreSQL and Valkey run as when root starts them."""

    uid: int
    gid: int


def servant() -> Servant | None:
    """``nobody`` for root (PostgreSQL refuses to run as root), None for everybody else."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Servant(nobody.pw_uid, nobody.pw_gid)


def reachable(path: Path) -> bool:
    """Whether any user may walk down to `path` (its parents; `path` itself need not exist)."""
    return all(
        parent.stat().st_mode & stat.S_IXOTH
        for parent in path.absolute().parents
        if parent.exists()
    )


def _digest() -> str:
    return hashlib.sha256(os.fsencode(BASE)).hexdigest()[:12]


def default_state() -> Path:
    """``HIKI_STATE``; else ``.hiki`` beside manage.py; else the user's own state folder.

    The last is taken where the checkout is read-only, or, for root, lies in a folder that the
    user ``nobody`` cannot enter (PostgreSQL runs as that user then).
    """
    named = os.environ.get("HIKI_STATE")
    if named:
        return Path(named).absolute()
    beside = BASE / ".hiki"
    if os.geteuid() == 0:
        return beside if reachable(beside) else Path("/var/lib/hikiproject") / _digest()
    owned = beside.stat().st_uid == os.geteuid() if beside.exists() else os.access(BASE, os.W_OK)
    if owned:
        return beside
    root = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(root) / "hikiproject" / _digest()


def prepare(state: Path) -> Path:
    """Make the state folder, private to its owner; as root, passable for the servers' user."""
    try:
        state.mkdir(parents=True, exist_ok=True)
        owner = state.stat().st_uid
    except OSError as error:
        raise UnusableState(
            f"{state}: {error.strerror}. Set HIKI_STATE to a folder that you may write."
        ) from error
    if owner != os.geteuid():
        raise UnusableState(
            f"{state} belongs to {pwd.getpwuid(owner).pw_name}. "
            "Set HIKI_STATE to a folder of your own."
        )
    if servant() is not None and not reachable(state):
        raise UnusableState(
            f"{state} lies in a folder that the user nobody cannot enter, and PostgreSQL runs as "
            "that user when root starts it. Set HIKI_STATE to a folder outside, such as "
            "/var/lib/hikiproject."
        )
    state.chmod(0o711 if servant() else 0o700)
    return state
