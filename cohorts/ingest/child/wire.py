"""What passes between a process and its child: an object, its large parts beside it as they are."""

from __future__ import annotations

import pickle
import struct
from io import BufferedRWPair
from typing import Any

import numpy as np

_COUNT = struct.Struct("<Q")


def send(connection: BufferedRWPair, message: object) -> None:
    """Write an object; arrays and `pickle.PickleBuffer` parts are not copied into its pickle."""
    parts: list[pickle.PickleBuffer] = []
    head = pickle.dumps(message, protocol=5, buffer_callback=parts.append)
    bodies = [memoryview(head), *(part.raw() for part in parts)]
    sizes = [body.nbytes for body in bodies]
    connection.write(struct.pack(f"<{len(sizes) + 1}Q", len(sizes), *sizes))
    for body in bodies:
        connection.write(body)
    connection.flush()


def receive(connection: BufferedRWPair, *, writable: bool = False) -> Any:
    """The object; EOFError where the other end stopped before it was whole.

    Its large parts are bytes, or memory that may be written to.
    """
    (count,) = _COUNT.unpack(_exactly(connection, _COUNT.size))
    sizes = struct.unpack(f"<{count}Q", _exactly(connection, _COUNT.size * count))
    head, *parts = (
        _into_memory(connection, size) if writable else _exactly(connection, size) for size in sizes
    )
    return pickle.loads(head, buffers=parts)  # noqa: S301 - from our own child, or its parent


def _exactly(connection: BufferedRWPair, size: int) -> bytes:
    got = connection.read(size)
    if len(got) < size:
        raise EOFError
    return got


def _into_memory(connection: BufferedRWPair, size: int) -> memoryview:
    # An array is not filled with noughts first, and a large one comes in large pages.
    view, at = memoryview(np.empty(size, np.uint8)), 0  # type: ignore[arg-type]  # has a buffer
    while at < size:
        n = connection.readinto(view[at:])
        if not n:
            raise EOFError
        at += n
    return view
