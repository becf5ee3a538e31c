"""Drawings as SVG, made on the server: they need no script, print, and obey a strict CSP.

Colours and fonts come from the classes of the portal's style sheet, so light and dark both hold.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from cohorts.language.local_figures import in_locale

Z95 = 1.959964  # half width of a 95 % interval, in standard errors


@dataclass(frozen=True)
class ForestRow:
    """One line of a forest plot, in Hedges g; ``weight`` is a share of 1, ``note`` stands below."""

    label: str
    note: str
    estimate: float
    low: float
    high: float
    weight: float = 0.0
    own: bool = False

    @property
    def side(self) -> float:
        """The square's side in pixels: its area is the weight."""
        return round(6 + 14 * math.sqrt(max(self.weight, 0.0)), 1)


def in_words(row: ForestRow) -> str:
    """+0.45 (0.10 to 0.80), as the line of numbers beside a row."""
    return f"{signed(row.estimate)} ({span(signed(row.low), signed(row.high))})"


@dataclass(frozen=True)
class Scale:
    """A line of values drawn on a line of pixels."""

    low: float
    high: float
    left: float
    right: float

    def x(self, value: float) -> float:
        """The pixel of a value; what lies outside stands at the edge."""
        inside = min(max(value, self.low), self.high)
        share = (inside - self.low) / (self.high - self.low)
        return round(self.left + share * (self.right - self.left), 1)

    def ticks(self) -> list[float]:
        """Four to nine round values."""
        step = _round_step((self.high - self.low) / 6)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [n * step for n in range(first, last + 1)]


def signed(value: float, digits: int = 2) -> str:
    """+0.45, −0.30: with a true minus, so that columns of figures line up."""
    return in_locale(f"{value:+.{digits}f}".replace("-", "−"))


def span(low: str, high: str) -> str:
    """From one figure to another, in the reader's language."""
    return gettext("%(low)s to %(high)s") % {"low": low, "high": high}


def covering(values: Iterable[float], left: float, right: float) -> Scale:
    """A scale that holds zero and every finite value, with room at both ends."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(0.0, *finite), max(0.0, *finite)
    room = 0.06 * ((high - low) or 1.0)
    return Scale(low - room, high + room, left, right)


# --- the small one: an interval beside a claim


def interval_bar(
    estimate: float, low: float | None, high: float | None, *, scale: Scale, zero: float, words: str
) -> SafeString:
    """An interval with its estimate, and a dashed line where nothing would be; 208 x 22 pixels.

    ``words`` says the same for those who do not see it.
    """
    whisker = SafeString("")
    if low is not None and high is not None:
        whisker = format_html(
            '<line class="whisker" x1="{}" x2="{}" y1="11" y2="11"/>', scale.x(low), scale.x(high)
        )
    return format_html(
        '<svg viewBox="0 0 208 22" role="img" aria-label="{}">'
        '<line class="axis" x1="0" x2="208" y1="11" y2="11"/>'
        '<line class="zero" x1="{}" x2="{}" y1="1" y2="21"/>{}'
        '<rect class="box" x="{}" y="7" width="8" height="8" rx="1.5"/></svg>',
        words,
        scale.x(zero),
        scale.x(zero),
        whisker,
        scale.x(estimate) - 4,
    )


# --- the large one: every site, and all of them together

WIDTH, LABEL_END, PLOT_END, ROW, TOP = 860, 210, 660, 34, 34


def forest(
    sites: Sequence[ForestRow],
    pooled: ForestRow | None,
    prediction: tuple[float, float] | None,
    *,
    title: str,
    description: str,
) -> SafeString:
    """A forest plot: a square a site (its area its weight), a diamond for the pooled effect.

    The dashed line through the diamond is the interval in which a new site's effect is expected.
    """
    rows = [*sites, *([pooled] if pooled else [])]
    scale = covering(
        [end for row in rows for end in (row.low, row.high)], LABEL_END + 10, PLOT_END - 10
    )
    bottom = TOP + ROW * len(rows)
    own = [n for n, row in enumerate(sites) if row.own]
    parts = [
        *map(_stripe, own),
        _axis(scale, bottom),
        *(_site(row, n, scale) for n, row in enumerate(sites)),
    ]
    if pooled is not None:
        parts.append(_pooled(pooled, prediction, len(sites), scale))
    return format_html(
        '<svg viewBox="0 0 {} {}" role="img" aria-labelledby="forest-title forest-desc">'
        '<title id="forest-title">{}</title><desc id="forest-desc">{}</desc>{}</svg>',
        WIDTH,
        bottom + 44,
        title,
        description,
        SafeString("".join(parts)),
    )


def _axis(scale: Scale, bottom: float) -> SafeString:
    ticks = format_html_join(
        "",
        '<line class="axis" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>'
        '<text class="soft" x="{0}" y="{3}" text-anchor="middle">{4}</text>',
        ((scale.x(value), bottom, bottom + 5, bottom + 18, tick(value)) for value in scale.ticks()),
    )
    middle = (scale.left + scale.right) / 2
    return format_html(
        '<text class="soft" x="0" y="18">{site}</text>'
        '<text class="soft" x="{right}" y="18" text-anchor="end">{interval}</text>'
        '<line class="axis" x1="{x1}" x2="{x2}" y1="{y}" y2="{y}"/>{ticks}'
        '<line class="zero" x1="{zero}" x2="{zero}" y1="{top}" y2="{y}"/>'
        '<text class="soft" x="{middle}" y="{foot}" text-anchor="middle">'
        "{sides}</text>",
        site=gettext("Site"),
        interval=gettext("g (95 % interval)"),
        sides=gettext("lower in cases ←  Hedges g  → higher in cases"),
        right=WIDTH,
        x1=scale.left,
        x2=scale.right,
        y=bottom,
        ticks=ticks,
        zero=scale.x(0),
        top=TOP - 8,
        middle=middle,
        foot=bottom + 38,
    )


def _stripe(number: int) -> SafeString:
    """The ground of the reader's own site, beneath the lines."""
    top = TOP + ROW * number + 1
    return format_html(
        '<rect class="own-stripe" x="0" y="{}" width="{}" height="{}"/>', top, WIDTH, ROW - 2
    )


