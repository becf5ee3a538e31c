"""Sent files, kept by their content: written and synced before any row speaks of them."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from django.conf import settings
from django.db import connection

# Any fixed number: shared by those who store a file and then name it in a row, alone for whoever
# removes files that no row names.
NAMING_LOCK = 0x48494B46
# A file that two sites sent is one file: of two who rewrite it at once, the second would bring back
# what the first has taken out.
REWRITING_LOCK = 0x48494B52


def digest_of(content: bytes) -> str:
    """The SHA-256 under which a content is kept."""
    return hashlib.sha256(content).hexdigest()


def store(content: bytes, digest: str = "") -> str:
    """Keep ``content`` under its SHA-256 and return that; the same content twice is one file.

    When this returns, the file survives a crash: a row without its file cannot exist. ``digest``
    is its `digest_of`, where that is known.
    """
    digest = digest or digest_of(content)
    target = path_of(digest)
    if target.exists():
        return digest
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".incoming-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o640)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)
    return digest


def read(digest: str) -> bytes:
    """The content with that SHA-256. FileNotFoundError if it was never stored."""
    return path_of(digest).read_bytes()


def hold_for_naming() -> None:
    """Until the end of this transaction, no file is removed: one that is stored can be named."""
    _hold("pg_advisory_xact_lock_shared", NAMING_LOCK)


def hold_all_for_removal() -> None:
    """Wait for those who are naming files; until the end of this transaction nobody else does."""
    _hold("pg_advisory_xact_lock", NAMING_LOCK)


def hold_for_rewriting() -> None:
    """Until the end of this transaction nobody else reads a file to store it without somebody."""
    _hold("pg_advisory_xact_lock", REWRITING_LOCK)


def path_of(digest: str) -> Path:
    return Path(settings.MEDIA_ROOT) / digest[:2] / digest


def _hold(function: str, lock: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [lock])


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
