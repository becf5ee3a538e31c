"""Classifier, severity, harmonisation and handling past the disclosure rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from analysis.services.disclosure import released_groups
from analysis.services.disclosure.document_cells import WITHHELD, one_is_missing, withheld_of
from analysis.services.disclosure.rules import (
    count_or_none,
    dominated,
    rounded,
    significant,
    sites_to_hide,
    sum_is_safe,
    tells_an_insider,
)
from analysis.services.disclosure.suppression import POOL, Arms
from analysis.services.disclosure.whys import WORDS, Why
from cohorts.language.sentences import say

Document = Mapping[str, Any]
Sites = Mapping[str, Arms]
Rule = Callable[[Document, Sites, int, Collection[str]], dict[str, Any]]
AUC = ("auc", "ci_low", "ci_high")
# A number that stands alone in a sentence counts people; K22-1 and x2 do not.
COUNT = re.compile(r"(?<![\w.-])\d+(?![\w-])")
# Which sites share a group follows from how many people each has, hidden ones too.
UNTOLD = "left_out_together"
COUNTS_PEOPLE = say("It could not be computed from the data of this run.")


def shown(
    rule: Rule | None, data: Document, sites: Sites, k: int, own: Collection[str]
) -> dict[str, Any]:
    """The document by its rule, as a reader of the sites ``own`` may see it."""
    if rule is None:
        return {"refused": WORDS[Why.NO_RULE]}
    if data.get("refused"):
        return {"refused": without_counts(str(data["refused"]))} | {
            key: data[key] for key in ("method", "outcome", "instrument") if key in data
        }
    return rule(data, sites, k, own)


def without_counts(words: str) -> str:
    """A refusal's own words, unless they count people."""
    return COUNTS_PEOPLE if COUNT.search(words) else words


def about_shown(words: Collection[str], hidden: Collection[str]) -> list[str]:
    """Remarks that name none of the hidden sites."""
    return [each for each in words if not any(site in re.findall(r"\w+", each) for site in hidden)]


# --- classifier


def classifier_why(data: Document, k: int, own: Collection[str]) -> Why:
    """Why the AUC over all sites is hidden, if it is: it is a weighted sum of the sites' own."""
    people = _tested(data)
    if not people or POOL in withheld_of(data):
        return Why.EARLIER if people else Why.FEW
    few = {site for site, arms in people.items() if min(arms) < k}
    if dominated(people, set(people) - few):
        return Why.DOMINATED
    if tells_an_insider(people, own, k):
        return Why.INSIDER
    secret = sites_to_hide(people, k) - set(own)
    return Why.TOLD if sum_is_safe([people[site] for site in secret], k) else Why.FEW


def _tested(data: Document) -> dict[str, Arms]:
    return {
        str(entry["site"]): (int(entry["n_case"]), int(entry["n_control"]))
        for entry in data.get("by_site", ())
        if entry["auc"] is not None
    }


def _classifier(data: Document, sites: Sites, k: int, own: Collection[str]) -> dict[str, Any]:
    if "by_site" not in data:
        return {"refused": str(data.get("refused", ""))}
    why = classifier_why(data, k, ())
    few = {
        str(entry["site"])
        for entry in data["by_site"]
        if min(entry["n_case"], entry["n_control"]) < k
    }
    if not why:
        few |= sites_to_hide(_tested(data), k)
    hidden = dict.fromkeys(withheld_of(data), Why.EARLIER) | dict.fromkeys(few, Why.FEW)
    told = {name: part for name, part in data.items() if name not in released_groups.NAMES}
    told.pop(UNTOLD, None)
    told.pop(WITHHELD, None)
    told["by_site"] = [site_area(entry, hidden.get(entry["site"]), k) for entry in data["by_site"]]
    told["warnings"] = about_shown(data.get("warnings", ()), hidden)
    if why := why or classifier_why(data, k, own):
        return told | dict.fromkeys(AUC) | {"importance": {}, "reason": WORDS[why]}
    told |= {name: _auc(data.get(name)) for name in AUC}
    if not set(own) & set(sites):
        told |= released_groups.of_classifier(data, k, hidden)
    return told | {"importance": _coarse(data.get("importance", {}))}


def site_area(entry: Document, why: Why | None, k: int) -> dict[str, Any]:
    if why:
        none = dict.fromkeys((*AUC, "n_case", "n_control"))
        return {**entry, **none, "reason": WORDS[why]}
    counts = {name: count_or_none(entry[name], k) for name in ("n_case", "n_control")}
    areas = {name: _auc(entry.get(name)) for name in AUC}
    return {**entry, **areas, **counts, "reason": without_counts(str(entry.get("reason", "")))}


