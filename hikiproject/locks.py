"""File locks that the kernel takes back from a process that dies, however it dies."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import IO


def open_lock(path: Path) -> IO[str]:
    """Open a lock file of mode 0600; it closes on exec, but not on fork."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+")


def lock(file: IO[str], *, shared: bool = False) -> None:
    """Take a lock, waiting as long as it needs."""
    fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)


def try_lock(file: IO[str], *, shared: bool = False) -> bool:
    """Take a lock if that is possible at once; a lock held by `file` is changed to this kind."""
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    with suppress(BlockingIOError):
        fcntl.flock(file, kind | fcntl.LOCK_NB)
        return True
    return False
