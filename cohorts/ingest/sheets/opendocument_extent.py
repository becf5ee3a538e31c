"""How far the cells of an OpenDocument sheet reach, told without building its tree.

Written for how calamine reads: by the names as they stand in the file, prefix and all.
"""

from __future__ import annotations

import re

_ROW_END, _TABLE_END = b"</table:table-row>", b"</table:table>"
_TABLE = re.compile(rb"<table:table[\s>]")
_REPEATED = re.compile(rb"number-(rows|columns)-repeated\s*=\s*[\"']([0-9]{1,9})[\"']")
_FORMULA, _TYPE = b' table:formula="', b' office:value-type="'
_LIKE_ERROR = re.compile(rb">\s*(?:#|Err:)")
# Spreadsheets fill a row to its end with one empty cell.
_EMPTY_END = re.compile(rb"<table:table-cell(?:\s+table:[a-z-]+\s*=\s*\"[^\"<]*\")*\s*/>\s*$")


def may_hide(xml: bytes) -> bool:
    """Whether a cell may hold what calamine shows as empty: an error, an uncomputed formula."""
    n_formulas = xml.count(b"formula")
    if b"error" in xml or n_formulas != xml.count(_FORMULA):
        return True
    if not n_formulas:
        return False
    return b"&#" in xml or bool(_LIKE_ERROR.search(xml)) or not _all_computed(xml)


def _all_computed(xml: bytes) -> bool:
    """Whether each formula stands in a cell with the type of its value."""
    at = xml.find(_FORMULA)
    while at >= 0:
        cell = xml[xml.rfind(b"<", 0, at) : xml.find(b">", at)]
        if not (cell.startswith(b"<table:table-cell ") and _TYPE in cell):
            return False
        at = xml.find(_FORMULA, at + 1)
    return True


def reaches_at_most(xml: bytes, n_cells: int) -> bool:
    """Whether it is certain that the filled cells of the first sheet span no more than that."""
    end = xml.find(_TABLE_END)
    if end < 0 or len(_TABLE.findall(xml, 0, end)) != 1:
        return False
    n_rows = last = widest = 0
    for row in xml[:end].split(_ROW_END)[:-1]:
        times, across = _span(row)
        if times == 0:
            return False
        n_rows += times
        if across:
            last, widest = n_rows, max(widest, across)
    return last * widest <= n_cells


def _span(row: bytes) -> tuple[int, int]:
    """How often a row comes, 0 where unclear, and at most how far its filled cells reach."""
    cells = row[max(row.rfind(b"<table:table-row"), 0) :]
    n_repeated = cells.count(b"-repeated")
    if not n_repeated:
        return 1, _n_cells(cells)
    if n_repeated != len(_REPEATED.findall(cells)):
        return 0, 0
    filled = _EMPTY_END.sub(b"", cells)
    times, across = 1, 0
    for what, n in _REPEATED.findall(cells):
        times = times * int(n) if what == b"rows" else times
    for what, n in _REPEATED.findall(filled):
        across = across + int(n) if what == b"columns" else across
    n_cells = _n_cells(filled)
    return times, across + n_cells if n_cells else 0


def _n_cells(row: bytes) -> int:
    return row.count(b"<table:table-cell") + row.count(b"<table:covered-table-cell")
