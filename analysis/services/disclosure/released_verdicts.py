"""A verdict's numbers past the disclosure rules: it may rest on fewer sites than the pooled row."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from analysis.services.disclosure.hidden_rows import Judged, arms_of, weights_of
from analysis.services.disclosure.released_tables import total_of
from analysis.services.disclosure.rules import (
    ARMS,
    dominated,
    outweighs,
    sum_is_safe,
    tells_an_insider,
)
from analysis.services.disclosure.suppression import Arms
from analysis.services.disclosure.whys import Why


def verdict_why(
    judged: Judged,
    row: Mapping[str, object],
    sites: Collection[str],
    *,
    k: int,
    own: Collection[str],
) -> Why:
    """Why a verdict's numbers, pooled over ``sites``, are hidden, if they are.

    It may rest on fewer sites than the pooled row (a material, a suspect handling): then the two
    could be subtracted, so the sites between them obey the same rules. Hidden too where the counts
    show that the sites are others than these.
    """
    stratum, feature = str(row["stratum"]), str(row["feature"])
    if (stratum, feature) in judged.withheld:
        return Why.EARLIER
    rows = judged.contributors(stratum, feature)
    used = rows["site"].isin(list(sites))
    people = dict(zip(rows["site"], arms_of(rows), strict=True))
    inside = {site: people[site] for site in rows["site"][used]}
    case, control = (sum(arms[arm] for arms in inside.values()) for arm in (0, 1))
    if (case, control) != (row["n_case"], row["n_control"]):
        return Why.OTHER_PEOPLE
    if min(case, control) < k:
        return Why.FEW
    secret = set(rows["site"][rows["hidden"]]) - set(own)
    parts = [[people[site] for site in inside if site in secret]]
    if judged.shows_pooled(stratum, feature):
        parts.append([arms for site, arms in people.items() if site in secret - set(inside)])
    weights = weights_of(rows[rows["site"].isin(list(inside))])
    if dominated(inside, set(inside) - secret) or outweighs(weights):
        return Why.DOMINATED
    if tells_an_insider(inside, own, k):
        return Why.INSIDER
    return Why.TOLD if all(sum_is_safe(part, k) for part in parts) else Why.FEW


def verdict_counts(judged: Judged, row: Mapping[str, object], sites: Collection[str]) -> Arms:
    """A shown verdict's totals, as sums of rounded counts."""
    rows = judged.contributors(str(row["stratum"]), str(row["feature"]))
    seen = rows[rows["site"].isin(list(sites)) & ~rows["hidden"]]
    case, control = (total_of(int(str(row[name])), [int(n) for n in seen[name]]) for name in ARMS)
    return case, control
