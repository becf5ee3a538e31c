"""Memory of a process and its child: large parts pass through it without a pipe between."""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Sequence
from typing import Self

ANSWER_BYTES = 2**29
"""The most that an answer may hold here; pages that nobody writes to are none."""
_ALIGNED = 64


class Shared:
    """A stretch of memory by its descriptor, whose size neither side can change."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def holding(cls, content: bytes) -> Self:
        """Memory that holds a file and that nobody writes to any more."""
        made = cls(_memory())
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(made.descriptor, rest) :]
        made._seal(fcntl.F_SEAL_WRITE)
        return made

    @classmethod
    def empty(cls, n_bytes: int = ANSWER_BYTES) -> Self:
        made = cls(_memory())
        os.ftruncate(made.descriptor, n_bytes)
        made._seal()
        return made

    def _seal(self, also: int = 0) -> None:
        # Whoever reads from memory that the other end has cut short is ended by the kernel.
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL | also
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, seals)

    def fileno(self) -> int:
        return self.descriptor

    @property
    def n_bytes(self) -> int:
        return os.fstat(self.descriptor).st_size

    def content(self) -> bytes:
        """All of it."""
        got = os.pread(self.descriptor, self.n_bytes, 0)
        if len(got) < self.n_bytes:
            raise EOFError
        return got

    def put(self, parts: Sequence[memoryview]) -> bool:
        """Write the parts one after the other; False where they are more than it holds."""
        sizes = [part.nbytes for part in parts]
        *places, end = _places(sizes)
        if end > self.n_bytes:
            return False
        if end:
            with mmap.mmap(self.descriptor, end) as memory:
                for place, size, part in zip(places, sizes, parts, strict=True):
                    memory[place : place + size] = part
        return True

    def take(self, sizes: Sequence[int]) -> list[memoryview]:
        """The parts that were put there, to be read and written; they live as long as these."""
        *places, end = _places(sizes)
        if end > self.n_bytes:
            raise EOFError
        memory = memoryview(mmap.mmap(self.descriptor, end)) if end else memoryview(b"")
        return [memory[place : place + size] for place, size in zip(places, sizes, strict=True)]

    def close(self) -> None:
        """What was taken stays."""
        os.close(self.descriptor)


def _memory() -> int:
    return os.memfd_create("table", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)


def _places(sizes: Sequence[int]) -> list[int]:
    """Where each part begins, and the end of all of them."""
    places = [0]
    for size in sizes:
        places.append(places[-1] + -(-size // _ALIGNED) * _ALIGNED)
    return places
