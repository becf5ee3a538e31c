"""Tables as CSV and Parquet, beside JSON. Here, not in hikiproject: imports run downhill."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.utils.encoders import JSONEncoder

from cohorts.spreadsheets import text_only


class FileRenderer(BaseRenderer):
    """Renders a file; an error stays a JSON problem."""

    render_style = "binary"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        context = dict(renderer_context or {})
        response = context.get("response")
        if response is not None and response.exception:
            problem: bytes = JSONRenderer().render(data, None, context)
            return problem
        return self.content_of(data)

    def content_of(self, data: Any) -> bytes:
        raise NotImplementedError


class TableRenderer(FileRenderer):
    """Renders a DataFrame, a list of dicts, or a page of them."""

    def content_of(self, data: Any) -> bytes:
        return self.write(frame_of(data))

    def write(self, frame: pd.DataFrame) -> bytes:
        raise NotImplementedError


class CsvRenderer(TableRenderer):
    """UTF-8; numbers stay numbers, and no text cell is a formula."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def write(self, frame: pd.DataFrame) -> bytes:
        return neutralised(frame).to_csv(index=False).encode()


class ParquetRenderer(TableRenderer):
    media_type = "application/vnd.apache.parquet"
    format = "parquet"
    charset = None

    def write(self, frame: pd.DataFrame) -> bytes:
        buffer = BytesIO()
        frame.to_parquet(buffer, index=False, compression="zstd")
        return buffer.getvalue()


class TableJsonRenderer(JSONRenderer):
    """JSON, of a frame by its columns; the numbers are written by Arrow, which is most of it."""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        context = dict(renderer_context or {})
        if not isinstance(data, pd.DataFrame):
            rendered: bytes = super().render(data, accepted_media_type, context)
            return rendered
        if self.get_indent(accepted_media_type or "", context) is None:
            return json_of(data)
        indented: bytes = super().render(records_of(data), accepted_media_type, context)
        return indented


TABLE_RENDERERS = [TableJsonRenderer, CsvRenderer, ParquetRenderer]


def frame_of(data: Any) -> pd.DataFrame:
    """The table in ``data``; lists and dicts inside a cell become text."""
    if isinstance(data, pd.DataFrame):
        return data
    rows = data["results"] if isinstance(data, Mapping) and "results" in data else data
    rows = [rows] if isinstance(rows, Mapping) else rows
    return pd.DataFrame([{name: cell_of(value) for name, value in row.items()} for row in rows])


def cell_of(value: Any) -> Any:
    """A value as one cell: lists and dicts become text."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ";".join(value)
    if isinstance(value, list | dict):
        return json.dumps(value, cls=JSONEncoder, ensure_ascii=False)
    return value if value is None or isinstance(value, str | int | float) else str(value)


def neutralised(frame: pd.DataFrame) -> pd.DataFrame:
    """A copy in which no text cell begins like a formula: an apostrophe stands before it."""
    shown = frame.copy()
    for name in shown.columns:
        if not (
            pd.api.types.is_numeric_dtype(shown[name]) or pd.api.types.is_bool_dtype(shown[name])
        ):
            shown[name] = shown[name].astype(object).map(text_only, na_action="ignore")
    return shown


def records_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows for JSON: plain Python values, and null where the table has no number."""
    # By columns: a third of the time that pandas takes to make the rows itself.
    columns = [_plain(frame[name]) for name in frame.columns]
    names = [str(name) for name in frame.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _plain(column: pd.Series[Any]) -> list[Any]:
    values, lacking = column.tolist(), column.isna()
    if not lacking.any():
        return values
    return [None if gone else each for each, gone in zip(values, lacking.tolist(), strict=True)]


def json_of(frame: pd.DataFrame) -> bytes:
    """`records_of` as JSON, without the objects in between."""
    texts: list[pa.Array | pa.Scalar] = []
    for name in frame.columns:
        texts += [pa.scalar(f"{',' if texts else '{'}{json.dumps(str(name))}:"), _text(frame[name])]
    if not texts or not len(frame):
        return b"[]"
    rows = pc.binary_join_element_wise(*texts, pa.scalar("}"), pa.scalar(""))
    return f"[{','.join(rows.to_pylist())}]".encode()


def _text(column: pd.Series[Any]) -> pa.Array:
    """Each value as JSON writes it; null where there is none, and where no JSON number can be."""
    if pd.api.types.is_bool_dtype(column):
        told = pa.array(column, from_pandas=True).cast(pa.string())
    elif pd.api.types.is_numeric_dtype(column):
        told = _numbers(pa.array(column, from_pandas=True))
    else:
        values = _plain(column)
        known = {value: json.dumps(value, ensure_ascii=False) for value in set(values)}
        told = pa.array([known[value] for value in values], pa.string())
    return told.fill_null("null")


def _numbers(values: pa.Array) -> pa.Array:
    if not pa.types.is_floating(values.type):
        return values.cast(pa.string())
    finite = pc.if_else(pc.is_finite(values), values, pa.scalar(None, values.type))
    text = finite.cast(pa.string())  # the shortest that is read back as the same number
    if not pc.any(pc.equal(pc.trunc(finite), finite)).as_py():
        return text
    whole = pc.match_substring_regex(text, r"^-?[0-9]+$")
    return pc.if_else(whole, pc.binary_join_element_wise(text, ".0", ""), text)