def _auc(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _coarse(values: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: significant(value, 3) for name, value in values.items()}


# --- severity


def severity_why(data: Document, sites: Sites, k: int, own: Collection[str]) -> Why:
    """Why the model of severity is hidden, if it is.

    It stores no counts by site; the run's own are no smaller, so they err on the safe side.
    """
    if POOL in withheld_of(data):
        return Why.EARLIER
    n, n_sites = int(data.get("n_samples") or 0), int(data.get("n_sites") or 0)
    if n < k:
        return Why.FEW
    if len(sites) > 2 and dominated(sites, sites):
        return Why.DOMINATED
    inside = set(sites) & set(own)
    others = n - sum(sum(sites[site]) for site in inside)
    tells = bool(inside) and (others < k or n_sites - len(inside) < 2)
    return Why.INSIDER if tells else Why.TOLD


def _severity(data: Document, sites: Sites, k: int, own: Collection[str]) -> dict[str, Any]:
    if "n_samples" not in data:
        return {"refused": str(data.get("refused", ""))}
    if why := severity_why(data, sites, k, own):
        kept = {name: data[name] for name in ("method", "outcome") if name in data}
        return kept | {"refused": WORDS[why]}
    told = {
        name: significant(value, 2 if name.startswith("p_") else 3)
        if isinstance(value, float)
        else value
        for name, value in data.items()
    }
    arms = [data.get(name) for name in ("n_case", "n_control")]
    # One arm alone would be the whole less the other.
    hide = any(n is not None and n < k for n in arms)
    for name, n in zip(("n_case", "n_control"), arms, strict=True):
        if n is not None:
            told[name] = None if hide else count_or_none(n, k)
    told["n_samples"] = count_or_none(data["n_samples"], k)
    # A site's own correlation is that of its people: the verdict speaks of all sites together.
    told.pop("by_site", None)
    told.pop(WITHHELD, None)
    told.pop("groups", None)
    told.pop(UNTOLD, None)
    # Somebody who knows one site's people could take them out of a group's mean.
    if not set(own) & set(sites):
        told |= released_groups.of_severity(data, k)
    return told | {"vip": _coarse(data.get("vip", {}))}


# --- harmonisation, handling

COMPONENTS = ("components_before", "components_after")
VARIANCES = ("variance_explained_before", "variance_explained_after")


def harmonisation_why(data: Document, k: int, own: Collection[str], hidden: Collection[str]) -> Why:
    """Why what is said of all sites together is hidden, if it is."""
    people = _harmonised(data)
    if POOL in withheld_of(data):
        return Why.EARLIER
    if data["n_people"] < k:
        return Why.FEW
    if tells_an_insider(people, own, k):
        return Why.INSIDER
    secret = [people[site] for site in set(hidden) - set(own)]
    return Why.TOLD if sum_is_safe(secret, k) else Why.FEW


def _harmonised(data: Document) -> dict[str, Arms]:
    return {str(site): (int(n), int(n)) for site, n in data.get("sites", {}).items()}


def _harmonisation(data: Document, sites: Sites, k: int, own: Collection[str]) -> dict[str, Any]:
    if "n_people" not in data:
        return {"refused": str(data.get("refused", ""))}
    people = _harmonised(data)
    withheld = withheld_of(data) - {POOL}
    hidden = frozenset(sites_to_hide(people, k)) | withheld
    apart = hidden | {site for site, arms in sites.items() if min(arms) < k}
    told = {key: part for key, part in data.items() if key != WITHHELD}
    told["sites"] = {
        site: None if site in hidden else count_or_none(arms[0], k) for site, arms in people.items()
    }
    alone = one_is_missing(people, apart)
    # Where the components of one site alone are missing none are told, and not whose it were.
    named = (hidden if alone else apart) & people.keys()
    told["reasons"] = {site: WORDS[_why_of(site, withheld)] for site in sorted(named)}
    told["notes"] = about_shown(data.get("notes", ()), apart)
    if why := harmonisation_why(data, k, own, hidden):
        return told | _without_the_whole(data) | {"reason": WORDS[why]}
    for name in filter(data.__contains__, COMPONENTS):
        told[name] = {} if alone else _components(data[name], apart, k)
    if alone:
        (one,) = apart & people.keys()
        told["components_reason"] = WORDS[_why_of(one, withheld)]
    for name in filter(data.__contains__, VARIANCES):
        told[name] = _coarse(data[name])
    visible = [arms[0] for site, arms in people.items() if site not in hidden]
    others = int(data["n_people"]) - sum(visible)
    return told | {"n_people": sum(map(rounded, visible)) + rounded(others), "reason": ""}


def _why_of(site: str, withheld: Collection[str]) -> Why:
    return Why.EARLIER if site in withheld else Why.FEW


def _without_the_whole(data: Document) -> dict[str, Any]:
    variances = {name: dict.fromkeys(data[name]) for name in VARIANCES if name in data}
    return {"n_people": None} | {name: {} for name in COMPONENTS if name in data} | variances


def _components(data: Document, hidden: Collection[str], k: int) -> dict[str, Any]:
    """Centres and spreads of sites that may be told; the centres of all sites sum to nothing.

    So the centre of one hidden site could be worked out: `sites_to_hide` never hides one alone.
    """
    return {
        "explained": [significant(each, 3) for each in data.get("explained", ())],
        "sites": [
            {
                "site": each["site"],
                "n": count_or_none(each["n"], k),
                "centre": [significant(part, 3) for part in each["centre"]],
                "covariance": None
                if each["covariance"] is None
                else [significant(part, 3) for part in each["covariance"]],
            }
            for each in data.get("sites", ())
            if each["site"] not in hidden and each["n"] >= k
        ],
    }


def _handling(data: Document, sites: Sites, k: int, own: Collection[str]) -> dict[str, Any]:
    """The verdicts alone: medians of single sites' samples are for those who see rows."""
    return {site: {"verdict": facts["verdict"]} for site, facts in data.items()}


RULES: dict[str, Rule] = {
    "classifier": _classifier,
    "severity": _severity,
    "harmonisation": _harmonisation,
    "handling": _handling,
}
