"""What a run says of each published claim, by written rules.

Rules, version 4; docs/decisions/0008-verdicts-at-all-looks.md tells what earlier ones said.

A marker's claim is judged on the pooled Hedges g of its stratum, over the sites that measured it in
the claim's material and whose blood handling the marker can bear. This study looks at its data at
every arrival, so zero is held against the interval that holds at all looks together
(`analysis.stats.sequential`), not against the ordinary one, which is shown beside it:

- ``not_testable``: fewer than two such sites, or the claim states nothing this plan tests;
- ``replicated``: the interval over all looks lies wholly on the claimed side of zero;
- ``opposite``: it lies wholly on the other side;
- ``undecided``: it holds zero; the reason says whether the ordinary interval does too, and gives
  the power of one look.

The reason also holds that interval against the smallest effect that matters (the plan's), and says
how far the sites' effects lie apart (I2, prediction interval); neither changes the word.

A classifier's claim is judged in the same words on the AUC at left-out sites against 0.5, and a
severity model's on the correlation of prediction and outcome within left-out sites against 0, each
by its interval over all looks (`analysis.stats.model_looks`); to be replicated the latter also
needs a cross-validated Q2 above 0 now. Both need two sites that were left out, severity three; of
many sites groups are left out, and the reason says so.

A claim that a marker parts cases into sub-groups is ``not_testable`` while its source gives no rule
of who belongs to which: any rule of ours would test another claim. The reason says what is lacking,
and how many sites have measured the marker in cases already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from django.utils.translation import gettext_noop as _

from analysis.findings import ClaimFacts, Finding, side_of
from analysis.model_verdicts import judge_classifier, judge_severity
from analysis.plans import AnalysisPlan
from analysis.stats.handling import Handling
from analysis.stats.meta import PooledEffects, pool_effects
from analysis.stats.power import power_of_pooled
from analysis.stats.sequential import confidence_sequence
from cohorts.language.sentences import Sentence, say, together

RULES_VERSION = 4
ALL_LOOKS = {
    "replicated": _(
        "Over %(n_sites)s sites the interval lies on the claimed side of zero, at all looks."
    ),
    "opposite": _(
        "Over %(n_sites)s sites the interval lies on the other side of zero, at all looks."
    ),
}
ONE_LOOK = {
    "replicated": _(
        "Over %(n_sites)s sites the ordinary interval lies on the claimed side of zero, but the "
        "one that holds over all looks at growing data does not yet."
    ),
    "opposite": _(
        "Over %(n_sites)s sites the ordinary interval lies on the other side of zero, but the "
        "one that holds over all looks at growing data does not yet."
    ),
}
ANY_MATRIX = ("", "blood")
NO_RULE_OF_GROUPS = say(
    "It says that the marker parts cases into sub-groups, not cases from controls. Lacking is the "
    "rule by which a case belongs to one of them (how many, from which values, with which limits), "
    "which the source does not give, or the sub-group of each case as its authors saw it."
)


def judge_all(
    claims: Sequence[ClaimFacts],
    effects: pd.DataFrame,
    documents: Mapping[str, Mapping[str, Any]],
    handling: Mapping[str, Handling],
    plan: AnalysisPlan,
) -> list[Finding]:
    """One finding for each claim in each stratum in which it is read."""
    return list(_findings(claims, effects, documents, handling, plan))


def _findings(
    claims: Sequence[ClaimFacts],
    effects: pd.DataFrame,
    documents: Mapping[str, Mapping[str, Any]],
    handling: Mapping[str, Handling],
    plan: AnalysisPlan,
) -> Iterator[Finding]:
    for claim in claims:
        for stratum in claim.strata:
            if claim.kind == "classifier":
                yield judge_classifier(claim, stratum, documents["classifier"])
            elif claim.kind == "severity":
                yield judge_severity(claim, stratum, documents["severity"])
            elif claim.kind == "subgroup":
                yield judge_subgroup(claim, stratum, effects)
            elif stratum not in plan.strata:
                why = say("The plan does not analyse the stratum %(stratum)s.", stratum=stratum)
                yield Finding(claim.code, stratum, "not_testable", why)
            else:
                yield judge_marker(claim, stratum, effects, handling, plan)


def judge_marker(
    claim: ClaimFacts,
    stratum: str,
    effects: pd.DataFrame,
    handling: Mapping[str, Handling],
    plan: AnalysisPlan,
) -> Finding:
    """Pool the sites that may speak on this marker, and hold the interval against zero."""
    feature = _measured_marker(claim, stratum, effects)
    if feature is None:
        names = ", ".join(claim.markers or (claim.marker,))
        why = say("No site has an effect of %(markers)s in this stratum.", markers=names)
        return Finding(claim.code, stratum, "not_testable", why)
    rows = effects[
        (effects["stratum"] == stratum)
        & (effects["feature"] == feature)
        & effects["hedges_g"].notna()
    ]
    rows, silent = _who_may_speak(rows, claim, feature, handling)
    if len(rows) < 2:
        why = together(_too_few(rows, feature), *silent)
        return Finding(claim.code, stratum, "not_testable", why, feature, n_sites=len(rows))
    pooled = pool_effects(
        rows[["hedges_g"]].to_numpy(dtype=float),
        rows[["hedges_g_variance"]].to_numpy(dtype=float),
        tau2=plan.tau2,
        test=plan.test,
    )
    estimate, low, high = (
        float(array[0]) for array in (pooled.estimate, pooled.ci_low, pooled.ci_high)
    )
    always = confidence_sequence(
        rows[["hedges_g"]].to_numpy(dtype=float),
        rows[["hedges_g_variance"]].to_numpy(dtype=float),
        effect_of_interest=plan.effect_of_interest,
    )
    always_low, always_high = float(always.ci_low[0]), float(always.ci_high[0])
    verdict = side_of(always_low, always_high, claim.direction)
    once = side_of(low, high, claim.direction)
    reason = _reason(verdict, once, float(pooled.se[0]), len(rows), plan)
    size = _size(verdict, always_low, always_high, plan.smallest_effect)
    return Finding(
        code=claim.code,
        stratum=stratum,
        verdict=verdict,
        reason=together(reason, *size, *_between_sites(pooled), *silent),
        feature=feature,
        estimate=estimate,
        ci_low=low,
        ci_high=high,
        always_low=always_low,
        always_high=always_high,
        n_sites=len(rows),
        n_case=int(rows["n_case"].sum()),
        n_control=int(rows["n_control"].sum()),
    )


def _too_few(rows: pd.DataFrame, feature: str) -> str:
    if rows.empty:
        return say("Two sites are needed and no site is left for %(feature)s.", feature=feature)
    return say(
        "Two sites are needed and only %(site)s is left for %(feature)s.",
        site=rows["site"].iloc[0],
        feature=feature,
    )


def _measured_marker(claim: ClaimFacts, stratum: str, effects: pd.DataFrame) -> str | None:
    """The marker's feature that most sites have an effect of; the earlier named one on a tie."""
    names = (claim.marker,) if claim.kind == "class" else (claim.markers or (claim.marker,))
    there = effects[(effects["stratum"] == stratum) & effects["hedges_g"].notna()]
    n_sites = there[there["feature"].isin(names)].groupby("feature")["site"].nunique()
    measured = [name for name in names if name in n_sites.index]
    return max(measured, key=lambda name: int(n_sites[name])) if measured else None


