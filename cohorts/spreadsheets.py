"""Cells that a spreadsheet program would compute instead of showing."""

from __future__ import annotations

from typing import Any

# A spreadsheet runs a cell that begins so; the full-width twins too. The apostrophe is in the list
# so that taking one apostrophe off always gives back what was written.
LIVE = tuple("=+-@\t\r\n\0'＝＋－＠")


def text_only(value: Any) -> Any:
    """A text that a spreadsheet would compute, with an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(LIVE) else value
