"""A forest plot as SVG, for notebooks: one row a site, the pooled effect below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

WIDTH, ROW, LEFT, RIGHT, TOP = 720, 26, 150, 190, 40
Z = 1.959963984540054  # 97.5 % of the normal distribution
Line = tuple[str, float, float, float, bool]  # name, g, low, high, whether over all sites


@dataclass(frozen=True)
class Picture:
    """What a notebook shows of it."""

    svg: str

    def _repr_svg_(self) -> str:
        return self.svg


def forest(effects: pd.DataFrame, pooled: pd.DataFrame, title: str) -> Picture:
    """Draw the sites' Hedges g with normal 95 % intervals, and the pooled one with its own.

    Parameters
    ----------
    effects : rows of `Hiki.effects` for one feature and stratum; hidden rows are drawn as such
    pooled : the one row of `Hiki.pooled` for the same
    """
    rows = [_site(row) for row in effects.sort_values("site").to_dict("records")]
    rows += [_whole(row) for row in pooled.to_dict("records")]
    ends = [end for row in rows for end in row[1:4] if pd.notna(end)]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    scale = (WIDTH - LEFT - RIGHT) / ((high - low) or 1.0)
    height = TOP + ROW * len(rows) + 40
    zero = LEFT - low * scale
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        f' font-family="sans-serif" font-size="13"><title>{escape(title)}</title>',
        f'<text x="8" y="22" font-weight="bold">{escape(title)}</text>',
        f'<line x1="{zero:.1f}" x2="{zero:.1f}" y1="{TOP}" y2="{height - 30}" stroke="#888"/>',
    ]
    for place, row in enumerate(rows):
        parts += _row(*row, y=TOP + ROW * place + ROW / 2, zero=zero, scale=scale)
    parts.append(f'<text x="{zero:.1f}" y="{height - 10}" text-anchor="middle">0</text></svg>')
    return Picture("\n".join(parts))


def _site(row: Mapping[Any, Any]) -> Line:
    g, half = float(row["hedges_g"]), Z * float(row["hedges_g_variance"]) ** 0.5
    return (str(row["site"]), g, g - half, g + half, False)


def _whole(row: Mapping[Any, Any]) -> Line:
    return ("pooled", float(row["estimate"]), float(row["ci_low"]), float(row["ci_high"]), True)


def _row(
    name: str,
    g: float,
    low: float,
    high: float,
    whole: bool,
    *,
    y: float,
    zero: float,
    scale: float,
) -> list[str]:
    weight = ' font-weight="bold"' if whole else ""
    label = f'<text x="8" y="{y + 4:.1f}"{weight}>{escape(name)}</text>'
    if pd.isna(g):
        return [label, f'<text x="{WIDTH - RIGHT + 12}" y="{y + 4:.1f}">hidden or none</text>']
    told = f"{g:+.2f} ({low:+.2f} to {high:+.2f})"
    at, size = zero + g * scale, 6 if whole else 4
    return [
        label,
        f'<line x1="{zero + low * scale:.1f}" x2="{zero + high * scale:.1f}" y1="{y:.1f}"'
        f' y2="{y:.1f}" stroke="#0b5394" stroke-width="2"/>',
        f'<rect x="{at - size:.1f}" y="{y - size:.1f}" width="{2 * size}" height="{2 * size}"'
        ' fill="#0b5394"/>',
        f'<text x="{WIDTH - RIGHT + 12}" y="{y + 4:.1f}"{weight}>{escape(told)}</text>',
    ]
