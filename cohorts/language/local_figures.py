"""Figures and days as the reader's language writes them.

Pages alone: files, the API and what people type have points and ISO 8601 in every language.
"""

from __future__ import annotations

import re
from datetime import date

from django.utils.formats import date_format, get_format

FIGURES = re.compile(r"[<>±+\-−]? ?\d[\d,]*(\.\d+)?(e[+-]?\d+)?( ?%)?")
ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def in_locale(figures: str) -> str:
    """``+1,234.5`` with the marks of the active language."""
    decimal, thousands = get_format("DECIMAL_SEPARATOR"), get_format("THOUSAND_SEPARATOR")
    if (decimal, thousands) == (".", ","):
        return figures
    return figures.translate({ord("."): decimal, ord(","): thousands})


def value_in_locale(text: str) -> str:
    """A value of a sentence: a day or a number as it is written here, anything else as it is."""
    if ISO_DAY.fullmatch(text):
        try:
            return date_format(date.fromisoformat(text))
        except ValueError:  # such as 2024-02-31, which is quoted as somebody wrote it
            return text
    return in_locale(text) if FIGURES.fullmatch(text) else text
