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
    places = memory.put(parts) if memory is not None else None
    connection.write(_HEAD.pack(places is not None, len(parts), len(head)))
    for numbers in ([part.nbytes for part in parts], places or ()):
        connection.write(struct.pack(f"<{len(numbers)}Q", *numbers))
    connection.write(head)
    for part in () if places is not None else parts:
        connection.write(part)
    connection.flush()


def receive(connection: BufferedRWPair, memory: Shared | None = None) -> Any:
    """The object; EOFError where the other end stopped before it was whole.

    Its large parts are memory that may be written to.
    """
    is_shared, count, size = _HEAD.unpack(_exactly(connection, _HEAD.size))
    sizes = _numbers(connection, count)
    places = _numbers(connection, count if is_shared else 0)
    head = _exactly(connection, size)
    if not is_shared:
        parts = [_part(connection, n) for n in sizes]
    elif memory is None:
        raise EOFError
    else:
        parts = memory.take(places, sizes)
    return pickle.loads(head, buffers=parts)  # noqa: S301 - from our own child, or its parent


def _numbers(connection: BufferedRWPair, count: int) -> tuple[int, ...]:
    return struct.unpack(f"<{count}Q", _exactly(connection, 8 * count))


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
