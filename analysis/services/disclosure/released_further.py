"""What only some plans ask for, past the disclosure rules: further classifiers and effects."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from analysis.services.disclosure.document_cells import withheld_of
from analysis.services.disclosure.hidden_rows import Judged
from analysis.services.disclosure.released_documents import (
    AUC,
    Document,
    Sites,
    about_shown,
    classifier_why,
    site_area,
    without_counts,
)
from analysis.services.disclosure.rules import (
    ARMS,
    coarsened,
    count_or_none,
    rounded,
    significant,
    sites_to_hide,
)
from analysis.services.disclosure.suppression import POOL
from analysis.services.disclosure.whys import WORDS, Why

KEYS = ["stratum", "feature", "site"]


# --- effects with variances that borrow strength


def moderated_shown(frame: pd.DataFrame, judged: Judged) -> pd.DataFrame:
    """Rows whose effect of the same people is shown, without their degrees of freedom."""
    exact = frame[KEYS].merge(judged.effects.assign(hidden=judged.effects_hidden), how="left")
    same = (exact[ARMS].to_numpy() == frame[ARMS].to_numpy()).all(axis=1)
    hidden = ~(exact["hidden"].eq(False).to_numpy() & same)
    shown = coarsened(frame.reset_index(drop=True))
    shown["df"] = [rounded(n) if n == n else n for n in shown["df"].astype(float)]
    numbers = [str(name) for name in shown if pd.api.types.is_numeric_dtype(shown[name])]
    shown[numbers] = shown[numbers].astype(float).mask(pd.Series(hidden), axis=0)
    for name in ARMS:
        shown[name] = [rounded(n) if n == n else n for n in shown[name]]
    shown["reason"] = np.where(hidden, WORDS[Why.OTHER_PEOPLE], shown["reason"])
    return shown


# --- classifiers


def nested(data: Document, sites: Sites, k: int, own: Collection[str]) -> dict[str, Any]:
    """Both learners, where the AUC over all sites may be told; what they chose is told always."""
    learners = [_learner(each, k, own) for each in data["learners"]]
    told = {"method": data["method"], "refused": "", "learners": learners, "comparison": None}
    if not any(classifier_why(each, k, own) for each in data["learners"]):
        told["comparison"] = _coarse(data["comparison"], k)
    return told


def _learner(data: Document, k: int, own: Collection[str]) -> dict[str, Any]:
    hidden = _hidden_sites(data, k)
    told: dict[str, Any] = {
        "learner": data["learner"],
        "by_site": [site_area(one, hidden.get(one["site"]), k) for one in data["by_site"]],
        "choices": [{name: one[name] for name in ("site", "settings")} for one in data["choices"]],
        "warnings": about_shown(data["warnings"], hidden),
        "notes": about_shown(data["notes"], hidden),
        "n_fits": data["n_fits"],
    }
    if why := classifier_why(data, k, ()) or classifier_why(data, k, own):
        nothing = dict.fromkeys((*AUC, "auc_all_pairs", "other_sites", "calibration", "partial"))
        return told | nothing | {"importance": [], "calibration_by_site": [], "reason": WORDS[why]}
    return told | {
        **{name: _three(data[name]) for name in (*AUC, "auc_all_pairs")},
        "other_sites": _coarse(data["other_sites"], k),
        "partial": _coarse(data["partial"], k),
        "calibration": _calibration(data["calibration"], k),
        "calibration_by_site": [
            {"site": one["site"], **_calibration(one, k)}
            for one in data["calibration_by_site"]
            if one["site"] not in hidden
        ],
        "importance": [_coarse(one, k) for one in data["importance"]],
    }


def _hidden_sites(data: Document, k: int) -> dict[str, Why]:
    arms = {str(one["site"]): (one["n_case"], one["n_control"]) for one in data["by_site"]}
    few = {site for site, (case, control) in arms.items() if min(case, control) < k}
    earlier = dict.fromkeys(withheld_of(data) - {POOL}, Why.EARLIER)
    if classifier_why(data, k, ()):
        return earlier | dict.fromkeys(few, Why.FEW)
    tested = {str(one["site"]) for one in data["by_site"] if one["auc"] is not None}
    few |= sites_to_hide({site: arms[site] for site in tested}, k)
    return earlier | dict.fromkeys(few, Why.FEW)


def _calibration(data: Document, k: int) -> dict[str, Any]:
    """Without its bins, which are groups of a few people."""
    told = _coarse({name: part for name, part in data.items() if name not in ("bins", "site")}, k)
    return (told or {}) | {"reason": without_counts(str(data["reason"]))}


def _coarse(data: Document | None, k: int) -> dict[str, Any] | None:
    """Numbers to three digits, p values to two, counts of people rounded."""
    if data is None:
        return None
    return {name: _coarsened(name, value, k) for name, value in data.items()}


def _coarsened(name: str, value: Any, k: int) -> Any:
    if name in ARMS:
        return count_or_none(value, k)
    return significant(value, 2 if name == "p" else 3) if isinstance(value, float) else value


def _three(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def transport(data: Document, sites: Sites, k: int, own: Collection[str]) -> dict[str, Any]:
    """Each new site with k people an arm, of which no other one is hidden in the run."""
    hidden = dict.fromkeys(withheld_of(data), Why.EARLIER)
    hidden |= dict.fromkeys(sites_to_hide(sites, k), Why.FEW)
    return {
        "method": data["method"],
        "refused": "",
        "by_site": [_transported(one, hidden.get(one["site"]), k) for one in data["by_site"]],
    }


def _transported(one: Document, why: Why | None, k: int) -> dict[str, Any]:
    told = {"site": one["site"], "refused": without_counts(str(one["refused"]))}
    if one["refused"]:
        return told
    trained = (one["n_case_trained"], one["n_control_trained"])
    if why or min(one["n_case"], one["n_control"], *trained) < k:
        return told | {"refused": WORDS[why or Why.FEW]}
    counts = ("n_case", "n_control", "n_case_trained", "n_control_trained")
    return told | {
        "trained_on": one["trained_on"],
        **{name: count_or_none(one[name], k) for name in counts},
        **{name: _three(one[name]) for name in AUC},
        "shift": significant(one["shift"], 3),
        "calibration": _calibration(one["calibration"], k),
        "recalibrated": _calibration(one["recalibrated"], k),
        "n_features": one["n_features"],
        "features_missing": one["features_missing"],
    }


# --- language versions


def languages(data: Document, sites: Sites, k: int, own: Collection[str]) -> dict[str, Any]:
    """Items and their tests, where every language has enough people."""
    told = {name: data[name] for name in ("method", "instrument", "refused")}
    counts = data["languages"]
    # A language is often one site's: the rule of sites covers it.
    few = min(counts.values()) < k or sites_to_hide({each: (n, n) for each, n in counts.items()}, k)
    if few:
        return told | {"refused": WORDS[Why.FEW]}
    if withheld_of(data) or set(own) & set(sites):
        return told | {"refused": WORDS[Why.EARLIER if withheld_of(data) else Why.INSIDER]}
    numbers = ("p", "p_uniform", "p_nonuniform", "p_holm")
    items = [
        {name: significant(each[name], 2) for name in numbers}
        | {"nagelkerke": significant(each["nagelkerke"], 3)}
        | {name: each[name] for name in ("item", "size", "reason")}
        for each in data["items"]
    ]
    return told | {
        "languages": {each: rounded(n) for each, n in counts.items()},
        "items": items,
        "differing": data["differing"],
    }


RULES = {"nested": nested, "transport": transport, "languages": languages}
