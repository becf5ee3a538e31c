"""A feature over the sites: the drawing, and the rows beneath it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from analysis.figures import Z95, ForestRow, forest, signed, span
from analysis.plots.narrow_forest import narrow_forest
from analysis.views.claim_readings import STRATUM_WORDS, figures_of
from analysis.views.run_page import records
from cohorts.language import vocabulary
from cohorts.language.told import told


@dataclass(frozen=True)
class Forest:
    """A feature in a stratum: the drawing and the table beneath it."""

    feature: str
    stratum: str
    where: str
    drawing: SafeString | None
    narrow: SafeString | None
    rows: Sequence[Mapping[str, Any]]
    pooled: Mapping[str, Any] | None


def forest_of(
    effects: pd.DataFrame,
    pooled: pd.DataFrame,
    feature: str,
    stratum: str,
    *,
    drawn: bool = True,
    own: Collection[str] = (),
) -> Forest:
    """The numbers of a feature in a stratum by site, and their drawing."""
    here = records(effects[(effects["feature"] == feature) & (effects["stratum"] == stratum)])
    together = records(pooled[(pooled["feature"] == feature) & (pooled["stratum"] == stratum)])
    rows = [row | _interval(row) for row in here]
    able = [row for row in rows if row["low"] is not None]
    total = together[0] if together and together[0]["estimate"] is not None else None
    where = str(STRATUM_WORDS.get(stratum, stratum))
    wide, narrow = _draw(able, total, feature, where, own) if able and drawn else (None, None)
    return Forest(feature, stratum, where, wide, narrow, rows, total)


def _interval(row: Mapping[str, Any]) -> dict[str, float | None]:
    if row["hedges_g"] is None or row["hedges_g_variance"] is None:
        return {"low": None, "high": None}
    half = Z95 * math.sqrt(row["hedges_g_variance"])
    return {"low": row["hedges_g"] - half, "high": row["hedges_g"] + half}


def _draw(
    drawn: Sequence[Mapping[str, Any]],
    total: Mapping[str, Any] | None,
    feature: str,
    where: str,
    own: Collection[str],
) -> tuple[SafeString, SafeString]:
    """The same forest for a desk and for a phone."""
    tau2 = (total or {}).get("tau2") or 0.0
    weights = [1 / (row["hedges_g_variance"] + tau2) for row in drawn]
    sites = [
        ForestRow(
            gettext("%(site)s (you)") % {"site": row["site"]}
            if row["site"] in own
            else row["site"],
            f"{row['n_case']:.0f} + {row['n_control']:.0f}",
            row["hedges_g"],
            row["low"],
            row["high"],
            weight / sum(weights),
            own=row["site"] in own,
        )
        for row, weight in zip(drawn, weights, strict=True)
    ]
    description = " ".join(_sentences(sites, total))
    title = gettext("Forest plot of %(feature)s in %(where)s") % {
        "feature": told(feature),
        "where": where,
    }
    pooled = _total_row(total)
    wide = forest(sites, pooled, _prediction(total), title=title, description=description)
    return wide, narrow_forest(sites, pooled, title=title, description=description)


def _total_row(total: Mapping[str, Any] | None) -> ForestRow | None:
    if total is None or total["ci_low"] is None:
        return None
    note = f"{total['n_case']:.0f} + {total['n_control']:.0f}"
    return ForestRow(
        gettext("All sites"), note, total["estimate"], total["ci_low"], total["ci_high"]
    )


def _prediction(total: Mapping[str, Any] | None) -> tuple[float, float] | None:
    if total is None or total["pi_low"] is None or total["pi_high"] is None:
        return None
    return total["pi_low"], total["pi_high"]


def _sentences(sites: Iterable[ForestRow], total: Mapping[str, Any] | None) -> Iterable[str]:
    for row in sites:
        yield f"{row.label}: {signed(row.estimate)}, {span(signed(row.low), signed(row.high))}."
    if total is not None and total["ci_low"] is not None:
        estimate, interval = figures_of(total, "g")
        yield f"{gettext('All sites')}: {estimate}, {interval}."


def moderated_of(table: pd.DataFrame, chosen: Forest) -> list[dict[str, Any]]:
    """The sites of the chosen feature and stratum."""
    here = (table["feature"] == chosen.feature) & (table["stratum"] == chosen.stratum)
    return records(table[here])


def cells_of(table: pd.DataFrame, chosen: Forest) -> dict[str, Any]:
    """The cells of the chosen feature and stratum: up to one change, and combinations.

    ``once``: the reason that all cells without numbers share, which is said once.
    """
    here = (table["feature"] == chosen.feature) & (table["stratum"] == chosen.stratum)
    rows = records(table[here])
    for row in rows:
        row["words"] = " + ".join(
            map(vocabulary.in_words, filter(None, row["changes"].split(" + ")))
        )
    several = [" + " in row["changes"] for row in rows]
    why = [row["reason"] for row in rows if row["reason"]]
    return {
        "once": why[0] if len(why) > 1 and len(set(why)) == 1 else "",
        "few": [row for row, many in zip(rows, several, strict=True) if not many],
        "more": [row for row, many in zip(rows, several, strict=True) if many],
    }
