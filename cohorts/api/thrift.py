"""Thrift's compact protocol, as far as a Parquet footer is written in it: read, changed, written.

A struct is a list of ``[field id, type, value]``; a list is ``(type of its elements, elements)``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
NUMBERS = (I16, I32, I64)
LONG_LIST = 15  # the size stands behind the head
Fields = list[list[Any]]


class Reader:
    """Reads one struct from the beginning of some bytes."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def struct(self) -> Fields:
        """Its fields in their order."""
        found: Fields = []
        field = 0
        while head := self._byte():
            kind, step = head & 15, head >> 4
            field = field + step if step else self._zigzag()
            found.append([field, kind, self._value(kind)])
        return found

    def _value(self, kind: int) -> Any:
        if kind in NUMBERS:
            return self._zigzag()
        if kind == STRUCT:
            return self.struct()
        if kind == BINARY:
            return self._bytes(self._varint())
        if kind in (LIST, SET):
            return self._list()
        if kind in (TRUE, FALSE):
            return kind == TRUE
        if kind == BYTE:
            return self._byte()
        if kind == DOUBLE:
            return self._bytes(8)
        raise ValueError(f"A Parquet footer has no field of Thrift's type {kind}.")

    def _list(self) -> tuple[int, list[Any]]:
        head = self._byte()
        kind, size = head & 15, head >> 4
        size = self._varint() if size == LONG_LIST else size
        # Truths in a list are bytes; as fields they are types.
        read = BYTE if kind in (TRUE, FALSE) else kind
        return kind, [self._value(read) for _ in range(size)]

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _bytes(self, size: int) -> bytes:
        self._at += size
        return self._data[self._at - size : self._at]

    def _varint(self) -> int:
        found = shift = 0
        while True:
            byte = self._byte()
            found |= (byte & 127) << shift
            if byte < 128:
                return found
            shift += 7

    def _zigzag(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)


def struct(fields: Fields) -> bytes:
    """The bytes of a struct."""
    out, before = bytearray(), 0
    for field, kind, value in fields:
        kind = (TRUE if value else FALSE) if kind in (TRUE, FALSE) else kind
        out += field_head(before, field, kind)
        out += b"" if kind in (TRUE, FALSE) else _value(kind, value)
        before = field
    return bytes(out) + b"\0"


def field_head(before: int, field: int, kind: int) -> bytes:
    """What stands before a field's value; ``before`` is the field that came last."""
    step = field - before
    return bytes([step << 4 | kind]) if 0 < step < 16 else bytes([kind]) + _zigzag(field)


def numbers(before: int, fields: Iterable[tuple[int, int]]) -> bytes:
    """Fields of large numbers, without the end of their struct."""
    out = b""
    for field, number in fields:
        out += field_head(before, field, I64) + _zigzag(number)
        before = field
    return out


def list_head(kind: int, size: int) -> bytes:
    """What stands before the elements of a list."""
    if size < LONG_LIST:
        return bytes([size << 4 | kind])
    return bytes([LONG_LIST << 4 | kind]) + _varint(size)


def _value(kind: int, value: Any) -> bytes:
    if kind in NUMBERS:
        return _zigzag(value)
    if kind == STRUCT:
        return struct(value)
    if kind == BINARY:
        return _varint(len(value)) + bytes(value)
    if kind == DOUBLE:
        return bytes(value)
    if kind in (LIST, SET):
        inside, elements = value
        written = BYTE if inside in (TRUE, FALSE) else inside
        return list_head(inside, len(elements)) + b"".join(_value(written, e) for e in elements)
    return bytes([value])


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


def _zigzag(number: int) -> bytes:
    return _varint(number << 1 if number >= 0 else (-number << 1) - 1)
