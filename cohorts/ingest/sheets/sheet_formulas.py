"""Formulas and errors of a sheet that are written as spreadsheets write them: found by pattern.

A sheet of half a million cells with a computed column is then no slower than one of values.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import unescape

from cohorts.ingest.sheets.sheet_extent import column_number

_REFERENCE = rb'<c r="([A-Z]{1,3})([0-9]{1,7})"'
_FORMULA = re.compile(
    _REFERENCE
    + rb"((?:\s[^<>]*)?)><f(?:\s[^<>]*)?(?:/>|>([^<]*)</f>)(?:<v>([^<]*)</v>|<v\s*/>)?</c>"
)
_ERROR = re.compile(_REFERENCE + rb'(?:\s[^<>]*)?\st="e"(?:\s[^<>]*)?><v>([^<]*)</v></c>')
_ANY_FORMULA = re.compile(rb"<f[\s/>]")


def plain_formulas(xml: bytes) -> list[tuple[int, int, str]] | None:
    """Cells that show as empty although they are not: (row, column) from 0 and what to show.

    None where a formula or an error is written in any other way: then each cell is to be looked at.
    """
    n_es = xml.count(b'"e"')
    formulas, errors = _FORMULA.findall(xml), _ERROR.findall(xml) if n_es else []
    n_errors = len(errors) + sum(b't="e"' in attributes for _, _, attributes, _, _ in formulas)
    if (
        b":c" in xml
        or b":f" in xml
        or b"'e'" in xml
        or n_es != n_errors
        or len(_ANY_FORMULA.findall(xml)) != len(formulas)
    ):
        return None
    shown = [(letters, row, _text(value) or "#N/A") for letters, row, value in errors]
    for letters, row, attributes, formula, value in formulas:
        if b't="e"' in attributes:
            shown.append((letters, row, _text(value) or "#N/A"))
        elif not value and b't="str"' not in attributes:
            shown.append((letters, row, f"={_text(formula)}"))
    return [(int(row) - 1, column_number(letters) - 1, text) for letters, row, text in shown]


def _text(xml: bytes) -> str:
    return unescape(xml.decode(), {"&quot;": '"', "&apos;": "'"})