def _who_may_speak(
    rows: pd.DataFrame, claim: ClaimFacts, feature: str, handling: Mapping[str, Handling]
) -> tuple[pd.DataFrame, list[str]]:
    """Rows of sites whose material and handling fit, and a sentence for each that is left out."""
    said: list[str] = []
    if claim.matrix not in ANY_MATRIX:
        other = rows[rows["matrix"] != claim.matrix]
        said += [
            say(
                "%(site)s measured %(measured)s, the claim is on %(claimed)s.",
                site=row["site"],
                measured=row["matrix"],
                claimed=claim.matrix,
            )
            for _, row in other.iterrows()
        ]
        rows = rows[rows["matrix"] == claim.matrix]
    kept = []
    for site in rows["site"]:
        verdict = handling.get(site)
        touched = verdict is not None and feature in verdict.touches
        kept.append(not touched)
        if touched and verdict is not None:
            said.append(
                say(
                    "%(site)s is left out: its handling is %(handling)s.",
                    site=site,
                    handling=verdict.verdict,
                )
            )
    return rows[np.array(kept, dtype=bool)], said


def _reason(verdict: str, once: str, se: float, n_sites: int, plan: AnalysisPlan) -> str:
    if verdict in ALL_LOOKS:
        return Sentence(ALL_LOOKS[verdict], {"n_sites": n_sites})
    if once in ONE_LOOK:
        return Sentence(ONE_LOOK[once], {"n_sites": n_sites})
    power = power_of_pooled(plan.smallest_effect, se, df=n_sites - 1)
    return say(
        "Over %(n_sites)s sites the interval holds zero; the power of one look to see "
        "g = %(effect)s was %(power)s.",
        n_sites=n_sites,
        effect=f"{plan.smallest_effect:g}",
        power=f"{power:.0%}",
    )


def _size(verdict: str, low: float, high: float, smallest: float) -> list[str]:
    """The interval over all looks against the smallest effect of interest."""
    effect = f"{smallest:g}"
    if -smallest < low and high < smallest:
        return [say("At all looks a difference of g = %(effect)s is ruled out.", effect=effect)]
    if verdict == "undecided":
        return []
    if min(abs(low), abs(high)) >= smallest:
        return [say("It is at least g = %(effect)s, at all looks.", effect=effect)]
    return [say("It may be less than g = %(effect)s, the smallest that matters.", effect=effect)]


def _between_sites(pooled: PooledEffects) -> list[str]:
    """How far the sites' effects lie apart, where there are enough of them to tell."""
    i2, low, high = (float(array[0]) for array in (pooled.i2, pooled.pi_low, pooled.pi_high))
    if not np.isfinite((i2, low, high)).all():
        return []
    return [
        say(
            "Between sites I2 = %(i2)s; at a further site g from %(low)s to %(high)s is expected.",
            i2=f"{i2:.0f} %",
            low=f"{low:.2f}",
            high=f"{high:.2f}",
        )
    ]


def judge_subgroup(claim: ClaimFacts, stratum: str, effects: pd.DataFrame) -> Finding:
    """What a test of sub-groups of cases lacks, and what is there already."""
    markers = claim.markers or (claim.marker,)
    rows = effects[(effects["stratum"] == stratum) & effects["feature"].isin(markers)]
    if claim.matrix not in ANY_MATRIX:
        rows = rows[rows["matrix"] == claim.matrix]
    rows = rows[rows["n_case"] > 0]
    n_sites = rows["site"].nunique()
    measured = [name for name in markers if name in set(rows["feature"])]
    found = say(
        "No site has measured %(markers)s in %(matrix)s yet.",
        markers=", ".join(markers),
        matrix=claim.matrix,
    )
    if n_sites:
        found = say(
            "Measured in cases already: %(markers)s (sites: %(n_sites)s).",
            markers=", ".join(measured),
            n_sites=n_sites,
        )
    reason = together(NO_RULE_OF_GROUPS, found)
    return Finding(claim.code, stratum, "not_testable", reason, n_sites=n_sites)
