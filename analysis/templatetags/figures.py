"""Figures in words: how the portal writes numbers."""

from __future__ import annotations

import math

from django import template
from django.utils.translation import gettext

from analysis.figures import signed as _signed
from analysis.views.claim_readings import STRATUM_WORDS
from cohorts.language.local_figures import in_locale

register = template.Library()
HIDDEN = "–"


@register.filter
def signed(value: float | None) -> str:
    """+0.45 or −0.30; a dash for what is not there or not shown."""
    return HIDDEN if _absent(value) else _signed(float(value or 0))


@register.filter
def stratum(name: str) -> str:
    """Who is meant by a stratum: everybody, men or women."""
    return str(STRATUM_WORDS.get(name, name))


@register.filter
def plain(value: float | None, digits: int = 2) -> str:
    """A number to so many places."""
    return (
        HIDDEN if _absent(value) else in_locale(f"{float(value or 0):.{digits}f}".replace("-", "−"))
    )


@register.filter
def p_value(value: float | None) -> str:
    """Two figures, and below 0.001 only that."""
    if _absent(value):
        return HIDDEN
    number = float(value or 0)
    figures = "< 0.001" if number < 0.001 else f"{number:.{3 if number < 0.1 else 2}f}"
    return in_locale(figures)


@register.filter
def percent(value: float | None) -> str:
    """A share of 1 as a percentage; under one per cent is said so."""
    if _absent(value):
        return HIDDEN
    share = float(value or 0)
    return gettext("under 1 %") if 0 < share < 0.01 else f"{share:.0%}".replace("%", " %")


@register.filter
def count(value: float | None) -> str:
    """A whole number; what the disclosure rules hide is said so."""
    return gettext("few") if _absent(value) else in_locale(f"{float(value or 0):,.0f}")


def _absent(value: float | None) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


@register.filter
def covariates(names: str | None) -> str:
    """``age_years;sex`` -> age, sex."""
    return ", ".join(
        gettext(name.removesuffix("_years").replace("_", " "))
        for name in (names or "").split(";")
        if name
    )


@register.filter
def cell(value: object) -> str:
    """A cell of a table of numbers: text as it is, numbers to three figures."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return HIDDEN
    if isinstance(value, bool | int | str):
        return str(value)
    return in_locale(f"{value:.3g}".replace("-", "−"))
