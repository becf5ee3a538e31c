"""Memory of a process and its child: large parts pass through it without a pipe between."""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Sequence
from typing import Self

import numpy as np

ANSWER_BYTES = 2**29
"""The most that an answer may hold here; pages that nobody writes to are none."""
_ALIGNED = 64
_POPULATED = mmap.MAP_SHARED | mmap.MAP_POPULATE


class Shared:
    """A file, and then the answer in its place; neither side can change the memory's size."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._room: memoryview | None = None

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

    def room(self, n_bytes: int) -> memoryview | None:
        """So many bytes over the file, seen by both ends while they are written; None for none.

        The file's pages are there already: new ones cost more than what is done with them.
        """
        if not 0 < n_bytes <= self.n_bytes:
            return None
        self._room = memoryview(mmap.mmap(self.descriptor, n_bytes, flags=_POPULATED))
        return self._room

    def put(self, parts: Sequence[memoryview]) -> list[int] | None:
        """Where each part now is: written over the file and behind the room, or there already.

        None where they are more than the memory holds.
        """
        first = end = _aligned(self._room.nbytes if self._room else 0, mmap.PAGESIZE)
        places: list[int] = []
        for part in parts:
            there = self._place_in_room(part)
            places.append(end if there is None else there)
            end += 0 if there is not None else _aligned(part.nbytes)
        if end > self.n_bytes:
            return None
        if end > first:
            with mmap.mmap(self.descriptor, end - first, offset=first, flags=_POPULATED) as memory:
                for place, part in zip(places, parts, strict=True):
                    if place >= first:
                        memory[place - first : place - first + part.nbytes] = part
        return places

    def take(self, places: Sequence[int], sizes: Sequence[int]) -> list[memoryview]:
        """The parts that were put there, to be read and written; they live as long as these."""
        ends = [place + size for place, size in zip(places, sizes, strict=True)]
        end = max(ends, default=0)
        if end > self.n_bytes:
            raise EOFError
        memory = memoryview(mmap.mmap(self.descriptor, end, flags=_POPULATED) if end else b"")
        return [memory[place:stop] for place, stop in zip(places, ends, strict=True)]

    def holds(self, part: memoryview) -> bool:
        """Whether a part is in the room, where both ends see it."""
        return part.contiguous and self._place_in_room(part) is not None

    def _place_in_room(self, part: memoryview) -> int | None:
        if self._room is None or not part.nbytes:
            return None
        place = _address(part) - _address(self._room)
        return place if 0 <= place <= self._room.nbytes - part.nbytes else None

    def close(self) -> None:
        """What was taken stays."""
        os.close(self.descriptor)


def _aligned(size: int, to: int = _ALIGNED) -> int:
    return -(-size // to) * to


def _address(part: memoryview) -> int:
    address: int = np.frombuffer(part, np.uint8).__array_interface__["data"][0]
    return address
