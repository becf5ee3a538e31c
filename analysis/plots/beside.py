"""A site's own effects beside the pooled ones, marker by marker, as SVG made on the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from analysis.figures import ForestRow, Scale, covering, in_words, tick

TOP = 30


@dataclass(frozen=True)
class Line:
    """A marker: the site's effect, and that of all sites where it may be told."""

    marker: str
    where: str
    own: ForestRow
    pooled: ForestRow | None


@dataclass(frozen=True)
class _Sheet:
    """Where things stand: on a desk the words are beside the lines, on a phone above them."""

    width: int
    left: float
    right: float
    row: int
    head: int  # of a row, above its lines

    @property
    def has_figures(self) -> bool:
        return self.head == 0


DESK = _Sheet(width=860, left=230.0, right=650.0, row=50, head=0)
PHONE = _Sheet(width=340, left=8.0, right=332.0, row=58, head=18)


def drawings(lines: Sequence[Line], site: str, title: str) -> tuple[SafeString, SafeString]:
    """The same for a desk and for a phone."""
    return _drawn(lines, site, title, DESK), _drawn(lines, site, title, PHONE)


def _drawn(lines: Sequence[Line], site: str, title: str, sheet: _Sheet) -> SafeString:
    both = [row for line in lines for row in (line.own, line.pooled) if row]
    ends = [end for row in both for end in (row.low, row.high)]
    scale = covering(ends, sheet.left, sheet.right)
    bottom = TOP + sheet.row * len(lines)
    return format_html(
        '<svg viewBox="0 0 {} {}" role="img" aria-label="{}. {}">{}{}{}</svg>',
        *(sheet.width, bottom + 44, title, " ".join(map(_sentence, lines))),
        _key(site, sheet),
        _axis(scale, bottom, sheet),
        format_html_join(
            "", "{}", ((_row(line, n, scale, sheet),) for n, line in enumerate(lines))
        ),
    )


def _sentence(line: Line) -> str:
    rows = [line.own, *([line.pooled] if line.pooled else [])]
    told = "; ".join(f"{row.label} {in_words(row)}" for row in rows)
    return f"{line.marker}, {line.where}: {told}."


def _key(site: str, sheet: _Sheet) -> SafeString:
    """What the two marks stand for."""
    x = sheet.left
    return format_html(
        '<g class="own"><rect class="box" x="{}" y="5" width="8" height="8" rx="1.5"/></g>'
        '<text class="strong" x="{}" y="14">{}</text>'
        '<polygon class="pooled" points="{},9 {},4 {},9 {},14"/><text x="{}" y="14">{}</text>',
        *(x, x + 14, site),
        *(x + 68, x + 77, x + 86, x + 77, x + 92, gettext("All sites")),
    )


def _row(line: Line, number: int, scale: Scale, sheet: _Sheet) -> SafeString:
    top = TOP + number * sheet.row
    lines_at = top + sheet.head
    first, second = lines_at + 15, lines_at + 33
    stripe = format_html(
        '<rect class="stripe" x="0" y="{}" width="{}" height="{}"/>',
        *(top, sheet.width, sheet.row),
    )
    return format_html(
        '{}{}<line class="zero" x1="{}" x2="{}" y1="{}" y2="{}"/>{}{}',
        stripe if number % 2 else "",
        _words(line, top, first, second, sheet),
        *(scale.x(0.0), scale.x(0.0), lines_at + 2, top + sheet.row - 2),
        _own(line.own, scale, first),
        _pooled(line.pooled, scale, second) if line.pooled else "",
    )


def _words(line: Line, top: float, first: float, second: float, sheet: _Sheet) -> SafeString:
    if not sheet.has_figures:
        return format_html(
            '<text class="strong" x="{}" y="{}">{}<tspan class="soft" dx="6">{}</tspan></text>',
            *(sheet.left, top + 15, line.marker, line.where),
        )
    return format_html(
        '<text class="strong" x="8" y="{}">{}</text><text class="soft" x="8" y="{}">{}</text>'
        '<text class="strong" x="{x}" y="{}" text-anchor="end">{}</text>'
        '<text x="{x}" y="{}" text-anchor="end">{}</text>',
        *(first + 4, line.marker, second + 4, line.where),
        *(first + 4, in_words(line.own)),
        *(second + 4, in_words(line.pooled) if line.pooled else gettext("not shown")),
        x=sheet.width - 8,
    )


def _own(row: ForestRow, scale: Scale, y: float) -> SafeString:
    return format_html(
        '<g class="own"><line class="whisker" x1="{}" x2="{}" y1="{}" y2="{}"/>'
        '<rect class="box" x="{}" y="{}" width="8" height="8" rx="1.5"/></g>',
        *(scale.x(row.low), scale.x(row.high), y, y),
        *(round(scale.x(row.estimate) - 4, 1), y - 4),
    )


def _pooled(row: ForestRow, scale: Scale, y: float) -> SafeString:
    low, middle, high = (scale.x(value) for value in (row.low, row.estimate, row.high))
    return format_html(
        '<polygon class="pooled" points="{},{} {},{} {},{} {},{}"/>',
        *(low, y, middle, y - 6, high, y, middle, y + 6),
    )


def _axis(scale: Scale, bottom: float, sheet: _Sheet) -> SafeString:
    every = scale.ticks() if sheet.has_figures else scale.ticks()[::2]
    ticks = format_html_join(
        "",
        '<line class="axis" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>'
        '<text class="soft" x="{0}" y="{3}" text-anchor="middle">{4}</text>',
        ((scale.x(value), bottom, bottom + 5, bottom + 18, tick(value)) for value in every),
    )
    return format_html(
        '<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>{}'
        '<text class="soft" x="{}" y="{}" text-anchor="middle">{}</text>',
        *(scale.left, scale.right, bottom, bottom, ticks),
        *((scale.left + scale.right) / 2, bottom + 37),
        gettext("lower in cases ←  Hedges g  → higher in cases"),
    )
