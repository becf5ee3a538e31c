"""Drawings of one claim's page: where the verdict stands today, and how it came there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from analysis.figures import Scale, covering, tick

WIDTH, LEFT, RIGHT = 420, 14.0, 406.0
MIDDLE, FOOT = 52, 84
LANE, AT_MOST_DRAWN = 20, 24
ROOM_BEYOND = 0.3  # of the farthest end
# Where nothing would be, by measure, and the range of those that have one by nature.
NOTHING = {"AUC": 0.5}
NAMED = {"g": "Hedges g", "AUC": "AUC", "Q2": "Q²"}
WHOLE = {"AUC": (0.0, 1.0), "Q2": (-1.0, 1.0)}


@dataclass(frozen=True)
class Side:
    """The side of nothing on which the published effect lies: 1 higher, -1 lower."""

    sign: int
    zero: float


def side_of(measure: str, direction: str) -> Side:
    """An AUC and a Q2 are claimed above chance; a marker where its direction says."""
    return Side(-1 if direction == "lower" else 1, NOTHING.get(measure, 0.0))


def scale_of(
    rows: Sequence[Mapping[str, Any]], side: Side, published: float | None = None
) -> Scale:
    """One scale for all intervals of a measure, with room on the side that was not published."""
    measure = rows[0]["measure"]
    if measure in WHOLE:
        return Scale(*WHOLE[measure], LEFT, RIGHT)
    names = ("estimate", "ci_low", "ci_high", "always_low", "always_high")
    listed = [row[name] for row in rows for name in names]
    ends = [end for end in [*listed, published] if end is not None]
    room = -side.sign * ROOM_BEYOND * max(map(abs, ends))
    return covering([*ends, room], LEFT, RIGHT)


def standing(row: Mapping[str, Any], side: Side, published: float | None, words: str) -> SafeString:
    """Today's interval, the one over all looks, and the half of the line that was published."""
    scale = scale_of([row], side, published)
    return format_html(
        '<svg viewBox="0 0 {width} 108" role="img" aria-label="{words}">{claimed}{axis}'
        "{intervals}{published}</svg>",
        width=WIDTH,
        words=words,
        claimed=_claimed(scale, side, MIDDLE - 30, FOOT),
        axis=_axis(scale, side),
        intervals=_intervals(row, scale, MIDDLE, thick=7),
        published=_published(published, scale),
    )


def _claimed(scale: Scale, side: Side, top: float, bottom: float) -> SafeString:
    """The side of the claim, shaded, and the names of both."""
    zero = scale.x(side.zero)
    names = [gettext("not as published"), gettext("as published")][:: side.sign]
    start, end = (zero, RIGHT) if side.sign > 0 else (LEFT, zero)
    return format_html(
        '<rect class="claimed" x="{}" y="{}" width="{}" height="{}"/>'
        '<text class="soft" x="{}" y="14" text-anchor="end">{}</text>'
        '<text class="soft" x="{}" y="14" text-anchor="start">{}</text>',
        *(start, top, round(end - start, 1), bottom - top),
        *(zero - 6, names[0], zero + 6, names[1]),
    )


def _axis(scale: Scale, side: Side) -> SafeString:
    ticks = format_html_join(
        "",
        '<text class="soft" x="{}" y="102" text-anchor="middle">{}</text>',
        ((scale.x(value), tick(value)) for value in _few_ticks(scale)),
    )
    return format_html(
        '<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>'
        '<line class="zero" x1="{}" x2="{}" y1="{}" y2="{}"/>{}',
        *(LEFT, RIGHT, FOOT, FOOT),
        *(scale.x(side.zero), scale.x(side.zero), MIDDLE - 30, FOOT),
        ticks,
    )


def _few_ticks(scale: Scale) -> list[float]:
    """Every second tick where nine would run into each other."""
    ticks = scale.ticks()
    return ticks if len(ticks) <= 6 else [t for n, t in enumerate(ticks) if n % 2 == 0]


def _intervals(row: Mapping[str, Any], scale: Scale, y: float, *, thick: float) -> SafeString:
    parts = []
    for kind, low, high in (
        ("always", row["always_low"], row["always_high"]),
        ("whisker", row["ci_low"], row["ci_high"]),
    ):
        if low is not None and high is not None:
            parts.append((kind, scale.x(low), scale.x(high), y))
    lines = format_html_join("", '<line class="{0}" x1="{1}" x2="{2}" y1="{3}" y2="{3}"/>', parts)
    caps = format_html_join(
        "",
        '<line class="always" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>',
        (
            (end, y - thick, y + thick)
            for kind, *ends, _ in parts
            if kind == "always"
            for end in ends
        ),
    )
    return format_html(
        '{}{}<rect class="box" x="{}" y="{}" width="{}" height="{}" rx="1.5"/>',
        lines,
        caps,
        *(scale.x(row["estimate"]) - thick, y - thick, 2 * thick, 2 * thick),
    )


def _published(published: float | None, scale: Scale) -> SafeString:
    if published is None:
        return SafeString("")
    x = scale.x(published)
    return format_html(
        '<polygon class="published" points="{},{} {},{} {},{}"/>',
        *(x, FOOT - 2, x - 6, FOOT - 13, x + 6, FOOT - 13),
    )


def course(rows: Sequence[Mapping[str, Any]], side: Side, words: Iterable[str]) -> SafeString:
    """The estimates of the newest runs, the newest on top; empty where fewer than two have one."""
    drawn = [row for row in rows if row["estimate"] is not None][:AT_MOST_DRAWN]
    if len(drawn) < 2:
        return SafeString("")
    scale, bottom = scale_of(drawn, side), 30 + LANE * len(drawn)
    ticks = format_html_join(
        "",
        '<text class="soft" x="{}" y="{}" text-anchor="middle">{}</text>',
        ((scale.x(value), bottom + 18, tick(value)) for value in _few_ticks(scale)),
    )
    lanes = format_html_join(
        "",
        "{}",
        ((_intervals(row, scale, 30 + LANE * (n + 0.5), thick=4),) for n, row in enumerate(drawn)),
    )
    zero = scale.x(side.zero)
    return format_html(
        '<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}'
        '<line class="zero" x1="{}" x2="{}" y1="24" y2="{}"/>{}{}'
        '<text class="soft" x="{}" y="{}" text-anchor="middle">{}</text></svg>',
        *(WIDTH, bottom + 42, " ".join(words), _claimed(scale, side, 22, bottom)),
        *(zero, zero, bottom, lanes, ticks),
        *((LEFT + RIGHT) / 2, bottom + 36, NAMED[drawn[0]["measure"]]),
    )
