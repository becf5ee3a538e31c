"""The quick way through a plain CSV; whatever is not plain goes the way that names its faults."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

_CONTROLS = bytes(set(range(32)) - {9, 10, 13}) + b"\x7f"
_BLOCK = 1 << 20


def has_no_controls(content: bytes) -> bool:
    """Whether plain ASCII holds no control character; one pass without a regex."""
    return content.isascii() and len(content.translate(None, _CONTROLS)) == len(content)


def read_plain(content: bytes, delimiter: str) -> pd.DataFrame | None:
    """The rows under their header, every cell as text, indexed by row; None where not plain.

    Plain is ASCII without quotes, blank lines, lone carriage returns or white space around cells,
    with as many cells in each row as in the header and no column without a name.
    """
    if not _is_plain(content, delimiter.encode()):
        return None
    header = content[: content.index(b"\n")].decode().rstrip("\r").split(delimiter)
    if (
        any(not h or h != h.strip() for h in header)
        or len(set(header)) < len(header)
        or any(len(h) > 200 for h in header)
    ):
        return None
    try:
        read = arrow_csv.read_csv(
            io.BytesIO(content),
            read_options=arrow_csv.ReadOptions(
                use_threads=False, block_size=max(_BLOCK, 2 * len(content) // 16)
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter, quote_char=False, ignore_empty_lines=False
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.large_string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        return None  # a row of another width: the slow way says which
    if not read.num_rows or "" in read.column(0).unique().to_pylist():
        return None  # a row of empty cells is no row, but counts
    dtype = pd.StringDtype("pyarrow", na_value=float("nan"))
    columns = {
        name: pd.arrays.ArrowStringArray(column, dtype=dtype)  # type: ignore[call-arg]  # stubs lag
        for name, column in zip(header, read.columns, strict=True)
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(2, read.num_rows + 2, name="row"), copy=False)


def _is_plain(content: bytes, delimiter: bytes) -> bool:
    end = content.find(b"\n")
    return (
        0 < end < len(content) - 1
        and content.isascii()
        and b'"' not in content
        and b"\n\n" not in content
        and _breaks_lines_one_way(content)
        and (delimiter == b"\t" or content.find(b"\t", end) < 0)
        and (content.find(b" ", end) < 0 or not _has_loose_spaces(content[end:], delimiter))
    )


def _is_plain_name(name: str) -> bool:
    return 0 < len(name) <= 200 and name == name.strip()


def _breaks_lines_one_way(content: bytes) -> bool:
    n = content.count(b"\r") if b"\r" in content else 0
    return not n or (b"\n\r" not in content and n == content.count(b"\r\n"))


def _has_loose_spaces(body: bytes, delimiter: bytes) -> bool:
    around = (b" " + delimiter, delimiter + b" ", b" \n", b"\n ", b" \r")
    return any(each in body for each in around) or body.endswith(b" ")


def numbers_in(column: pd.Series) -> NDArray[np.float64] | None:
    """A column of plain finite numbers and gaps (NaN); None where any cell is something else.

    Arrow rounds as ``float()`` does, and takes no underscores, other digits or white space.
    """
    texts = pa.array(column.array)
    try:
        numbers = pc.cast(pc.if_else(pc.equal(texts, ""), None, texts), pa.float64())
    except pa.ArrowInvalid:
        return None
    values: NDArray[np.float64] = numbers.to_numpy(zero_copy_only=False)
    # It reads "nan" and "inf", and rounds what is too large or too small: those are named.
    if np.isfinite(values).sum() < len(values) - numbers.null_count:
        return None
    zeros = texts.filter(pa.array(values == 0))
    lost = len(zeros) and pc.any(pc.match_substring_regex(zeros, "^[^eE]*[1-9]")).as_py()
    return None if lost else values
