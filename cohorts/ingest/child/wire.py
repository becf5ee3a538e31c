"""What passes between a process and its child: an object, its large parts beside it as they are."""

from __future__ import annotations

import pickle
import struct
from io import BufferedRWPair
from typing import Any

import numpy as np

from cohorts.ingest.child.memory import Shared

_HEAD = struct.Struct("<?QQ")  # whether parts are in shared memory, how many, the pickle's size


def send(connection: BufferedRWPair, message: object, memory: Shared | None = None) -> None:
    """Write an object; its arrays are not copied into its pickle, and go by ``memory`` if given."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    parts = [buffer.raw() for buffer in buffers]
    is_shared = memory is not None and memory.put(parts)
    connection.write(_HEAD.pack(is_shared, len(parts), len(head)))
    connection.write(struct.pack(f"<{len(parts)}Q", *(part.nbytes for part in parts)))
    connection.write(head)
    for part in () if is_shared else parts:
        connection.write(part)
    connection.flush()


def receive(connection: BufferedRWPair, memory: Shared | None = None) -> Any:
    """The object; EOFError where the other end stopped before it was whole.

    Its large parts are memory that may be written to.
    """
    is_shared, count, size = _HEAD.unpack(_exactly(connection, _HEAD.size))
    sizes = struct.unpack(f"<{count}Q", _exactly(connection, 8 * count))
    head = _exactly(connection, size)
    if is_shared and memory is None:
        raise EOFError
    parts = memory.take(sizes) if is_shared and memory else [_part(connection, n) for n in sizes]
    return pickle.loads(head, buffers=parts)  # noqa: S301 - from our own child, or its parent


def _exactly(connection: BufferedRWPair, size: int) -> bytes:
    got = connection.read(size)
    if len(got) < size:
        raise EOFError
    return got


def _part(connection: BufferedRWPair, size: int) -> memoryview:
    # An array is not filled with noughts first, and a large one comes in large pages.
    view, at = memoryview(np.empty(size, np.uint8)), 0  # type: ignore[arg-type]  # has a buffer
    while at < size:
        n = connection.readinto(view[at:])
        if not n:
            raise EOFError
        at += n
    return view
