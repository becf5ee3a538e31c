"""Results in the shape that commands, API and exports share."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.models import Run, RunDocument, RunTable, Verdict
from analysis.services import erasures, plan_locks, progress, release, staleness
from analysis.services.departures import departure_of
from analysis.services.disclosure import judged_tables
from analysis.services.disclosure.document_cells import with_withheld

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from cohorts.models import User

BESIDE = {"effects": "pooled", "pooled": "effects"}
# What a verdict's estimate is, by the kind of its claim; Hedges g otherwise.
MEASURES = {"classifier": "AUC", "severity": "Q2"}
FIELDS = (
    *("estimate", "ci_low", "ci_high", "always_low", "always_high"),
    *("n_sites", "n_case", "n_control"),
)


def verdict_rows(run: Run) -> list[dict[str, Any]]:
    """One dict a claim and stratum: claim, marker, stratum, verdict, reason, estimate, counts."""
    found = Verdict.objects.filter(run=run).select_related("claim").order_by("claim__code", "pk")
    return [verdict_row(verdict) for verdict in found]


def verdict_row(verdict: Verdict) -> dict[str, Any]:
    """One of them, read with its claim."""
    claim = verdict.claim
    return {
        "claim": claim.code,
        "marker": claim.marker,
        "stratum": verdict.stratum,
        "verdict": verdict.verdict,
        "reason": verdict.reason,
        **{name: getattr(verdict, name) for name in FIELDS},
        "feature": verdict.feature,
        "direction": claim.direction,
        "measure": MEASURES.get(claim.kind, "g"),
        "primary": verdict.stratum == claim.stratum,
        "doi": claim.doi,
    }


def run_facts(run: Run) -> dict[str, Any]:
    """What a run is, without its results: the content of run.json."""
    return {
        "id": str(run.pk),
        "key": run.key,
        "state": run.state,
        "plan": {"name": run.plan.name, "version": run.plan.version, "data": run.plan.data},
        "preregistered": plan_locks.registration_of(run.plan),
        "departure": departure_of(run.plan),
        "snapshot": run.snapshot.digest if run.snapshot else None,
        "snapshot_digest": run.snapshot.digest if run.snapshot else None,
        "change_seen": run.change_seen,
        "sites": run.summary.get("sites", []),
        "n_features": run.summary.get("n_features"),
        "pooled_scale": run.summary.get("pooled_scale"),
        "verdict_rules": run.summary.get("verdict_rules"),
        "reused": run.summary.get("reused", []),
        "left_out": run.left_out,
        "later_withdrawn": erasures.later_withdrawn(run.snapshot),
        "same_as": str(run.same_as_id) if run.same_as_id else None,
        "cause": run.cause,
        "step": run.step,
        "share_done": run.share_done,
        "expected_end": _iso(progress.expected_end(run)),
        "priority": run.priority,
        "attempts": run.attempts,
        "failure": run.failure,
        "code_version": run.code_version,
        "libraries": run.libraries,
        "queued_at": _iso(run.queued_at),
        "started_at": _iso(run.started_at),
        "published_at": _iso(run.published_at),
        "released_at": _iso(run.released_at),
        "held_because": run.held_because,
    }


def _iso(moment: Any) -> str | None:
    return moment.isoformat() if moment else None


def claims_table(rows: list[dict[str, Any]]) -> str:
    """The verdicts as a table for a terminal, reasons beneath."""
    interval = "estimate (95 % interval)"
    head = f"{'claim':7}{'marker':26}{'in':7}{'verdict':14}{interval:27}{'at all looks':18}"
    head += f"{'sites':>5}{'cases':>6}{'controls':>9}"
    lines = [head, "-" * len(head)]
    for row in rows:
        numbers = f"{row['n_sites']:>5}{row['n_case']:>6}{row['n_control']:>9}"
        lines.append(
            f"{row['claim']:7}{row['marker'][:25]:26}{row['stratum']:7}"
            f"{row['verdict'].replace('_', ' '):14}{_interval(row):27}{_always(row):18}{numbers}"
        )
        if row["primary"]:  # the other readings have the same reasons: JSON has them all
            lines += textwrap.wrap(
                row["reason"], width=100, initial_indent=" " * 7, subsequent_indent=" " * 7
            )
    return "\n".join(lines)


def _interval(row: dict[str, Any]) -> str:
    if row["estimate"] is None:
        return "-"
    sign = "+" if row["measure"] == "g" else ""  # only g has a side
    told = f"{row['measure']} {row['estimate']:{sign}.2f}"
    if row["ci_low"] is None:
        return told
    return f"{told} ({row['ci_low']:{sign}.2f} to {row['ci_high']:{sign}.2f})"


def _always(row: dict[str, Any]) -> str:
    if row["always_low"] is None or row["always_high"] is None:
        return ""
    sign = "+" if row["measure"] == "g" else ""
    return f"{row['always_low']:{sign}.2f} to {row['always_high']:{sign}.2f}"


def handling_notes(run: Run) -> list[str]:
    """A sentence for each site whose handling keeps it from speaking on some markers."""
    found = RunDocument.objects.filter(run=run, name="handling").first()
    judged = found.data.items() if found else ()
    return [
        f"Handling at {site} is {facts['verdict']}: {facts['reason']}."
        for site, facts in judged
        if facts["touches"]
    ]


# --- the same, as one person may see it


def table_for(run: Run, name: str, user: User | AnonymousUser) -> pd.DataFrame:
    """A result table (effects, pooled) past the disclosure rules. RunTable.DoesNotExist if none."""
    asked = RunTable.objects.get(run=run, name=name)
    if release.sees_everything(user):
        return asked.frame
    # What is hidden of one table decides what may be told of the others.
    stored = {each.name: each for each in RunTable.objects.filter(run=run, name__in=BESIDE)}
    own = release.sites_of(user)
    judged = judged_tables.of(stored, own)
    if name in BESIDE:
        return release.told_of(judged, name)
    return release.further_of(judged, name, asked.frame, own)


def pieces_for(run: Run, name: str, user: User | AnonymousUser) -> Iterator[pd.DataFrame]:
    """`table_for` by pieces, in constant memory. RunTable.DoesNotExist if there is none."""
    return release.pieces_for(name, run, user)


def document_for(run: Run, name: str, user: User | AnonymousUser) -> dict[str, Any]:
    """A document (classifier, severity, harmonisation, handling) past the disclosure rules."""
    stored = RunDocument.objects.get(run=run, name=name)
    if release.sees_everything(user):
        whole: dict[str, Any] = stored.data
        return whole
    sites = release.arms_by_site(run.summary.get("sites", []))
    data = with_withheld(name, stored.data, stored.withheld)
    return release.document_for(name, data, user, sites)


def facts_for(run: Run, user: User | AnonymousUser) -> dict[str, Any]:
    """`run_facts` past the disclosure rules."""
    return release.facts_for(run_facts(run), user) | staleness.told(run, user)


def status_of(run: Run) -> dict[str, Any]:
    """How far a run is: all that is told of one whose results the asker may not have yet."""
    return {
        "id": str(run.pk),
        "state": run.state,
        "expected_end": _iso(progress.expected_end(run)),
        "priority": run.priority,
        "plan": {"name": run.plan.name, "version": run.plan.version},
        "step": run.step,
        "share_done": run.share_done,
        "same_as": str(run.same_as_id) if run.same_as_id else None,
        "failure": run.failure,
        "queued_at": _iso(run.queued_at),
        "started_at": _iso(run.started_at),
        "published_at": _iso(run.published_at),
        "released_at": _iso(run.released_at),
        "held_because": run.held_because,
    }
