"""What a person may see of a run: every answer passes here (docs/for-analysts.md)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from django.conf import settings
from django.utils import timezone

from analysis.models import Run
from analysis.services.disclosure import (
    differencing,
    first_release,
    hidden_rows,
    released_beside,
    released_documents,
    released_further,
    released_grid,
    released_tables,
    released_verdicts,
)
from analysis.services.disclosure.hidden_rows import NO_ROWS, Judged
from analysis.services.disclosure.released_pieces import Pair
from analysis.services.disclosure.rules import (
    RELEASE_RULES_VERSION,
    Mask,
    count_or_none,
    significant,
    sites_to_hide,
)
from analysis.services.disclosure.whys import HIDDEN, WORDS, Why, words_of
from analysis.services.stored_tables import StoredTable
from cohorts import access
from cohorts.language.sentences import say
from cohorts.models import Site

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from cohorts.models import User

__all__ = ["HIDDEN", "RELEASE_RULES_VERSION"]
PAIR = ("effects", "pooled")
VERDICT_NUMBERS = ("estimate", "ci_low", "ci_high", "always_low", "always_high")
Withheld = tuple[Mask, Mask]  # rows of effects and of pooled effects


def reason_to_hold(run: Run) -> str:
    """Why this run is not released by itself now; "" if it is."""
    forbidden = reason_to_forbid(run)
    if forbidden:
        return forbidden
    if run.plan.parsed.release == "by_approval":
        return say("Its plan asks that a data manager of the consortium approves each release.")
    if first_release.is_due(run.plan):
        return say(
            "One person wrote these settings of its plan: another data manager of the consortium "
            "approves their first release; later ones need nobody."
        )
    return ""


def reason_to_forbid(run: Run) -> str:
    """Why the rules let nobody release this run now; "" if they do.

    Two releases whose people differ by a few could be subtracted to see those few.
    """
    if run.plan.parsed.narrowed:
        # Beside the results of everybody it would tell about those between: they may be a few.
        return say("Its plan looks at a part of the people, so it stays with the data managers.")
    return differencing.reason(run)


def sees_everything(user: User | AnonymousUser) -> bool:
    """Whether this person works before the disclosure check."""
    return bool(access.reach(user, "unreleased_result"))


def sites_of(user: User | AnonymousUser) -> frozenset[str]:
    """The sites whose people this person may know: where they hold any role today.

    And those to which the token of this request is held: it was made for somebody of these sites.
    """
    if not user.is_authenticated:
        return frozenset()
    held = user.memberships.in_force(timezone.localdate()).filter(site__isnull=False)
    own = frozenset(held.values_list("site__code", flat=True))
    limits = access.limits_of(user)
    if not limits:
        return own
    return own | frozenset(Site.objects.filter(pk__in=limits).values_list("code", flat=True))


# --- tables


def table_for(
    frame: pd.DataFrame,
    user: User | AnonymousUser,
    *,
    name: str = "effects",
    beside: pd.DataFrame | None = None,
    withheld: Withheld | None = None,
) -> pd.DataFrame:
    """A result table as this person may see it: effects beside pooled, or the other way round.

    Hidden rows keep their names and lose their numbers. ``withheld`` are rows of effects and pooled
    that may not be told beside an earlier release.
    """
    if sees_everything(user):
        return frame
    other = NO_ROWS if beside is None else beside
    effects, pooled = (frame, other) if name == "effects" else (other, frame)
    return told_of(judged_for(effects, pooled, user, withheld), name)


def told_of(judged: Judged, name: str) -> pd.DataFrame:
    """One of two judged tables as it may be shown; made once, for whoever asks again."""
    if name not in judged.told:
        judged.told[name] = _told(judged, name)
    return judged.told[name].copy(deep=False)


def _told(judged: Judged, name: str) -> pd.DataFrame:
    if name == "effects":
        shown = released_tables.effects_shown(judged, settings.DISCLOSURE_K)
        whys = judged.effects_why
    else:
        shown, whys = released_tables.pooled_shown(judged), judged.pooled_why
    # A row's own reason names its counts.
    shown["reason"] = np.where(whys > 0, words_of(whys), shown["reason"])
    return shown


def pieces_for(name: str, run: Run, user: User | AnonymousUser) -> Iterator[pd.DataFrame]:
    """`table_for`, or `further_of`, of a run's table by pieces, in constant memory.

    RunTable.DoesNotExist before the first piece where the run has no such table.
    """
    asked = StoredTable(run, name)
    if sees_everything(user):
        return asked.pieces()
    effects, pooled = StoredTable(run, "effects"), StoredTable(run, "pooled")
    pair = Pair(effects, pooled, settings.DISCLOSURE_K, sites_of(user))
    return pair.shown(name) if name in PAIR else released_beside.shown(name, asked, pair)


def judged_for(
    effects: pd.DataFrame,
    pooled: pd.DataFrame,
    user: User | AnonymousUser,
    withheld: Withheld | None = None,
) -> Judged:
    """Both tables judged by the rules for this person."""
    k, own = settings.DISCLOSURE_K, sites_of(user)
    return hidden_rows.judge(effects, pooled, k=k, own=own, withheld=withheld)


def further_of(judged: Judged, name: str, frame: pd.DataFrame, own: frozenset[str]) -> pd.DataFrame:
    """A table beside the effects, told where the pooled effects of the same people are told.

    For a reader of the sites ``own``. A table that no rule is written for says nothing.
    """
    if name == "one_stage":
        return released_tables.one_stage_shown(frame, judged)
    if name == "sensitivity":
        return released_grid.grid_shown(frame, judged, settings.DISCLOSURE_K, own)
    if name == "moderated":
        return released_further.moderated_shown(frame, judged)
    return frame.iloc[:0]


# --- verdicts


@dataclass(frozen=True)
class Evidence:
    """What verdicts rest on: the judged tables, the documents as stored, and people by site.

    ``materials`` names by claim the material that it is about; "" is any. ``own`` are the reader's
    sites.
    """

    judged: Judged
    documents: Mapping[str, Mapping[str, Any]]
    sites: Mapping[str, tuple[int, int]]
    materials: Mapping[str, str]
    own: frozenset[str] = frozenset()

    def speaking(self, row: Mapping[str, Any]) -> list[str]:
        """The sites that a marker's verdict is pooled over: material and handling fit."""
        rows = self.judged.contributors(row["stratum"], row["feature"])
        material = self.materials.get(row["claim"], "")
        if material not in ("", "blood") and "matrix" in rows:
            rows = rows[rows["matrix"] == material]
        touched = {
            site
            for site, facts in self.documents.get("handling", {}).items()
            if row["feature"] in facts.get("touches", ())
        }
        return [str(site) for site in rows["site"] if site not in touched]


