"""File locks that the kernel takes back from a process that dies, however it dies."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self


class Lock:
    """A lock file of mode 0600; one object is one owner, shared with forked children.

    It closes on exec. Nothing is written about an owner that ends without closing it: that is how
    locks that last as long as a process are meant.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def take(self, *, shared: bool = False) -> None:
        """Take the lock, waiting as long as it needs."""
        fcntl.flock(self._file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)

    def try_take(self, *, shared: bool = False) -> bool:
        """Take the lock if that is possible at once."""
        with suppress(BlockingIOError):
            fcntl.flock(self._file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            return True
        return False

    def read(self) -> str:
        """What the owner wrote, its process id by custom."""
        return os.pread(self._file, 100, 0).decode()

    def write(self, text: str) -> None:
        """Replace the content of the file."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, text.encode(), 0)

    def close(self) -> None:
        """Give the lock back, unless a forked child still has it open."""
        os.close(self._file)
