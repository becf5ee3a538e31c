"""One site beside all of them: its effects of the claimed markers and the pooled ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from analysis.figures import Scale, covering
from analysis.models import Run
from analysis.services import results
from analysis.views.run_page import BAR, STRATUM_WORDS, figures_of, forest_of, table_of
from cohorts.models import User


@dataclass(frozen=True)
class Pair:
    """A marker: the site's effect and the pooled one, as text and on one scale."""

    claim: str
    marker: str
    feature: str
    where: str
    stratum: str
    own: str
    own_interval: str
    pooled: str
    pooled_interval: str
    bar: SafeString


def pairs_of(run: Run, user: User, site: str) -> list[Pair]:
    """Of each claim on a marker, in the people it was published for, past the disclosure rules."""
    effects, pooled = (table_of(run, name, user) for name in ("effects", "pooled"))
    if effects is None or pooled is None:
        return []
    found = []
    for row in results.verdicts_for(run, user):
        if not row["primary"] or row["measure"] != "g" or not row["feature"]:
            continue
        forest = forest_of(effects, pooled, row["feature"], row["stratum"], drawn=False)
        own = next((each for each in forest.rows if each["site"] == site), None)
        if own is not None and own["low"] is not None:
            found.append((row, own, forest.pooled))
    scale = covering((end for _, own, total in found for end in _ends(own, total)), *BAR)
    return [_pair(row, own, total, scale) for row, own, total in found]


def _ends(own: Mapping[str, Any], total: Mapping[str, Any] | None) -> list[float]:
    ends = [own["low"], own["high"]]
    ends += [total["ci_low"], total["ci_high"]] if total else []
    return [end for end in ends if end is not None]


def _pair(
    row: Mapping[str, Any], own: Mapping[str, Any], total: Mapping[str, Any] | None, scale: Scale
) -> Pair:
    here = {"estimate": own["hedges_g"], "ci_low": own["low"], "ci_high": own["high"]}
    mine = figures_of(here, "g")
    theirs = figures_of(total, "g") if total else ("", "")
    return Pair(
        claim=row["claim"],
        marker=row["marker"],
        feature=row["feature"],
        where=STRATUM_WORDS.get(row["stratum"], row["stratum"]),
        stratum=row["stratum"],
        own=mine[0],
        own_interval=mine[1],
        pooled=theirs[0],
        pooled_interval=theirs[1],
        bar=_bars(here, total, scale),
    )


def _bars(own: Mapping[str, Any], total: Mapping[str, Any] | None, scale: Scale) -> SafeString:
    """The site's interval above, the pooled one beneath it; the figures stand beside it."""
    beneath = SafeString("")
    if total is not None and total["ci_low"] is not None:
        low, middle, high = (scale.x(total[name]) for name in ("ci_low", "estimate", "ci_high"))
        beneath = format_html(
            '<polygon class="pooled" points="{},22 {},17 {},22 {},27"/>', low, middle, high, middle
        )
    return format_html(
        '<svg viewBox="0 0 208 30" aria-hidden="true">'
        '<line class="zero" x1="{0}" x2="{0}" y1="1" y2="29"/>'
        '<line class="whisker" x1="{1}" x2="{2}" y1="8" y2="8"/>'
        '<rect class="box" x="{3}" y="4" width="8" height="8" rx="1.5"/>{4}</svg>',
        scale.x(0.0),
        scale.x(own["ci_low"]),
        scale.x(own["ci_high"]),
        scale.x(own["estimate"]) - 4,
        beneath,
    )
