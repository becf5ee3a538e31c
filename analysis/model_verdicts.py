"""Verdicts on claims of models: a classifier's and a severity model's, at sites that were left out.

The rules are those of `analysis.verdicts`, which says them together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext_noop as _

from analysis.findings import ClaimFacts, Finding, side_of
from analysis.stats.model_looks import CHANCE, area_over_looks, correlation_over_looks
from analysis.stats.severity import LEAVE_ONE_SITE_OUT
from cohorts.language.sentences import say, together

AREA_ALL_LOOKS = {
    "replicated": _("At left-out sites the interval of the AUC lies above 0.5, at all looks."),
    "opposite": _("At left-out sites the interval of the AUC lies below 0.5, at all looks."),
}
AREA_ONE_LOOK = {
    "replicated": _(
        "At left-out sites the ordinary interval of the AUC lies above 0.5, but the one that "
        "holds over all looks at growing data does not yet."
    ),
    "opposite": _(
        "At left-out sites the ordinary interval of the AUC lies below 0.5, but the one that "
        "holds over all looks at growing data does not yet."
    ),
}


def judge_classifier(claim: ClaimFacts, stratum: str, document: Mapping[str, Any]) -> Finding:
    """Above chance at sites that the model never saw, at all looks?"""
    if document["refused"]:
        return Finding(claim.code, stratum, "not_testable", str(document["refused"]))
    tested = [entry for entry in document["by_site"] if entry["auc"] is not None]
    if len(tested) < 2:
        why = say("Two sites that can be left out are needed, and one is tested.")
        return Finding(claim.code, stratum, "not_testable", why, n_sites=len(tested))
    always = area_over_looks(*(_of(tested, name) for name in ("auc", "n_case", "n_control")))
    always_low, always_high = float(always.ci_low[0]), float(always.ci_high[0])
    low, high = float(document["ci_low"]), float(document["ci_high"])
    verdict = side_of(always_low - CHANCE, always_high - CHANCE, "higher")
    once = side_of(low - CHANCE, high - CHANCE, "higher")
    return Finding(
        code=claim.code,
        stratum=stratum,
        verdict=verdict,
        reason=together(_area_reason(verdict, once), *_groups(document), *document["warnings"]),
        estimate=float(document["auc"]),
        ci_low=low,
        ci_high=high,
        always_low=always_low,
        always_high=always_high,
        n_sites=len(tested),
        n_case=sum(entry["n_case"] for entry in tested),
        n_control=sum(entry["n_control"] for entry in tested),
    )


def _of(entries: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    return [float(entry[name]) for entry in entries]


def _groups(document: Mapping[str, Any]) -> list[str]:
    """That sites were not left out one at a time, where they were not."""
    if not document.get("n_groups"):
        return []
    return [say("Sites were left out in %(n)s groups.", n=document["n_groups"])]


def _area_reason(verdict: str, once: str) -> str:
    if verdict in AREA_ALL_LOOKS:
        return say(AREA_ALL_LOOKS[verdict])
    if once in AREA_ONE_LOOK:
        return say(AREA_ONE_LOOK[once])
    return say("At left-out sites the interval of the AUC holds 0.5.")


def judge_severity(claim: ClaimFacts, stratum: str, document: Mapping[str, Any]) -> Finding:
    """Better than the mean where it was not fitted, and better than chance at all looks?"""
    if document["refused"]:
        return Finding(claim.code, stratum, "not_testable", str(document["refused"]))
    sites = [entry for entry in document["by_site"] if entry["r"] is not None]
    if document["folds"] != LEAVE_ONE_SITE_OUT or len(sites) < 2:
        why = say("Three sites with the outcome are needed, of which each is left out in turn.")
        return Finding(claim.code, stratum, "not_testable", why, n_sites=document["n_sites"])
    always = correlation_over_looks(_of(sites, "r"), _of(sites, "n"))
    low, high = float(always.ci_low[0]), float(always.ci_high[0])
    q2, p = float(document["q2"]), document["p_permutation"]
    seen = low > 0 and q2 > 0
    groups = _groups(document)
    said = say(
        "%(finding)s: Q2 = %(q2)s, the correlation within left-out sites lies from %(low)s to "
        "%(high)s over all looks, permutation p = %(p)s.",
        finding=_severity_words(seen, low, q2, p),
        q2=f"{q2:.2f}",
        low=f"{low:.2f}",
        high=f"{high:.2f}",
        p=say("not computed") if p is None else f"{p:.3f}",
    )
    return Finding(
        code=claim.code,
        stratum=stratum,
        verdict="replicated" if seen else "undecided",
        reason=together(said, *groups) if groups else said,
        estimate=q2,
        n_sites=document["n_sites"],
        n_case=document["n_case"],
        n_control=document["n_control"],
    )


def _severity_words(seen: bool, low: float, q2: float, p: float | None) -> str:
    if seen:
        return say("Severity is predicted at left-out sites, at all looks")
    if low > 0:
        return say(
            "Severity is ordered at left-out sites, but not predicted better than by its mean"
        )
    if p is not None and p < 0.05 and q2 > 0:
        return say("Severity is predicted at this look, but not yet at all looks at growing data")
    return say("Severity is not predicted beyond chance")
