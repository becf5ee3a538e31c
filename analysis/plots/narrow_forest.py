"""A forest plot for a phone: words above each line, not beside it, so that nothing shrinks."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from analysis.figures import ForestRow, Scale, covering, in_words, tick

WIDTH, LEFT, RIGHT, ROW = 340, 8.0, 332.0, 44


def narrow_forest(
    sites: Sequence[ForestRow], pooled: ForestRow | None, *, title: str, description: str
) -> SafeString:
    """The same rows as the wide one, two lines a site."""
    rows = [*sites, *([pooled] if pooled else [])]
    scale = covering([end for row in rows for end in (row.low, row.high)], LEFT, RIGHT)
    bottom = ROW * len(rows) + 4
    return format_html(
        '<svg viewBox="0 0 {} {}" role="img" aria-label="{}. {}">{}{}{}</svg>',
        *(WIDTH, bottom + 40, title, description),
        format_html_join("", "{}", ((_line(row, n, scale),) for n, row in enumerate(sites))),
        _total(pooled, len(sites), scale) if pooled else "",
        _axis(scale, bottom),
    )


def _words(row: ForestRow, y: float, weight: str) -> SafeString:
    return format_html(
        '<text class="{}" x="{}" y="{}">{}<tspan class="soft" dx="4">{}</tspan></text>'
        '<text class="{}" x="{}" y="{}" text-anchor="end">{}</text>',
        *(weight, LEFT, y + 15, row.label, row.note),
        *(weight, RIGHT, y + 15, in_words(row)),
    )


def _zero(scale: Scale, y: float) -> SafeString:
    """Its part of the line of no effect, which leaves the words alone."""
    return format_html(
        '<line class="zero" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>', scale.x(0), y + 20, y + 42
    )


def _line(row: ForestRow, number: int, scale: Scale) -> SafeString:
    y, side = number * ROW, row.side
    return format_html(
        '<g class="{}">{}{}<line class="whisker" x1="{}" x2="{}" y1="{}" y2="{}"/>'
        '<rect class="box" x="{}" y="{}" width="{}" height="{}"/></g>',
        "own" if row.own else "",
        _words(row, y, "strong" if row.own else ""),
        _zero(scale, y),
        *(scale.x(row.low), scale.x(row.high), y + 30, y + 30),
        *(round(scale.x(row.estimate) - side / 2, 1), round(y + 30 - side / 2, 1), side, side),
    )


def _total(row: ForestRow, number: int, scale: Scale) -> SafeString:
    y = number * ROW
    low, middle, high = (scale.x(value) for value in (row.low, row.estimate, row.high))
    return format_html(
        '<rect class="stripe" x="0" y="{}" width="{}" height="{}"/>{}{}'
        '<polygon class="pooled" points="{},{} {},{} {},{} {},{}"/>',
        *(y, WIDTH, ROW, _words(row, y, "strong"), _zero(scale, y)),
        *(low, y + 30, middle, y + 23, high, y + 30, middle, y + 37),
    )


def _axis(scale: Scale, bottom: float) -> SafeString:
    ticks = format_html_join(
        "",
        '<text class="soft" x="{}" y="{}" text-anchor="middle">{}</text>',
        ((scale.x(value), bottom + 14, tick(value)) for value in scale.ticks()[::2]),
    )
    return format_html(
        '<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>'
        "{}"
        '<text class="soft" x="{}" y="{}" text-anchor="middle">{}</text>',
        *(LEFT, RIGHT, bottom, bottom, ticks),
        *(WIDTH / 2, bottom + 33, gettext("lower in cases ←  Hedges g  → higher in cases")),
    )
