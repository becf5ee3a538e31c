"""Trees of plain values, arrays and frames as bytes, bit for bit and without pickle; their digest.

A tree is None, a truth value, a number, a text, a NumPy array of numbers or texts, a frame, or a
list or dict of trees. What comes back is equal bit for bit, and reads the same whoever packed it.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

Tree = Any
_LEAF = "$leaf"
_ZSTD = pa.Codec("zstd")
_TEXT = pd.StringDtype(na_value=np.nan)  # "str", found once


def skeleton(tree: Tree, put: Callable[[Tree], Any]) -> Tree:
    """The tree as JSON, with what ``put`` answers in the place of each array and frame."""
    if isinstance(tree, dict):
        return {str(key): skeleton(value, put) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [skeleton(value, put) for value in tree]
    if isinstance(tree, np.ndarray | pd.DataFrame):
        return {_LEAF: put(tree)}
    if isinstance(tree, np.generic):
        return tree.item()
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    raise TypeError(f"{type(tree).__name__} cannot be packed: use numbers, texts, arrays, frames.")


def filled(bones: Tree, get: Callable[[Any], Tree]) -> Tree:
    """The tree whose skeleton this is; ``get`` takes what ``put`` answered."""
    if isinstance(bones, dict):
        if bones.keys() == {_LEAF}:
            return get(bones[_LEAF])
        return {key: filled(value, get) for key, value in bones.items()}
    if isinstance(bones, list):
        return [filled(value, get) for value in bones]
    return bones


def pack(tree: Tree) -> bytes:
    """The tree as compressed bytes."""
    leaves: list[bytes] = []

    def put(leaf: Tree) -> int:
        leaves.append(pack_leaf(leaf))
        return len(leaves) - 1

    head = json.dumps([skeleton(tree, put), [len(leaf) for leaf in leaves]]).encode()
    body = b"".join([struct.pack("<Q", len(head)), head, *leaves])
    packed: bytes = _ZSTD.compress(body, asbytes=True)
    return struct.pack("<Q", len(body)) + packed


def unpack(packed: bytes) -> Tree:
    """The tree that `pack` was given."""
    data = memoryview(packed)
    (size,) = struct.unpack("<Q", data[:8])
    body = memoryview(_ZSTD.decompress(data[8:], decompressed_size=size, asbytes=True))
    (end,) = struct.unpack("<Q", body[:8])
    bones, sizes = json.loads(bytes(body[8 : 8 + end]))
    ends = np.cumsum([8 + end, *sizes]).tolist()
    return filled(bones, lambda at: unpack_leaf(body[ends[at] : ends[at + 1]]))


def pack_leaf(leaf: NDArray[Any] | pd.DataFrame) -> bytes:
    """An array or frame as bytes."""
    if isinstance(leaf, pd.DataFrame):
        return b"F" + _pack_frame(leaf)
    if leaf.dtype.kind in "OU":
        return b"T" + json.dumps([list(leaf.shape), leaf.ravel().tolist()]).encode()
    return _joined(b"A", [leaf.dtype.str, list(leaf.shape)], np.ascontiguousarray(leaf).tobytes())


def unpack_leaf(packed: bytes | memoryview) -> NDArray[Any] | pd.DataFrame:
    """The array or frame that `pack_leaf` was given."""
    data = memoryview(packed)
    kind, rest = bytes(data[:1]), data[1:]
    if kind == b"F":
        return _frame(rest)
    if kind == b"T":
        shape, texts = json.loads(bytes(rest))
        return np.array(texts, dtype=str).reshape(shape)
    (end,) = struct.unpack("<Q", rest[:8])
    dtype, shape = json.loads(bytes(rest[8 : 8 + end]))
    return np.frombuffer(rest[8 + end :], dtype=dtype).reshape(shape).copy()


def digest_of(tree: Tree, of_leaf: Callable[[Tree], str] | None = None) -> str:
    """A digest of all that a tree holds."""
    return digest_of_bytes(json.dumps(skeleton(tree, of_leaf or leaf_digest)).encode())


def leaf_digest(leaf: NDArray[Any] | pd.DataFrame) -> str:
    """A digest of an array or frame: kind, shape, names and every value."""
    return digest_of_bytes(pack_leaf(leaf))


def digest_of_bytes(content: bytes) -> str:
    """BLAKE2b of 32 bytes: as safe as SHA-256, and twice as fast where no instruction helps."""
    return hashlib.blake2b(content, digest_size=32).hexdigest()


def canonical(leaf: NDArray[Any] | pd.DataFrame) -> NDArray[Any] | pd.DataFrame:
    """The leaf as `unpack_leaf` would give it, down to the order in memory.

    Sums over another order in memory differ in their last bits: a piece computed here and one
    computed by a worker elsewhere must read the same.
    """
    if isinstance(leaf, pd.DataFrame) and _one_block(leaf):
        return _numbers(
            leaf.to_numpy(), leaf.columns.tolist(), leaf.index.tolist(), leaf.index.name
        )
    if isinstance(leaf, np.ndarray) and leaf.dtype.kind not in "OU":
        return leaf if leaf.flags.c_contiguous else np.ascontiguousarray(leaf)
    return unpack_leaf(pack_leaf(leaf))


def _numbers(
    values: NDArray[np.float64], columns: list[str], index: list[Any], name: Hashable
) -> pd.DataFrame:
    rows = pd.Index(index, name=name)
    return pd.DataFrame(np.ascontiguousarray(values), index=rows, columns=columns)


def _one_block(frame: pd.DataFrame) -> bool:
    return set(frame.dtypes.tolist()) == {np.dtype(np.float64)}


def _pack_frame(frame: pd.DataFrame) -> bytes:
    head: dict[str, Any] = {
        "columns": frame.columns.tolist(),
        "index": frame.index.tolist(),
        "name": frame.index.name,
    }
    if _one_block(frame):
        return _joined(b"N", head, np.ascontiguousarray(frame.to_numpy()).tobytes())
    # Column by column: numbers as their bytes, everything else as JSON holds it.
    kept = [column for _, column in frame.items()]
    numbers = [column.dtype.kind in "biuf" for column in kept]
    head["dtypes"] = [str(column.dtype) for column in kept]
    head["others"] = [None if n else c.tolist() for c, n in zip(kept, numbers, strict=True)]
    body = [c.to_numpy().tobytes() for c, n in zip(kept, numbers, strict=True) if n]
    return _joined(b"C", head, *body)


def _joined(kind: bytes, head: Any, *body: bytes) -> bytes:
    text = json.dumps(head).encode()
    return b"".join([kind, struct.pack("<Q", len(text)), text, *body])


def _frame(packed: memoryview) -> pd.DataFrame:
    kind = bytes(packed[:1])
    (end,) = struct.unpack("<Q", packed[1:9])
    head, rest = json.loads(bytes(packed[9 : 9 + end])), packed[9 + end :]
    names, index = head["columns"], head["index"]
    if kind == b"N":
        values = np.frombuffer(rest, dtype=np.float64).reshape(len(index), len(names))
        return _numbers(values, names, index, head["name"])
    rows = pd.Index(index, name=head["name"])
    columns: dict[int, Any] = {}
    for at, (dtype, told) in enumerate(zip(head["dtypes"], head["others"], strict=True)):
        if told is None:
            size = np.dtype(dtype).itemsize * len(index)
            columns[at], rest = np.frombuffer(rest[:size], dtype=dtype), rest[size:]
        elif dtype == "str":
            # By Arrow, which reads them at once: pandas would look at each text, and twice.
            texts = pa.array(told, pa.large_string(), from_pandas=True)
            columns[at] = pd.array(texts, dtype=_TEXT)
        else:
            columns[at] = pd.array(told, dtype=dtype)
    read = pd.DataFrame(columns, index=rows)
    read.columns = pd.Index(names) if names else pd.Index([], dtype="str")
    return read