def verdict_for(
    row: Mapping[str, Any], user: User | AnonymousUser, evidence: Evidence | None = None
) -> dict[str, Any]:
    """A verdict as this person may see it: its word stays, its numbers obey the rules.

    Without ``evidence`` only its own counts are judged.
    """
    if sees_everything(user):
        return dict(row)
    shown = dict(row)
    counts = (int(row["n_case"]), int(row["n_control"]))
    why = Why.FEW if min(counts) < settings.DISCLOSURE_K else Why.TOLD
    if row["estimate"] is None:
        shown["reason"] = released_documents.without_counts(str(row["reason"]))
    else:
        if not why and evidence is not None:
            why = _why_of(row, evidence)
        if why:
            shown |= dict.fromkeys(VERDICT_NUMBERS) | {"reason": WORDS[why]}
    told = _verdict_totals(row, counts, evidence)
    shown |= {"n_case": None if why else told[0], "n_control": None if why else told[1]}
    for name in VERDICT_NUMBERS:
        shown[name] = significant(shown.get(name), 3)
    return shown


def _why_of(row: Mapping[str, Any], evidence: Evidence) -> Why:
    k, own = settings.DISCLOSURE_K, evidence.own
    if row["measure"] == "AUC":
        return released_documents.classifier_why(evidence.documents.get("classifier", {}), k, own)
    if row["measure"] == "Q2":
        severity = evidence.documents.get("severity", {})
        return released_documents.severity_why(severity, evidence.sites, k, own)
    return released_verdicts.verdict_why(evidence.judged, row, evidence.speaking(row), k=k, own=own)


def _verdict_totals(
    row: Mapping[str, Any], counts: tuple[int, int], evidence: Evidence | None
) -> tuple[int | None, int | None]:
    if evidence is not None and row["measure"] == "g" and row["feature"]:
        return released_verdicts.verdict_counts(evidence.judged, row, evidence.speaking(row))
    k = settings.DISCLOSURE_K
    return count_or_none(counts[0], k), count_or_none(counts[1], k)


# --- documents and facts


def document_for(
    name: str,
    data: dict[str, Any],
    user: User | AnonymousUser,
    sites: Mapping[str, tuple[int, int]] | None = None,
) -> dict[str, Any]:
    """A document as this person may see it; ``sites`` are the run's cases and controls by site.

    A document that no rule is written for says nothing.
    """
    if sees_everything(user):
        return data
    k, own = settings.DISCLOSURE_K, sites_of(user)
    rule = (released_documents.RULES | released_further.RULES).get(name)
    return released_documents.shown(rule, data, sites or {}, k, own)


def facts_for(facts: dict[str, Any], user: User | AnonymousUser) -> dict[str, Any]:
    """What a run is, as this person may see it, and by which rules."""
    k = settings.DISCLOSURE_K
    rules = {"release_rules": RELEASE_RULES_VERSION, "disclosure_k": k}
    if sees_everything(user):
        return facts | rules
    hidden = sites_to_hide(arms_by_site(facts["sites"]), k)
    sites = [
        {
            "site": s["site"],
            **{
                name: None if s["site"] in hidden else count_or_none(s[name], k)
                for name in ("n_case", "n_control")
            },
        }
        for s in facts["sites"]
    ]
    return (
        facts
        | rules
        | {
            "sites": sites,
            "left_out": left_out_for(facts["left_out"], user),
            # Nobody and a few are told alike.
            "later_withdrawn": count_or_none(int(facts.get("later_withdrawn", 0)), k),
            # A cause can be one person's withdrawal at one site.
            "cause": "",
            # What had to be computed anew can tell who it was for, such as men of one site.
            "reused": [],
        }
    )


def arms_by_site(sites: Collection[Mapping[str, Any]]) -> dict[str, tuple[int, int]]:
    """Cases and controls by site, from a run's facts."""
    return {str(s["site"]): (int(s["n_case"]), int(s["n_control"])) for s in sites}


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
        {"what": what, "why": why, "n": count_or_none(n, k)} for (what, why), n in totals.items()
    ]


def comings_for(rows: list[dict[str, Any]], user: User | AnonymousUser) -> list[dict[str, Any]]:
    """People in and out of a run as this person may see it: totals only, nobody and few alike.

    Somebody of a site could take its own people off the total, so the others count by themselves.
    """
    if sees_everything(user):
        return rows
    own, k = sites_of(user), settings.DISCLOSURE_K
    told: dict[str, Any] = {"site": None}
    for name in ("n_in", "n_out"):
        n = sum(row[name] for row in rows)
        others = sum(row[name] for row in rows if row["site"] not in own)
        told[name] = count_or_none(n, k) if others >= k else None
    return [told]
