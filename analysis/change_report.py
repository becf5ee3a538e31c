"""Which site's data moved an effect or flipped a verdict between two runs: leave one change out.

Pure: tables of both runs in, sentences and rows out. Effects of sites are stored, so one site's
earlier rows can stand in for its new ones and the rest is pooled again, without any record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.findings import ClaimFacts, Finding
from analysis.plans import AnalysisPlan
from analysis.stats.handling import Handling
from analysis.stats.meta import pool_effects
from analysis.verdicts import judge_marker
from cohorts.language.sentences import Sentence, say

AT_MOST = 50
COMPARED = ["hedges_g", "hedges_g_variance", "n_case", "n_control"]
KEYS = ["stratum", "feature"]
ON_MARKERS = ("feature", "class")


@dataclass(frozen=True)
class Side:
    """One run as its reader may see it; ``handling`` by site."""

    effects: pd.DataFrame
    pooled: pd.DataFrame
    handling: Mapping[str, Handling]


@dataclass(frozen=True)
class Without:
    """What would have been found, had one site sent nothing new."""

    site: str
    estimate: float | None
    verdict: str = ""
    did_it: bool = False

    def as_dict(self) -> dict[str, Any]:
        told = {"site": self.site, "estimate": self.estimate, "did_it": self.did_it}
        return told | ({"verdict": self.verdict} if self.verdict else {})


def threshold_of(plan: AnalysisPlan) -> float:
    """The move of a pooled g that is worth telling: half of the smallest effect that matters."""
    return plan.smallest_effect / 2


def changed_sites(before: Side, now: Side, stratum: str, feature: str) -> list[str]:
    """Sites whose effect of this feature is another, new or gone."""
    was, is_ = (_rows(side.effects, stratum, feature).set_index("site") for side in (before, now))
    sites = sorted({*was.index, *is_.index})
    return [site for site in sites if _numbers(was, site) != _numbers(is_, site)]


def _numbers(rows: pd.DataFrame, site: str) -> list[float | None]:
    if site not in rows.index:
        return []
    found = rows.loc[[site], COMPARED].to_numpy(dtype=float).ravel()
    return [None if np.isnan(value) else float(value) for value in found]


def _rows(effects: pd.DataFrame, stratum: str, feature: str) -> pd.DataFrame:
    found = effects[(effects["stratum"] == stratum) & (effects["feature"] == feature)]
    return found[found["hedges_g"].notna()]


def with_earlier(before: Side, now: Side, sites: Sequence[str]) -> Side:
    """The run of now, had these sites sent nothing since."""
    kept = now.effects[~now.effects["site"].isin(sites)]
    put_back = before.effects[before.effects["site"].isin(sites)]
    earlier = {site: before.handling[site] for site in sites if site in before.handling}
    others = {site: facts for site, facts in now.handling.items() if site not in sites}
    parts = [part for part in (kept, put_back) if len(part)]
    effects = pd.concat(parts, ignore_index=True) if parts else kept
    return Side(effects, now.pooled, others | earlier)


# --- effects that moved


def moved_effects(before: Side, now: Side, plan: AnalysisPlan) -> list[dict[str, Any]]:
    """Pooled effects that moved by the threshold or more, the furthest first, with who moved them.

    Of each changed site: the pooled estimate with its earlier rows; it did it where that alone
    takes the effect back to within the threshold of what it was.
    """
    limit = threshold_of(plan)
    names = [*KEYS, "estimate"]
    both = before.pooled[names].merge(now.pooled[names], on=KEYS, suffixes=("_before", "_now"))
    both["moved"] = (both["estimate_now"] - both["estimate_before"]).abs()
    far = both[both["moved"] >= limit].sort_values("moved", ascending=False, kind="stable")
    return [
        {
            "stratum": row["stratum"],
            "feature": row["feature"],
            "before": float(row["estimate_before"]),
            "now": float(row["estimate_now"]),
            "sites": [
                _pooled_without(before, now, row, site, plan).as_dict()
                for site in changed_sites(before, now, row["stratum"], row["feature"])
            ],
        }
        for row in far.head(AT_MOST).to_dict("records")
    ]


def _pooled_without(
    before: Side, now: Side, row: Mapping[Any, Any], site: str, plan: AnalysisPlan
) -> Without:
    rows = _rows(with_earlier(before, now, [site]).effects, row["stratum"], row["feature"])
    if rows.empty:
        return Without(site, None)
    columns = [rows[[name]].to_numpy(dtype=float) for name in ("hedges_g", "hedges_g_variance")]
    estimate = float(pool_effects(*columns, tau2=plan.tau2, test=plan.test).estimate[0])
    back = bool(abs(estimate - row["estimate_before"]) < threshold_of(plan))
    return Without(site, estimate, did_it=back)


# --- verdicts that flipped


def why_flipped(
    claim: ClaimFacts, stratum: str, was: str, before: Side, now: Side, plan: AnalysisPlan
) -> dict[str, Any]:
    """Which site's data turned the verdict, and the same in words."""
    if claim.kind not in ON_MARKERS or stratum not in plan.strata:
        words = say(
            "It is fitted over all sites at once, so no single site's data can be taken out."
        )
        return {"sites": [], "words": words}
    found = judge_marker(claim, stratum, now.effects, now.handling, plan)
    sites = sorted(
        {
            site
            for side in (before, now)
            for site in changed_sites(before, now, stratum, _feature(claim, stratum, side, plan))
        }
    )
    if not sites:
        return {
            "sites": [],
            "words": say("No site's effect changed: the rules, plan or claim did."),
        }
    all_back = with_earlier(before, now, sites)
    if judge_marker(claim, stratum, all_back.effects, all_back.handling, plan).verdict != was:
        words = say(
            "With all earlier data it would still not be what it was: the rules, plan or claim "
            "changed as well."
        )
        return {"sites": [], "words": words}
    without = [_judged_without(claim, stratum, was, before, now, plan, site) for site in sites]
    told = _words(without, was, found.verdict)
    return {"sites": [each.as_dict() for each in without], "words": told}


def _feature(claim: ClaimFacts, stratum: str, side: Side, plan: AnalysisPlan) -> str:
    return judge_marker(claim, stratum, side.effects, side.handling, plan).feature


def _judged_without(
    claim: ClaimFacts,
    stratum: str,
    was: str,
    before: Side,
    now: Side,
    plan: AnalysisPlan,
    site: str,
) -> Without:
    side = with_earlier(before, now, [site])
    found: Finding = judge_marker(claim, stratum, side.effects, side.handling, plan)
    return Without(site, found.estimate, found.verdict, did_it=found.verdict == was)


def _words(without: Sequence[Without], was: str, now: str) -> str:
    did = [each.site for each in without if each.did_it]
    before, after = word_of(was), word_of(now)
    if len(did) == 1:
        return say(
            "%(site)s's data did it: with its earlier data it would be %(before)s still.",
            site=did[0],
            before=before,
        )
    if did:
        return say(
            "It took all of %(sites)s: with the earlier data of any one of them it would be "
            "%(before)s still.",
            sites=", ".join(did),
            before=before,
        )
    names = ", ".join(each.site for each in without)
    return say(
        "No single site's data did it (%(sites)s changed): each alone leaves it %(after)s.",
        sites=names,
        after=after,
    )


def word_of(verdict: str) -> Sentence:
    """A verdict's word, to stand in a sentence of any language."""
    return Sentence(verdict.replace("_", " "))
