"""The level of QC pools over the injection order, as SVG made on the server."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

WIDTH, HEIGHT, LEFT, EDGE = 640, 200, 52, 24


def drift(points: Sequence[tuple[int, float]]) -> SafeString:
    """A dot a QC pool; the dashed line is 100 %, their median. Nothing for fewer than two."""
    if len(points) < 2:
        return SafeString("")
    orders, levels = [x for x, _ in points], [y for _, y in points]
    low, high = min([*levels, 95.0]), max([*levels, 105.0])
    wide = (max(orders) - min(orders)) or 1
    places = [
        (
            round(LEFT + (WIDTH - LEFT - EDGE) * (x - min(orders)) / wide, 1),
            _height(y, low, high),
        )
        for x, y in points
    ]
    return format_html(
        '<svg viewBox="0 0 {w} {h}" role="img" aria-label="{words}">'
        '<line x1="{left}" x2="{w}" y1="{mid}" y2="{mid}" stroke="currentColor" '
        'stroke-dasharray="4 4" opacity="0.5"/>{ticks}'
        '<polyline points="{line}" fill="none" stroke="currentColor" opacity="0.4"/>{dots}</svg>',
        w=WIDTH,
        h=HEIGHT,
        words=gettext(
            "Level of %(n)s QC pools over the injection order: %(low)s to %(high)s %% of their "
            "median"
        )
        % {"n": len(points), "low": f"{min(levels):.0f}", "high": f"{max(levels):.0f}"},
        left=LEFT,
        mid=_height(100.0, low, high),
        ticks=_words(orders, low, high),
        line=" ".join(f"{x},{y}" for x, y in places),
        dots=format_html_join("", '<circle cx="{}" cy="{}" r="4" fill="currentColor"/>', places),
    )


def _words(orders: Sequence[int], low: float, high: float) -> SafeString:
    told = [(0, _height(level, low, high) + 4, f"{level:.0f} %") for level in (low, 100.0, high)]
    told += [(LEFT, HEIGHT - 2, gettext("injection %(n)s") % {"n": min(orders)})]
    told += [(WIDTH - 90, HEIGHT - 2, gettext("injection %(n)s") % {"n": max(orders)})]
    return format_html_join(
        "", '<text x="{}" y="{}" font-size="12" fill="currentColor">{}</text>', told
    )


def _height(level: float, low: float, high: float) -> float:
    return round(12 + (HEIGHT - 48) * (high - level) / (high - low), 1)
