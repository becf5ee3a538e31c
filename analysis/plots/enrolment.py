"""Enrolment over time against its target, as SVG made on the server."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from cohorts.language.local_figures import in_locale
from cohorts.site_home import Enrolment, month_after

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 440, 190, 46, 14, 14, 28


def enrolment_figure(enrolment: Enrolment) -> SafeString:
    """Steps for who is enrolled, a dashed line for the plan. Nothing where there is neither."""
    if not enrolment.months:
        return SafeString("")
    begin, end = _span(enrolment)
    top = _ceiling(max(enrolment.n, enrolment.target or 0))
    frame = _Frame(begin, end, top)
    return format_html(
        '<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}{}</svg>',
        WIDTH,
        HEIGHT,
        _words(enrolment),
        frame.axes(),
        _plan(enrolment, frame),
        _steps(enrolment, frame),
        _today(enrolment, frame),
    )


@dataclass(frozen=True)
class _Frame:
    begin: date
    end: date
    top: int

    def x(self, day: date) -> float:
        share = (day - self.begin).days / max((self.end - self.begin).days, 1)
        return round(LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, n: float) -> float:
        return round(HEIGHT - BOTTOM - n / self.top * (HEIGHT - TOP - BOTTOM), 1)

    def axes(self) -> SafeString:
        levels = [(self.y(n), in_locale(f"{n:,}")) for n in (0, self.top // 2, self.top)]
        lines = format_html_join(
            "",
            '<line class="axis" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/>'
            '<text class="soft" x="{3}" y="{4}" text-anchor="end">{5}</text>',
            ((LEFT, WIDTH - RIGHT, y, LEFT - 8, y + 4, words) for y, words in levels),
        )
        ends = ((LEFT, "start", self.begin), (WIDTH - RIGHT, "end", self.end))
        days = format_html_join(
            "",
            '<text class="soft" x="{}" y="{}" text-anchor="{}">{}</text>',
            (
                (x, HEIGHT - 8, anchor, date_format(day, "YEAR_MONTH_FORMAT"))
                for x, anchor, day in ends
            ),
        )
        return lines + days


def _span(enrolment: Enrolment) -> tuple[date, date]:
    days: Sequence[date] = [
        day
        for day in (
            enrolment.months[0][0],
            month_after(enrolment.months[-1][0]),
            enrolment.target_from,
            enrolment.target_until,
        )
        if day is not None
    ]
    return min(days), max(days)


def _ceiling(n: int) -> int:
    """The next even round number: its half stands on the axis too."""
    step = 2 * int(10.0 ** max(math.floor(math.log10(max(n, 2))) - 1, 0))
    return max(step * math.ceil(n / step), 2)


def _plan(enrolment: Enrolment, frame: _Frame) -> SafeString:
    target, begin, end = enrolment.target, enrolment.target_from, enrolment.target_until
    if target is None or begin is None or end is None:
        return SafeString("")
    return format_html(
        '<line class="zero" x1="{}" y1="{}" x2="{}" y2="{}"/>',
        frame.x(begin),
        frame.y(0),
        frame.x(end),
        frame.y(target),
    )


def _steps(enrolment: Enrolment, frame: _Frame) -> SafeString:
    total, points = 0, [f"{frame.x(enrolment.months[0][0])},{frame.y(0)}"]
    for month, new in enrolment.months:
        points.append(f"{frame.x(month)},{frame.y(total)}")
        total += new
        points.append(f"{frame.x(month_after(month))},{frame.y(total)}")
    last = min(frame.end, max(enrolment.today, month_after(enrolment.months[-1][0])))
    points.append(f"{frame.x(last)},{frame.y(total)}")
    area = f"{points[0]} {' '.join(points[1:])} {frame.x(last)},{frame.y(0)}"
    return format_html(
        '<polygon class="fill" points="{}"/><polyline class="course" points="{}"/>',
        area,
        " ".join(points),
    )


def _today(enrolment: Enrolment, frame: _Frame) -> SafeString:
    if not frame.begin < enrolment.today < frame.end:
        return SafeString("")
    x = frame.x(enrolment.today)
    near_end = x > WIDTH - 90
    return format_html(
        '<line class="axis" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>'
        '<text class="soft" x="{3}" y="{4}" text-anchor="{5}">{6}</text>',
        x,
        TOP,
        HEIGHT - BOTTOM,
        x - 5 if near_end else x + 5,
        HEIGHT - BOTTOM - 6,
        "end" if near_end else "start",
        _("today"),
    )


def _words(enrolment: Enrolment) -> str:
    begin = date_format(enrolment.months[0][0], "YEAR_MONTH_FORMAT")
    if enrolment.target is None:
        return _("Participants enrolled since %(begin)s: %(n)s") % {
            "n": enrolment.n,
            "begin": begin,
        }
    return _("Participants enrolled since %(begin)s: %(n)s, of %(target)s by %(until)s") % {
        "n": enrolment.n,
        "begin": begin,
        "target": enrolment.target,
        "until": enrolment.target_until,
    }
