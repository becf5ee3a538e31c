"""Assay cells -> values and flags: measured, below detection and missing are told apart."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cohorts.ingest.cells import NUMBER, BadCell, has_decimal_commas, parse_number, quoted
from cohorts.ingest.plain_csv import numbers_in
from cohorts.ingest.report import Findings
from cohorts.language.sentences import say

MEASURED, BELOW_LOD, MISSING, EXCLUDED = 0, 1, 2, 3
Scale = Literal["raw", "log2", "ln", "log10", "standardised"]
ZeroMeans = Literal["zero", "below_lod", "missing"]

_CLEAN = re.compile(rf"(?:(?:{NUMBER})?\n)*+")
_BELOW = re.compile(
    r"<\s*(?:l\.?o\.?[dq]\.?|lloq|mdl)|n\.?\s?d\.?|b\.?l\.?o\.?[dq]\.?|b\.?q\.?l\.?|b\.?l\.?q\.?",
    re.IGNORECASE,
)
_BELOW_LIMIT = re.compile(rf"<\s*({NUMBER})")
_MISSING_WORDS = frozenset({"na", "n/a", "nan", "#n/a", "null"})


@dataclass
class ValueRules:
    """How the cells of one table are read; ``findings`` collects, ``words`` counts NA cells."""

    findings: Findings
    scale: Scale = "raw"
    zero_means: ZeroMeans = "zero"
    words: list[tuple[int, str]] = field(default_factory=list)

    @property
    def refuses_negative(self) -> bool:
        return self.scale == "raw"


def parse_series(
    cells: pd.Series, rows: Sequence[int], column: str, rules: ValueRules
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """As `parse_column`; plain numbers never become Python objects."""
    values = numbers_in(cells)
    if values is None or (rules.refuses_negative and (values < 0).any()):
        return parse_column(cells.tolist(), rows, column, rules)
    return flagged(values.copy(), rules)  # Arrow's own memory is not to be written to


def flagged(
    values: NDArray[np.float64], rules: ValueRules
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Numbers and gaps (NaN), of any shape, with their flags."""
    flags = np.where(np.isnan(values), np.uint8(MISSING), np.uint8(MEASURED))
    _apply_zero(values, flags, rules)
    return values, flags


def parse_column(
    texts: Sequence[str], rows: Sequence[int], column: str, rules: ValueRules
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Values and flags of one column of cells, in the order of ``texts``.

    A faulty cell is reported and comes back as missing: the caller drops the table.
    """
    values, flags = _parse_clean(texts)
    if values is None or flags is None:
        return _parse_each(texts, rows, column, rules)
    if rules.refuses_negative and (values < 0).any():
        for i in np.flatnonzero(values < 0).tolist():
            rules.findings.fault(rows[i], column, *_negative(texts[i]))
    _apply_zero(values, flags, rules)
    return values, flags


def _parse_clean(
    texts: Sequence[str],
) -> tuple[NDArray[np.float64] | None, NDArray[np.uint8] | None]:
    # Nearly every column holds nothing but plain numbers and gaps: one regex run for all of it.
    # A cell of two lines would pass as two cells.
    together = "\n".join([*texts, ""])
    if not _CLEAN.fullmatch(together) or together.count("\n") != len(texts):
        return None, None
    values = np.array([float(text) if text else math.nan for text in texts], dtype=np.float64)
    # A number too large or too small for a float must be named, so it goes cell by cell.
    if np.isinf(values).any() or any(
        re.search("[1-9]", re.split("[eE]", texts[i])[0])
        for i in np.flatnonzero(values == 0).tolist()
    ):
        return None, None
    flags = np.where(np.isnan(values), np.uint8(MISSING), np.uint8(MEASURED))
    return values, flags


def _parse_each(
    texts: Sequence[str], rows: Sequence[int], column: str, rules: ValueRules
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    values = np.full(len(texts), math.nan)
    flags = np.full(len(texts), MISSING, dtype=np.uint8)
    if has_decimal_commas(texts):
        rules.findings.fault(
            None,
            column,
            "decimal_comma",
            say("every number has a decimal comma; export the table again with a decimal point."),
        )
        return values, flags
    for i, text in enumerate(texts):
        try:
            values[i], flags[i] = _parse_cell(text, rules)
        except BadCell as bad:
            rules.findings.fault(rows[i], column, bad.code, bad.message)
        if flags[i] == MISSING and text:
            _note_word(text, rows[i], column, rules)
    _apply_zero(values, flags, rules)
    return values, flags


def _parse_cell(text: str, rules: ValueRules) -> tuple[float, int]:
    if not text or text.casefold() in _MISSING_WORDS:
        return math.nan, MISSING
    if _BELOW.fullmatch(text):
        return math.nan, BELOW_LOD
    limit = _BELOW_LIMIT.fullmatch(text)
    if limit:
        value = parse_number(limit[1])
        if rules.refuses_negative and value <= 0:
            raise BadCell(
                "negative",
                say(
                    "%(text)s: a limit is above 0; write <LOD if it is not known.",
                    text=quoted(text),
                ),
            )
        return value, BELOW_LOD
    if text.startswith(">"):
        raise BadCell(
            "above_range",
            say(
                "%(text)s is above the range of the assay; send the diluted result or empty it.",
                text=quoted(text),
            ),
        )
    value = parse_number(text)
    if rules.refuses_negative and value < 0:
        raise BadCell(*_negative(text))
    return value, MEASURED


def _negative(text: str) -> tuple[str, str]:
    return (
        "negative",
        say(
            "%(text)s is negative, which no concentration is; correct it, write <LOD "
            "if it is below detection, or name the scale if the table is in "
            "logarithms.",
            text=quoted(text),
        ),
    )


def _note_word(text: str, row: int, column: str, rules: ValueRules) -> None:
    if text.casefold() in _MISSING_WORDS:
        rules.words.append((row, column))


def _apply_zero(values: NDArray[np.float64], flags: NDArray[np.uint8], rules: ValueRules) -> None:
    if rules.zero_means == "zero":
        return
    zero = (values == 0) & (flags == MEASURED)
    values[zero] = math.nan
    flags[zero] = BELOW_LOD if rules.zero_means == "below_lod" else MISSING


def warn_of_words(rules: ValueRules) -> None:
    """One warning for all cells that said NA, NaN or #N/A."""
    if rules.words:
        row, column = rules.words[0]
        rules.findings.warn(
            row,
            column,
            "missing_word",
            say(
                "NA, NaN and #N/A are taken as missing, here and in all such cells (%(n_words)s); "
                "write <LOD where it means below detection.",
                n_words=len(rules.words),
            ),
        )
