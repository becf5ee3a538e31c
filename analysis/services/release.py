"""What an analyst may see: the disclosure rules, in one module (docs/for-analysts.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from django.conf import settings

from analysis.models import Run
from cohorts import access

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from cohorts.models import User

ROUND_TO = 5
KEEPS = frozenset(
    {
        "stratum",
        "feature",
        "site",
        "platform",
        "matrix",
        "scale",
        "unit",
        "source_name",
        "hmdb",
        "source_names",
        "sites",
        "adjusted_for",
    }
)
VERDICT_NUMBERS = ("estimate", "ci_low", "ci_high", "always_low", "always_high")
HIDDEN = "hidden: it rests on too few people"


def reason_to_hold(run: Run) -> str:
    """Why this run may not be released now; "" if it may.

    Two releases whose people differ by a few could be subtracted to see those few: the set changes
    by nobody or by at least k each way.
    """
    last = (
        Run.objects.published()
        .filter(plan__name=run.plan.name, released_at__isnull=False)
        .order_by("-released_at")
        .select_related("snapshot")
        .first()
    )
    if last is None or last.snapshot is None or run.snapshot is None:
        return ""
    before, now = set(last.snapshot.participant_ids), set(run.snapshot.participant_ids)
    k = settings.DISCLOSURE_K
    if all(n == 0 or n >= k for n in (len(now - before), len(before - now))):
        return ""
    return "It is released when enough data have changed since the last release."


def sees_everything(user: User | AnonymousUser) -> bool:
    """Whether this person works before the disclosure check."""
    return bool(access.reach(user, "unreleased_result"))


def table_for(frame: pd.DataFrame, user: User | AnonymousUser) -> pd.DataFrame:
    """A result table as this person may see it.

    For analysts and sites a row that rests on fewer than k people in an arm keeps its names and
    loses its numbers, and counts are rounded to 5 after that.
    """
    if sees_everything(user):
        return frame
    few = (frame["n_case"] < settings.DISCLOSURE_K) | (frame["n_control"] < settings.DISCLOSURE_K)
    shown = frame.copy()
    numbers = [name for name in shown.columns if name not in KEEPS and name != "reason"]
    shown[numbers] = shown[numbers].mask(few)
    for name in ("n_case", "n_control", "n_below_lod"):
        if name in shown:
            shown[name] = rounded(shown[name])
    # A site's own reason names its counts.
    shown["reason"] = np.where(few, HIDDEN, shown["reason"])
    return shown


def rounded(counts: pd.Series) -> pd.Series:
    """Counts to the nearest 5; what is hidden stays hidden."""
    return (counts / ROUND_TO).round() * ROUND_TO


def verdict_for(row: dict[str, object], user: User | AnonymousUser) -> dict[str, object]:
    """A verdict as this person may see it: counts rounded, nothing on fewer than k in an arm."""
    if sees_everything(user):
        return row
    shown = dict(row)
    n_case, n_control = int(str(row["n_case"])), int(str(row["n_control"]))
    few = min(n_case, n_control) < settings.DISCLOSURE_K
    if few and row["estimate"] is not None and n_case + n_control:
        shown |= dict.fromkeys(VERDICT_NUMBERS) | {"reason": HIDDEN}
    for name, n in (("n_case", n_case), ("n_control", n_control)):
        shown[name] = None if few else ROUND_TO * round(n / ROUND_TO)
    return shown


def left_out_for(
    rows: list[dict[str, object]], user: User | AnonymousUser
) -> list[dict[str, object]]:
    """What was left out, as this person may see it: no names of people, counts rounded."""
    if sees_everything(user):
        return rows
    totals: dict[tuple[object, object], int] = {}
    for row in rows:
        key = (row["what"], row.get("in_general") or row["why"])
        totals[key] = totals.get(key, 0) + int(str(row["n"]))
    k = settings.DISCLOSURE_K
    return [
        {"what": what, "why": why, "n": ROUND_TO * round(n / ROUND_TO) if n >= k else None}
        for (what, why), n in totals.items()
    ]


def document_for(name: str, data: dict[str, Any], user: User | AnonymousUser) -> dict[str, Any]:
    """A document as this person may see it: sites with fewer than k in an arm lose numbers."""
    if sees_everything(user):
        return data
    if name == "handling":
        # Medians of single sites' samples are for those who see rows.
        return {site: {"verdict": facts["verdict"]} for site, facts in data.items()}
    shown = dict(data)
    if "by_site" in data:
        shown["by_site"] = [_site_area(entry) for entry in data["by_site"]]
    if "sites" in data:
        shown["sites"] = {site: _rounded_or_hidden(n) for site, n in data["sites"].items()}
    for count in ("n_people", "n_samples"):
        if count in data:
            shown[count] = _rounded_or_hidden(data[count])
    return shown


def _site_area(entry: dict[str, Any]) -> dict[str, Any]:
    shown = dict(entry)
    if min(entry["n_case"], entry["n_control"]) < settings.DISCLOSURE_K:
        shown |= {"auc": None, "ci_low": None, "ci_high": None, "reason": HIDDEN}
    return shown | {name: _rounded_or_hidden(entry[name]) for name in ("n_case", "n_control")}


def facts_for(facts: dict[str, Any], user: User | AnonymousUser) -> dict[str, Any]:
    """What a run is, as this person may see it."""
    if sees_everything(user):
        return facts
    sites = [
        {
            "site": s["site"],
            **{name: _rounded_or_hidden(s[name]) for name in ("n_case", "n_control")},
        }
        for s in facts["sites"]
    ]
    return facts | {
        "sites": sites,
        "left_out": left_out_for(facts["left_out"], user),
        # A cause can be one person's withdrawal at one site.
        "cause": "",
    }


def _rounded_or_hidden(n: int) -> int | None:
    return ROUND_TO * round(n / ROUND_TO) if n >= settings.DISCLOSURE_K else None


def comings_for(rows: list[dict[str, Any]], user: User | AnonymousUser) -> list[dict[str, Any]]:
    """People in and out of a run as this person may see it: totals only, nobody and few alike."""
    if sees_everything(user):
        return rows
    totals = {name: sum(row[name] for row in rows) for name in ("n_in", "n_out")}
    return [{"site": None, **{name: _rounded_or_hidden(n) for name, n in totals.items()}}]
