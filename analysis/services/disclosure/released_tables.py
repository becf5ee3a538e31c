"""A run's effects and pooled effects as they leave: what is hidden, and rounded counts."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
import pandas as pd

from analysis.services.disclosure.hidden_rows import Judged
from analysis.services.disclosure.rules import ARMS, Mask, coarsened, rounded
from analysis.services.disclosure.whys import WORDS, Why

OTHER_SITES = "other sites"


def effects_shown(judged: Judged, k: int) -> pd.DataFrame:
    """The sites' effects without the numbers of hidden rows, coarsened and counts rounded."""
    shown = _without_hidden(judged.effects, judged.effects_hidden)
    for name in ARMS:
        shown[name] = [rounded(n) if n == n else n for n in shown[name].astype(float)]
    if "df" in shown:
        # To the unit it would tell the exact number of people.
        shown["df"] = [rounded(n) if n == n else n for n in shown["df"].astype(float)]
    if "n_below_lod" in shown:
        below, people = shown["n_below_lod"].astype(float), judged.effects[ARMS].sum(axis=1)
        told = (below >= k) & (people - below >= k)
        shown["n_below_lod"] = [
            rounded(n) if tell else math.nan for n, tell in zip(below, told, strict=True)
        ]
    return shown


def pooled_shown(
    judged: Judged, disguised: Collection[tuple[str, float]] | None = None
) -> pd.DataFrame:
    """The pooled effects without the numbers of hidden rows; totals are sums of rounded counts.

    ``disguised`` is `hidden_q` of the whole table, where this is some features of it.
    """
    shown = _without_hidden(judged.pooled, judged.pooled_hidden)
    totals = _totals(judged)
    keys = zip(shown["stratum"], shown["feature"], strict=True)
    pairs = [totals.get((str(stratum), str(feature)), {}) for stratum, feature in keys]
    for name in ARMS:
        exact = judged.pooled[name].fillna(0).astype(int)
        shown[name] = [
            math.nan if hidden else total_of(int(n), visible.get(name, []))
            for n, visible, hidden in zip(exact, pairs, judged.pooled_hidden, strict=True)
        ]
    if "q" in shown:
        if disguised is None:
            disguised = hidden_q(judged.pooled, judged.pooled_hidden)
        shown["q"] = shown["q"].mask(_q_of_another(judged.pooled, disguised))
    if "sites" in shown:
        names = _hidden_sites(judged)
        shown["sites"] = [
            _merged(str(sites), names.get((str(stratum), str(feature)), set()))
            for stratum, feature, sites in zip(
                shown["stratum"], shown["feature"], shown["sites"], strict=True
            )
        ]
    return shown


def one_stage_shown(frame: pd.DataFrame, judged: Judged) -> pd.DataFrame:
    """Rows whose pooled effect is shown and rests on as many people, with its rounded counts.

    A model of a few people more or less than the pooled effect's would tell about those few.
    """
    keys = ["stratum", "feature"]
    exact = frame[keys].merge(judged.pooled.assign(hidden=judged.pooled_hidden), how="left")
    same = [(exact[name] == frame[name].to_numpy()) for name in (*ARMS, "n_sites")]
    hidden = ~(exact["hidden"].eq(False) & same[0] & same[1] & same[2]).to_numpy(dtype=bool)
    told = frame[keys].merge(pooled_shown(judged), how="left")
    shown = frame.reset_index(drop=True).copy()
    for name in (*ARMS, "n_sites"):
        shown[name] = told[name].astype(float)
    shown["at_bound"] = shown["at_bound"].astype("boolean").mask(pd.Series(hidden))
    shown = _without_hidden(shown, hidden)
    shown["reason"] = np.where(hidden, WORDS[Why.OTHER_PEOPLE], shown["reason"])
    return shown


def _hidden_sites(judged: Judged) -> dict[tuple[str, str], set[str]]:
    rows = judged.effects[judged.effects_hidden]
    found: dict[tuple[str, str], set[str]] = {}
    for stratum, feature, site in zip(rows["stratum"], rows["feature"], rows["site"], strict=True):
        found.setdefault((str(stratum), str(feature)), set()).add(str(site))
    return found


def _merged(sites: str, hidden: Collection[str]) -> str:
    """The joined names, those of hidden rows as "other sites"."""
    names = [site for site in sites.split(";") if site]
    told = [site for site in names if site not in hidden]
    return ";".join(told if told == names else [*told, OTHER_SITES])


def _totals(judged: Judged) -> dict[tuple[str, str], dict[str, list[int]]]:
    """By stratum and feature, the exact counts of the contributing rows that are shown."""
    counts = {name: judged.effects[name].tolist() for name in ARMS}
    hidden = judged.effects_hidden.tolist()
    return {
        key: {name: [int(counts[name][at]) for at in places if not hidden[at]] for name in ARMS}
        for key, places in judged.contributing.items()
    }


def total_of(exact: int, visible: list[int]) -> int:
    """Rounded counts of the rows beside it, and of all hidden ones together."""
    others = exact - sum(visible)
    return sum(map(rounded, visible)) + rounded(others) if others >= 0 else rounded(exact)


def hidden_q(pooled: pd.DataFrame, hidden: Mask) -> set[tuple[str, float]]:
    """Stratum and q of hidden rows: step procedures hand q values on to others."""
    told = hidden & (pooled["q"] < 1).to_numpy()
    return set(zip(pooled["stratum"][told], pooled["q"][told], strict=True))


def _q_of_another(pooled: pd.DataFrame, hidden: Collection[tuple[str, float]]) -> Mask:
    """Rows whose q is a hidden row's p in disguise."""
    pairs = zip(pooled["stratum"], pooled["q"], strict=True)
    return np.array([pair in hidden for pair in pairs], dtype=bool)


def _without_hidden(frame: pd.DataFrame, hidden: Mask) -> pd.DataFrame:
    shown = coarsened(frame)
    numbers = [str(name) for name in shown if pd.api.types.is_numeric_dtype(shown[name])]
    shown[numbers] = shown[numbers].astype(float).mask(pd.Series(hidden, index=shown.index), axis=0)
    return shown
