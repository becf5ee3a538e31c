"""One site beside all of them: its effects of the claimed markers and the pooled ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext

from analysis.figures import ForestRow
from analysis.models import Run
from analysis.plots.beside import Line
from analysis.services import told_verdicts
from analysis.views.claim_readings import STRATUM_WORDS, figures_of
from analysis.views.forests import forest_of
from analysis.views.run_page import table_of
from cohorts.language.told import told
from cohorts.models import User


@dataclass(frozen=True)
class Pair:
    """A marker: the site's effect and the pooled one, as text and as they are drawn."""

    claim: str
    marker: str
    feature: str
    where: str
    stratum: str
    own: str
    own_interval: str
    pooled: str
    pooled_interval: str
    line: Line


def pairs_of(
    run: Run, user: User, site: str, reads: told_verdicts.Reads = told_verdicts.verdicts_for
) -> list[Pair]:
    """Of each claim on a marker, in the people it was published for, past the disclosure rules."""
    effects, pooled = (table_of(run, name, user) for name in ("effects", "pooled"))
    if effects is None or pooled is None:
        return []
    found = []
    for row in reads(run, user):
        if not row["primary"] or row["measure"] != "g" or not row["feature"]:
            continue
        forest = forest_of(effects, pooled, row["feature"], row["stratum"], drawn=False)
        own = next((each for each in forest.rows if each["site"] == site), None)
        if own is not None and own["low"] is not None:
            found.append((row, own, forest.pooled))
    return [_pair(row, own, total, site) for row, own, total in found]


def _pair(
    row: Mapping[str, Any], own: Mapping[str, Any], total: Mapping[str, Any] | None, site: str
) -> Pair:
    here = {"estimate": own["hedges_g"], "ci_low": own["low"], "ci_high": own["high"]}
    mine = figures_of(here, "g")
    theirs = figures_of(total, "g") if total else ("", "")
    where = str(STRATUM_WORDS.get(row["stratum"], row["stratum"]))
    return Pair(
        claim=row["claim"],
        marker=told(row["marker"]),
        feature=row["feature"],
        where=where,
        stratum=row["stratum"],
        own=mine[0],
        own_interval=mine[1],
        pooled=theirs[0],
        pooled_interval=theirs[1],
        line=Line(
            told(row["marker"]),
            where,
            ForestRow(site, "", own["hedges_g"], own["low"], own["high"]),
            _drawn(total),
        ),
    )


def _drawn(total: Mapping[str, Any] | None) -> ForestRow | None:
    if total is None or total["ci_low"] is None:
        return None
    ends = (total["ci_low"], total["ci_high"])
    return ForestRow(gettext("All sites"), "", total["estimate"], *ends)
