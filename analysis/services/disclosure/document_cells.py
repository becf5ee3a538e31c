"""Whose people the numbers of a document rest on, part by part and site by site.

A document's numbers add up as tables' do: what is told of all sites together (`POOL`) is worked out
of the sites' own, so two releases of it can be subtracted along the same sums.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from analysis.services.disclosure.suppression import POOL, Arms

Document = Mapping[str, Any]
Cells = dict[str, dict[str, Arms]]  # part of the document -> site -> people
WITHHELD = "withheld"  # beside a document's own members: sites that may not be told
WHOLE, TRAINED = "", "trained"


def cells_of(name: str, data: Document) -> Cells:
    """People of each number that a document tells; nothing of one that refused, or has no rule."""
    return {} if data.get("refused") or name not in READ else READ[name](data)


def with_withheld(name: str, data: dict[str, Any], withheld: Iterable[list[str]]) -> dict[str, Any]:
    """The document, with the sites that may not be told beside what they are withheld of."""
    sites: dict[str, list[str]] = {}
    for part, site in withheld:
        sites.setdefault(part, []).append(site)
    if not sites:
        return data
    if name == "nested":
        learners = [{**each, WITHHELD: sites.get(each["learner"], [])} for each in data["learners"]]
        return {**data, "learners": learners}
    return {**data, WITHHELD: sorted({site for part in sites.values() for site in part})}


def withheld_of(data: Document) -> set[str]:
    """The sites of a document, or of a learner, that may not be told; `POOL` among them."""
    return set(data.get(WITHHELD, ()))


def _areas(data: Document) -> dict[str, Arms]:
    tested = {
        str(one["site"]): (int(one["n_case"]), int(one["n_control"]))
        for one in data.get("by_site", ())
        if one["auc"] is not None
    }
    return _with_pool(tested) if data.get("auc") is not None else tested


def _with_pool(sites: dict[str, Arms]) -> dict[str, Arms]:
    case, control = (sum(arms[arm] for arms in sites.values()) for arm in (0, 1))
    return {**sites, POOL: (case, control)}


def _both(n: Any) -> Arms:
    return int(n or 0), int(n or 0)


def _severity(data: Document) -> Cells:
    case, control = (data.get(name) for name in ("n_case", "n_control"))
    all_of_them = _both(data.get("n_samples"))
    told = all_of_them if case is None or control is None else (int(case), int(control))
    return {WHOLE: {POOL: all_of_them}, "arms": {POOL: told}}


def _transport(data: Document) -> Cells:
    carried = [one for one in data["by_site"] if not one["refused"]]
    return {
        part: {
            str(one["site"]): (int(one[f"n_case{of}"]), int(one[f"n_control{of}"]))
            for one in carried
        }
        for part, of in ((WHOLE, ""), (TRAINED, "_trained"))
    }


def _languages(data: Document) -> Cells:
    return {WHOLE: {str(each): _both(n) for each, n in data["languages"].items()}}


def _harmonisation(data: Document) -> Cells:
    sites = {str(site): _both(n) for site, n in data.get("sites", {}).items()}
    return {WHOLE: {**sites, POOL: _both(data["n_people"])}} if "n_people" in data else {}


READ: dict[str, Callable[[Document], Cells]] = {
    "classifier": lambda data: {WHOLE: _areas(data)},
    "nested": lambda data: {str(each["learner"]): _areas(each) for each in data["learners"]},
    "severity": _severity,
    "transport": _transport,
    "languages": _languages,
    "harmonisation": _harmonisation,
}


def one_is_missing(told: Collection[str], withheld: Collection[str]) -> bool:
    """Whether of these sites exactly one is withheld: the others would give it away."""
    return len(set(told) & set(withheld)) == 1
