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
_POPULATED = mmap.MAP_SHARED | mmap.MAP_POPULATE


class Shared:
    """A file, and then the answer in its place; neither side can change the memory's size."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def holding(cls, content: bytes, n_bytes: int = ANSWER_BYTES) -> Self:
        """Memory that begins with a file and has room for an answer."""
        made = cls(os.memfd_create("table", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
        os.ftruncate(made.descriptor, max(n_bytes, len(content)))
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(made.descriptor, rest) :]
        # Whoever reads from memory that the other end has cut short is ended by the kernel.
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(made.descriptor, fcntl.F_ADD_SEALS, seals)
        return made

    def fileno(self) -> int:
        return self.descriptor

    @property
    def n_bytes(self) -> int:
        return os.fstat(self.descriptor).st_size

    def content(self, size: int) -> bytes:
        """The file that is there until the answer is put."""
        got = os.pread(self.descriptor, size, 0)
        if len(got) < size:
            raise EOFError
        return got

    def put(self, parts: Sequence[memoryview]) -> bool:
        """Write the parts over the file; False where they are more than the memory holds."""
        sizes = [part.nbytes for part in parts]
        *places, end = _places(sizes)
        if end > self.n_bytes:
            return False
        if end:
            # The file's pages are there already: new ones cost more than what is done with them.
            with mmap.mmap(self.descriptor, end, flags=_POPULATED) as memory:
                for place, size, part in zip(places, sizes, parts, strict=True):
                    memory[place : place + size] = part
        return True

    def take(self, sizes: Sequence[int]) -> list[memoryview]:
        """The parts that were put there, to be read and written; they live as long as these."""
        *places, end = _places(sizes)
        if end > self.n_bytes:
            raise EOFError
        memory = memoryview(mmap.mmap(self.descriptor, end, flags=_POPULATED) if end else b"")
        return [memory[place : place + size] for place, size in zip(places, sizes, strict=True)]

    def close(self) -> None:
        """What was taken stays."""
        os.close(self.descriptor)


def _places(sizes: Sequence[int]) -> list[int]:
    """Where each part begins, and the end of all of them."""
    places = [0]
    for size in sizes:
        places.append(places[-1] + -(-size // _ALIGNED) * _ALIGNED)
    return places
