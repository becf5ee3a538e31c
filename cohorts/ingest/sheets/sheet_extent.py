"""How far the cells of a sheet of a workbook reach, before anything makes room for them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_CELL = re.compile(rb"<(?:\w+:)?c\s[^>]*?\br\s*=\s*[\"']([A-Z]{1,3})([0-9]{1,7})[\"']")
_PIECE = 1 << 20
_LEAD, _REFERENCE = 6, 10  # of `<c r="` and of `XFD1048576`
_LONGEST = _LEAD + _REFERENCE


def extent(xml: bytes) -> tuple[int, int]:
    """The last row and the last column that any cell names, counted from 1; 0 where none does."""
    quick = _quick(xml)
    if quick is not None:
        return quick
    places = _CELL.findall(xml)
    n_rows = max((int(row) for _, row in places), default=0)
    return n_rows, max((column_number(letters) for letters in {c for c, _ in places}), default=0)


def column_number(letters: bytes) -> int:
    """``A`` is 1."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _quick(xml: bytes) -> tuple[int, int] | None:
    """The same of a sheet in which all cells begin as spreadsheets write them; None of others."""
    if b":c" in xml:  # a prefix
        return None
    n_rows = n_columns = 0
    for heads in _heads(np.frombuffer(xml, np.uint8)):
        if heads is None or not (heads[:, 3:_LEAD] == np.frombuffer(b'r="', np.uint8)).all():
            return None
        rows, columns = _places(heads[:, _LEAD:])
        n_rows, n_columns = max(n_rows, rows), max(n_columns, columns)
    return n_rows, n_columns


def _heads(codes: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8] | None]:
    """What each cell begins with; None where the last of them is cut off."""
    for start in range(0, len(codes), _PIECE):
        piece = codes[start : start + _PIECE + _LONGEST]
        begins = np.flatnonzero((piece[:-2] == ord("<")) & (piece[1:-1] == ord("c")))
        begins = begins[begins < _PIECE]
        begins = begins[np.isin(piece[begins + 2], np.frombuffer(b" \t\r\n", np.uint8))]
        if len(begins) and begins[-1] + _LONGEST > len(piece):
            yield None
        elif len(begins):
            yield piece[begins[:, None] + np.arange(_LONGEST)]


def _places(references: NDArray[np.uint8]) -> tuple[int, int]:
    rows = np.zeros(len(references), np.int64)
    columns = rows.copy()
    goes_on = np.ones(len(references), np.bool_)
    for codes in references.T.astype(np.int64):
        letters = goes_on & (codes >= ord("A")) & (codes <= ord("Z"))
        digits = goes_on & (codes >= ord("0")) & (codes <= ord("9"))
        columns = np.where(letters, columns * 26 + codes - 64, columns)
        rows = np.where(digits, rows * 10 + codes - 48, rows)
        goes_on = letters | digits
    return int(rows.max()), int(columns.max())
