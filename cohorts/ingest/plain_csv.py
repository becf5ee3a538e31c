"""The quick way through a plain CSV; whatever is not plain goes the way that names its faults."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

_WHITE = np.frombuffer(b"\t\n\r", np.uint8)
_LINE_END = ord("\n")
_BLOCK = 8 << 20  # a block's cells must not be many more than its columns
_PIECE = 1 << 18


def has_no_controls(content: bytes) -> bool:
    """Whether it is plain ASCII without control characters but tabs and the ends of lines."""
    codes = np.frombuffer(content, np.uint8)
    # A copy of the whole would be new memory, and costs more than what is done with it.
    return all(
        _is_printable(codes[start : start + _PIECE]) for start in range(0, len(codes), _PIECE)
    )


def _is_printable(codes: NDArray[np.uint8]) -> bool:
    if codes.max() >= 0x7F:
        return False
    low = codes < 0x20
    # Mostly these are the ends of lines and nothing else, and to pick them out costs more.
    return np.count_nonzero(low) == np.count_nonzero(codes == _LINE_END) or bool(
        np.isin(codes[low], _WHITE).all()
    )


def n_line_ends(content: bytes) -> int:
    """As ``content.count(b"\\n")``, which looks at one byte at a time."""
    codes = np.frombuffer(content, np.uint8)
    ends = (codes[start : start + _PIECE] == _LINE_END for start in range(0, len(codes), _PIECE))
    return sum(map(np.count_nonzero, ends))


def read_plain(content: bytes, delimiter: str) -> pd.DataFrame | None:
    """The rows under their header, every cell as text, indexed by row; None where not plain.

    Plain is ASCII without quotes, blank lines, lone carriage returns or white space around cells,
    with as many cells in each row as in the header and no column without a name.
    """
    header = plain_header(content, delimiter)
    read = _read(content, delimiter, dict.fromkeys(header, pa.large_string())) if header else None
    return None if read is None else text_frame(read, header)


def plain_header(content: bytes, delimiter: str) -> list[str]:
    """The names of the columns; none where the file is not plain."""
    if not _is_plain(content, delimiter.encode()):
        return []
    header = content[: content.index(b"\n")].decode().rstrip("\r").split(delimiter)
    is_clear = all(map(_is_plain_name, header)) and len(set(header)) == len(header)
    return header if is_clear else []


def _read(content: bytes, delimiter: str, types: Mapping[str, pa.DataType]) -> pa.Table | None:
    try:
        read = arrow_csv.read_csv(
            pa.BufferReader(content),
            read_options=arrow_csv.ReadOptions(
                use_threads=False, block_size=max(_BLOCK, 2 * len(content) // 16)
            ),
            parse_options=parse_options(delimiter),
            convert_options=convert_options(types),
        )
    except pa.ArrowInvalid:
        return None  # a row of another width, or no number: the slow way says which
    # A row of empty cells is no row, but counts.
    return read if read.num_rows and "" not in read.column(0).unique().to_pylist() else None


def parse_options(delimiter: str) -> arrow_csv.ParseOptions:
    return arrow_csv.ParseOptions(delimiter=delimiter, quote_char=False, ignore_empty_lines=False)


def convert_options(types: Mapping[str, pa.DataType]) -> arrow_csv.ConvertOptions:
    return arrow_csv.ConvertOptions(column_types=types, strings_can_be_null=False, null_values=[""])


def text_frame(read: pa.Table, names: list[str]) -> pd.DataFrame:
    dtype = pd.StringDtype("pyarrow", na_value=float("nan"))
    columns = {
        name: pd.arrays.ArrowStringArray(column, dtype=dtype)  # type: ignore[call-arg]  # stubs lag
        for name, column in zip(names, read.columns, strict=True)
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(2, read.num_rows + 2, name="row"), copy=False)


def _is_plain(content: bytes, delimiter: bytes) -> bool:
    end = content.find(b"\n")
    return (
        0 < end < len(content) - 1
        and content.isascii()
        and b'"' not in content
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
        numbers = _cast(texts)
    except pa.ArrowInvalid:
        return None
    values: NDArray[np.float64] = numbers.to_numpy(zero_copy_only=False)
    # It reads "nan" and "inf", and rounds what is too large or too small: those are named.
    if np.isfinite(values).sum() < len(values) - numbers.null_count:
        return None
    zeros = texts.filter(pa.array(values == 0))
    lost = len(zeros) and pc.any(pc.match_substring_regex(zeros, "^[^eE]*[1-9]")).as_py()
    return None if lost else values


def _cast(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    has_gaps = pc.any(pc.equal(texts, "")).as_py()
    return pc.cast(
        pc.if_else(pc.equal(texts, ""), None, texts) if has_gaps else texts, pa.float64()
    )
