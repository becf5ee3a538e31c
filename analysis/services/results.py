"""Results in the shape that commands, API and exports share."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.models import Claim, Run, RunDocument, RunTable, Verdict
from analysis.services import erasures, plan_locks, progress, release, staleness
from analysis.services.document_cells import with_withheld
from cohorts import access

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
            "measure": MEASURES.get(verdict.claim.kind, "g"),
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
        "preregistered": plan_locks.registration_of(run.plan),
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
    frame = RunTable.objects.get(run=run, name=name).frame
    if release.sees_everything(user):
        return frame
    # What is hidden of one table decides what may be told of the others.
    stored = {each.name: each for each in RunTable.objects.filter(run=run, name__in=BESIDE)}
    withheld = _withheld(stored)
    if name not in BESIDE:
        effects, pooled = stored["effects"].frame, stored["pooled"].frame
        return release.further_for(name, frame, effects, pooled, user, withheld)
    beside = stored[BESIDE[name]].frame if BESIDE[name] in stored else None
    return release.table_for(frame, user, name=name, beside=beside, withheld=withheld)


def _withheld(stored: Mapping[str, RunTable]) -> release.Withheld | None:
    """Rows of effects and pooled that may not be told beside an earlier release."""
    if not any(table.withheld for table in stored.values()):
        return None
    return stored["effects"].withheld_rows, stored["pooled"].withheld_rows


def pieces_for(run: Run, name: str, user: User | AnonymousUser) -> Iterator[pd.DataFrame]:
    """`table_for` by pieces, in constant memory. RunTable.DoesNotExist if there is none."""
    return release.pieces_for(name, run, user)


def verdicts_for(run: Run, user: User | AnonymousUser) -> list[dict[str, Any]]:
    """`verdict_rows` past the disclosure rules."""
    rows = verdict_rows(run)
    if release.sees_everything(user):
        return rows
    evidence = _evidence(run, user)
    return [release.verdict_for(row, user, evidence) for row in rows]


def _evidence(run: Run, user: User | AnonymousUser) -> release.Evidence:
    stored = {table.name: table for table in RunTable.objects.filter(run=run, name__in=BESIDE)}
    effects, pooled = (
        stored[name].frame if name in stored else release.NO_ROWS for name in ("effects", "pooled")
    )
    return release.Evidence(
        judged=release.judged_for(effects, pooled, user, _withheld(stored)),
        documents={
            each.name: with_withheld(each.name, each.data, each.withheld)
            for each in RunDocument.objects.filter(run=run)
        },
        sites=release.arms_by_site(run.summary.get("sites", [])),
        materials=dict(Claim.objects.filter(verdicts__run=run).values_list("code", "matrix")),
    )


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


def standing_runs(user: User | AnonymousUser, plan_name: str = "") -> dict[int, Run]:
    """By study, the newest published run that this person may see, of the named plan or of any."""
    if not access.reach(user, "released_result"):
        return {}
    runs = Run.objects.visible_to(user).published().select_related("plan").defer("left_out")
    # A plan that was asked for once by hand does not speak for the study.
    runs = runs.filter(**{"plan__name": plan_name} if plan_name else {"plan__followed": True})
    newest = runs.order_by("plan__study_id", "-published_at").distinct("plan__study_id")
    return {run.plan.study_id: run for run in newest}


def standing_for(
    claims: Iterable[Claim], runs: Mapping[int, Run], user: User | AnonymousUser
) -> list[dict[str, Any]]:
    """The registry with the standing verdicts: a row a claim and stratum, as `verdict_rows`.

    A claim on which none of ``runs`` (by study) has a word has one row, without a verdict.
    """
    found = {
        study: _by_claim(verdicts_for(run, user), str(run.pk), staleness.told(run, user))
        for study, run in runs.items()
    }
    return [
        row
        for claim in claims
        for row in found.get(claim.study_id, {}).get(claim.code) or [_unjudged(claim)]
    ]


def _by_claim(
    rows: list[dict[str, Any]], run_id: str, stale: dict[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    grouped: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(row["claim"], []).append({**row, "run": run_id, **stale})
    return grouped


def _unjudged(claim: Claim) -> dict[str, Any]:
    return {
        "claim": claim.code,
        "marker": claim.marker,
        "stratum": claim.stratum,
        "verdict": None,
        "reason": "No run that you can see has judged it.",
        **dict.fromkeys(FIELDS),
        "feature": "",
        "direction": claim.direction,
        "measure": MEASURES.get(claim.kind, "g"),
        "primary": True,
        "doi": claim.doi,
        "run": None,
        "stale": False,
        "stale_because": "",
    }
