"""Verdicts as one person may see them: of a run, of runs on one claim, and those that stand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from analysis.models import Claim, Run, RunDocument, RunTable, Verdict
from analysis.services import release, results, staleness
from analysis.services.disclosure import hidden_rows
from analysis.services.disclosure.document_cells import with_withheld
from analysis.services.disclosure.released_pieces import JUDGED_BY
from cohorts import access

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from cohorts.models import User

PAIR = ("effects", "pooled")
KEPT = 256
Version = tuple[int, str]  # a stored table's id, and what tells this version of its row from others
ROW_VERSION = "analysis_runtable.xmin::text || ' ' || analysis_runtable.ctid::text"
# What the rules ask of a verdict beside its own sites' rows, and nothing else of the run.
DOCUMENTS = ("classifier", "severity", "handling")
Rows = list[dict[str, Any]]
# `verdicts_for`, or one that a page keeps to ask no run twice.
Reads = Callable[[Run, "User | AnonymousUser"], Rows]


def verdicts_for(run: Run, user: User | AnonymousUser) -> Rows:
    """`results.verdict_rows` past the disclosure rules."""
    return _told([run], Verdict.objects.filter(run=run), user)[run.pk]


def verdicts_on(claim: Claim, runs: Sequence[Run], user: User | AnonymousUser) -> dict[UUID, Rows]:
    """What each run said of the claim: as many questions to the database however many runs."""
    return _told(runs, Verdict.objects.filter(run__in=runs, claim=claim), user)


def _told(
    runs: Sequence[Run], verdicts: QuerySet[Verdict], user: User | AnonymousUser
) -> dict[UUID, Rows]:
    told: dict[UUID, Rows] = {run.pk: [] for run in runs}
    materials: dict[str, str] = {}
    for verdict in verdicts.select_related("claim").order_by("claim__code", "pk"):
        told[verdict.run_id].append(results.verdict_row(verdict))
        materials[verdict.claim.code] = verdict.claim.matrix
    if release.sees_everything(user):
        return told
    own, documents, by_id = release.sites_of(user), _documents(runs), {run.pk: run for run in runs}
    versions = _versions(runs)
    for run_id in told:
        features = frozenset(str(row["feature"]) for row in told[run_id])
        evidence = release.Evidence(
            judged=_judged(versions.get(run_id, ()), features, own, settings.DISCLOSURE_K),
            documents=documents[run_id],
            sites=release.arms_by_site(by_id[run_id].summary.get("sites", [])),
            materials=materials,
            own=own,
        )
        told[run_id] = [release.verdict_for(row, user, evidence) for row in told[run_id]]
    return told


def _documents(runs: Sequence[Run]) -> dict[UUID, dict[str, Any]]:
    found: dict[UUID, dict[str, Any]] = defaultdict(dict)
    for each in RunDocument.objects.filter(run__in=runs, name__in=DOCUMENTS):
        found[each.run_id][each.name] = with_withheld(each.name, each.data, each.withheld)
    return found


def forget() -> None:
    """Judge anew what is asked for next."""
    _judged.cache_clear()


def _versions(runs: Sequence[Run]) -> dict[UUID, tuple[Version, ...]]:
    """By run, its two tables as they are now."""
    found: dict[UUID, tuple[Version, ...]] = defaultdict(tuple)
    rows = RunTable.objects.filter(run__in=runs, name__in=PAIR).order_by("name")
    for run_id, *version in rows.values_list("run_id", "pk", RawSQL(ROW_VERSION, [])):  # noqa: S611 - a constant
        found[run_id] += (tuple(version),)
    return found


# Of a thousand features at twenty sites it takes 50 ms to find a claim's rows, and a claim's
# history asks it of each run; what is kept of one are those rows alone.
@lru_cache(maxsize=KEPT)
def _judged(
    versions: tuple[Version, ...], features: frozenset[str], own: frozenset[str], k: int
) -> hidden_rows.Judged:
    """The rows of these features: the rules look at one feature at a time."""
    tables = RunTable.objects.in_bulk([pk for pk, _ in versions])
    stored = {table.name: table for table in tables.values()}
    frames = {name: table.columns([*JUDGED_BY, "matrix"]) for name, table in stored.items()}
    sizes = hidden_rows.sizes_of(*frames.values())
    parts, withheld = [], []
    for name in PAIR:
        frame = frames.get(name, hidden_rows.NO_ROWS)
        ours = frame["feature"].isin(features).to_numpy(dtype=bool)
        parts.append(frame[ours].reset_index(drop=True))
        withheld.append(stored[name].withheld_rows[ours] if name in stored else ours)
    effects, pooled = parts
    held = (withheld[0], withheld[1])
    return hidden_rows.judge(effects, pooled, k=k, own=own, sizes=sizes, withheld=held)


# --- the registry


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
    """The registry with the standing verdicts: a row a claim and stratum.

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
        **dict.fromkeys(results.FIELDS),
        "feature": "",
        "direction": claim.direction,
        "measure": results.MEASURES.get(claim.kind, "g"),
        "primary": True,
        "doi": claim.doi,
        "run": None,
        "stale": False,
        "stale_because": "",
    }
