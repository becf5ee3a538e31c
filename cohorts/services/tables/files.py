"""Sent files, kept by their content: written and synced before any row speaks of them."""

from __future__ import annotations

import hashlib
import os
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

from django.conf import settings

from cohorts.advisory import Advisory, hold


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


class Storing:
    """A content that is hashed and kept by a thread, while something else is done with it."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._hand = ThreadPoolExecutor(1)
        self._digest = self._hand.submit(digest_of, content)
        self._stored: Future[str] | None = None

    @property
    def digest(self) -> str:
        """Its SHA-256; nothing is written yet."""
        return self._digest.result()

    def begin(self) -> None:
        """Write it; `finish` before a row that names it is committed."""
        self._stored = self._stored or self._hand.submit(store, self._content, self.digest)

    def finish(self) -> None:
        """When this returns, the file survives a crash, and stays until this transaction ends."""
        self.begin()
        hold_for_naming()
        if self._stored is not None:
            self._stored.result()
        # Whoever removes files that no row names yet may have taken it for one.
        store(self._content, self.digest)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._hand.shutdown()


def read(digest: str) -> bytes:
    """The content with that SHA-256. FileNotFoundError if it was never stored."""
    return path_of(digest).read_bytes()


def hold_for_naming() -> None:
    """Until the end of this transaction, no file is removed: one that is stored can be named."""
    hold(Advisory.FILE_NAMING, shared=True)


def hold_all_for_removal() -> None:
    """Wait for those who are naming files; until the end of this transaction nobody else does."""
    hold(Advisory.FILE_NAMING)


def hold_for_rewriting() -> None:
    """Until the end of this transaction nobody else reads a file to store it without somebody."""
    hold(Advisory.FILE_REWRITING)


def path_of(digest: str) -> Path:
    return Path(settings.MEDIA_ROOT) / digest[:2] / digest


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