def _site(row: ForestRow, number: int, scale: Scale) -> SafeString:
    y = TOP + ROW * number + ROW / 2
    side = row.side
    return format_html(
        '<g class="{}">{}<line class="whisker" x1="{}" x2="{}" y1="{}" y2="{}"/>'
        '<rect class="box" x="{}" y="{}" width="{}" height="{}"/></g>',
        *("own" if row.own else "", _words(row, y, "strong" if row.own else "")),
        scale.x(row.low),
        scale.x(row.high),
        y,
        y,
        round(scale.x(row.estimate) - side / 2, 1),
        round(y - side / 2, 1),
        side,
        side,
    )


def _pooled(
    row: ForestRow, prediction: tuple[float, float] | None, number: int, scale: Scale
) -> SafeString:
    y = TOP + ROW * number + ROW / 2
    low, middle, high = (scale.x(value) for value in (row.low, row.estimate, row.high))
    expected = SafeString("")
    if prediction is not None:
        expected = format_html(
            '<line class="prediction" x1="{}" x2="{}" y1="{}" y2="{}"/>',
            scale.x(prediction[0]),
            scale.x(prediction[1]),
            y,
            y,
        )
    return format_html(
        '<rect class="stripe" x="0" y="{}" width="{}" height="{}"/>{}{}'
        '<polygon class="pooled" points="{},{} {},{} {},{} {},{}"/>',
        y - ROW / 2 + 1,
        WIDTH,
        ROW - 2,
        _words(row, y, "strong"),
        expected,
        low,
        y,
        middle,
        y - 8,
        high,
        y,
        middle,
        y + 8,
    )


def _words(row: ForestRow, y: float, weight: str) -> SafeString:
    return format_html(
        '<text class="{weight}" x="0" y="{y}">{label} '
        '<tspan class="soft" dx="6">{note}</tspan></text>'
        '<text class="{weight}" x="{right}" y="{y}" text-anchor="end">{figures}</text>',
        weight=weight,
        y=y + 4.5,
        label=row.label,
        note=row.note,
        right=WIDTH,
        figures=in_words(row),
    )


def tick(value: float) -> str:
    return "0" if abs(value) < 1e-9 else in_locale(f"{value:g}".replace("-", "−"))


def _round_step(rough: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not under ``rough``."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
