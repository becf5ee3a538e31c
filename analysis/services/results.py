"""Results in the shape that commands, API and exports share."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.models import Run, RunDocument, RunTable, Verdict
from analysis.services import release

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from cohorts.models import User

FIELDS = ("estimate", "ci_low", "ci_high", "n_sites", "n_case", "n_control")


def verdict_rows(run: Run) -> list[dict[str, Any]]:
    """One dict a claim and stratum: claim, marker, stratum, verdict, reason, estimate, counts."""
    found = Verdict.objects.filter(run=run).select_related("claim").order_by("claim__code", "pk")
    return [
        {
            "claim": verdict.claim.code,
            "marker": verdict.claim.marker,
            "stratum": verdict.stratum,
            "verdict": verdict.verdict,
            "reason": verdict.reason,
            **{name: getattr(verdict, name) for name in FIELDS},
            "feature": verdict.feature,
            "direction": verdict.claim.direction,
            "primary": verdict.stratum == verdict.claim.stratum,
            "doi": verdict.claim.doi,
        }
        for verdict in found
    ]


def run_facts(run: Run) -> dict[str, Any]:
    """What a run is, without its results: the content of run.json."""
    return {
        "id": str(run.pk),
        "key": run.key,
        "state": run.state,
        "plan": {"name": run.plan.name, "version": run.plan.version, "data": run.plan.data},
        "snapshot": run.snapshot.digest if run.snapshot else None,
        "snapshot_digest": run.snapshot.digest if run.snapshot else None,
        "change_seen": run.change_seen,
        "sites": run.summary.get("sites", []),
        "n_features": run.summary.get("n_features"),
        "pooled_scale": run.summary.get("pooled_scale"),
        "verdict_rules": run.summary.get("verdict_rules"),
        "left_out": run.left_out,
        "same_as": str(run.same_as_id) if run.same_as_id else None,
        "cause": run.cause,
        "step": run.step,
        "share_done": run.share_done,
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
    head = f"{'claim':7}{'marker':28}{'in':7}{'verdict':14}{interval:28}"
    head += f"{'sites':>5}{'cases':>7}{'controls':>10}"
    lines = [head, "-" * len(head)]
    for row in rows:
        numbers = f"{row['n_sites']:>5}{row['n_case']:>7}{row['n_control']:>10}"
        lines.append(
            f"{row['claim']:7}{row['marker'][:27]:28}{row['stratum']:7}"
            f"{row['verdict'].replace('_', ' '):14}{_interval(row):28}{numbers}"
        )
        lines += textwrap.wrap(
            row["reason"], width=98, initial_indent=" " * 7, subsequent_indent=" " * 7
        )
    return "\n".join(lines)


def _interval(row: dict[str, Any]) -> str:
    if row["estimate"] is None:
        return "-"
    if row["ci_low"] is None:
        return f"{row['estimate']:+.2f}"
    return f"{row['estimate']:+.2f} ({row['ci_low']:+.2f} to {row['ci_high']:+.2f})"


# --- the same, as one person may see it


def table_for(run: Run, name: str, user: User | AnonymousUser) -> pd.DataFrame:
    """A result table (effects, pooled) past the disclosure rules. RunTable.DoesNotExist if none."""
    return release.table_for(RunTable.objects.get(run=run, name=name).frame, user)


def verdicts_for(run: Run, user: User | AnonymousUser) -> list[dict[str, Any]]:
    """`verdict_rows` past the disclosure rules."""
    return [release.verdict_for(row, user) for row in verdict_rows(run)]


def document_for(run: Run, name: str, user: User | AnonymousUser) -> dict[str, Any]:
    """A document (classifier, severity, harmonisation, handling) past the disclosure rules."""
    data: dict[str, Any] = RunDocument.objects.get(run=run, name=name).data
    return release.document_for(name, data, user)


def facts_for(run: Run, user: User | AnonymousUser) -> dict[str, Any]:
    """`run_facts` past the disclosure rules."""
    return release.facts_for(run_facts(run), user)
