"""A run: requested, claimed once, computed outside any transaction, published in one."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
import uuid
from collections.abc import Mapping
from typing import Any

import numpy as np
from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.db.models.functions import Now

from analysis.findings import ClaimFacts, Finding
from analysis.models import Claim, Plan, Run, RunDocument, RunTable, Snapshot, Verdict
from analysis.pipeline import Results, compute
from analysis.services import lease, parts, progress, release, snapshots, versions
from analysis.services.disclosure import releasing
from analysis.services.steps import KeptSteps
from analysis.stats.errors import UnusableData
from analysis.steps.pieces import Leaves
from cohorts.language.sentences import say, stored
from cohorts.models import User
from cohorts.models.change import hold_order_lock
from cohorts.services.features import lineage

logger = logging.getLogger(__name__)


class ConsentChanged(Exception):
    """Somebody in the snapshot may no longer be used."""


def request(plan: Plan, *, cause: str, by: User | None = None) -> Run:
    """The plan's queued run: the one that waits already, or a new one."""
    try:
        with transaction.atomic():
            run: Run = Run.objects.create(plan=plan, cause=cause[:200], requested_by=by)
            return run
    except IntegrityError:
        waiting: Run = Run.objects.get(plan=plan, state=Run.State.QUEUED)
        return waiting


def execute(run_id: uuid.UUID) -> bool:
    """Compute a queued run and store its outcome; safe to deliver twice. False if not free."""
    token = Run.objects.claim(run_id, versions.code_version())
    if token is None:
        return False
    try:
        with lease.held(run_id, token):
            _compute_and_publish(run_id, token)
    except lease.LostLease:
        logger.warning("run %s: another worker holds it; nothing is published here", run_id)
    except ConsentChanged:
        logger.info("run %s: consent changed while it computed; it starts again", run_id)
        _requeue(run_id, token)
    except (UnusableData, parts.PartFailed) as error:
        _fail(run_id, token, str(error))
    except (OperationalError, InterfaceError) as error:
        logger.warning(
            "run %s: the database was away or busy (%s); it is tried again", run_id, error
        )
        _give_back(run_id, token)
    except Exception as error:
        kind = type(error).__name__  # what it says may name people; the log has it
        _fail(run_id, token, say("Internal error (%(kind)s): the worker's log has it.", kind=kind))
        raise
    return True


def _compute_and_publish(run_id: uuid.UUID, token: uuid.UUID) -> None:
    began = time.monotonic()
    run = Run.objects.select_related("plan__study").get(pk=run_id)
    snapshot, frames = snapshots.take(run.plan)
    run.snapshot, run.change_seen = snapshot, snapshot.change_seen
    run.key = run_key(run.plan, snapshot)
    run.code_version, run.libraries = versions.code_version(), versions.library_versions()
    same = Run.objects.published().filter(key=run.key).first()
    if same is not None:
        _merge(run, token, same)
        return
    _save_held(run, token, "snapshot", "change_seen", "key", "code_version", "libraries")
    if frames.people.empty or not frames.batches:
        raise UnusableData(say("Nobody with consent for this plan has assay values yet."))
    scopes = run.plan.parsed.scopes

    def check() -> None:
        if not snapshots.still_lawful(snapshot, scopes):
            raise ConsentChanged
        if not Run.objects.held_by(run_id, token).exists():
            raise lease.LostLease

    def on_step(name: str, share_done: float) -> None:
        check()
        run.step, run.share_done = name, share_done
        run.steps = progress.with_step(run.steps, name, time.monotonic() - began)
        _save_held(run, token, "step", "share_done", "steps")

    shared = parts.Shared(run, token, Leaves(), check)
    kept = KeptSteps(run, versions.steps_version(), shared)
    claims = claim_facts(run.plan)
    try:
        results = compute(frames, run.plan.parsed, claims, on_step=on_step, steps=kept)
    finally:
        shared.end()
    publish(run, token, results, kept)


def publish(run: Run, token: uuid.UUID, results: Results, kept: KeptSteps) -> None:
    """Store everything in one transaction, or nothing: lost leases and lost consents refuse."""
    with transaction.atomic():
        # No withdrawal can commit between this look and our commit: it takes the same lock.
        hold_order_lock()
        if not Run.objects.held_by(run.pk, token).select_for_update().exists():
            raise lease.LostLease
        assert run.snapshot is not None  # noqa: S101 - a claimed run has one
        if not snapshots.still_lawful(run.snapshot, run.plan.parsed.scopes):
            raise ConsentChanged
        same = Run.objects.published().filter(key=run.key).first()
        if same is not None:
            _merge(run, token, same)
            return
        _store(run, results)
        kept.store()
        held_because = release.reason_to_hold(run)
        if not held_because:
            releasing.withhold(run)
        Run.objects.filter(pk=run.pk).update(
            state=Run.State.PUBLISHED,
            step="done",
            share_done=1,
            left_out=[*run.snapshot.left_out, *results.left_out],
            summary={**results.summary, "reused": kept.told()},
            lease_until=None,
            published_at=Now(),
            released_at=None if held_because else Now(),
            checked_k=settings.DISCLOSURE_K,
            held_because=held_because,
        )


def _store(run: Run, results: Results) -> None:
    RunTable.objects.bulk_create(
        RunTable.of(run, name, frame) for name, frame in results.tables.items()
    )
    RunDocument.objects.bulk_create(
        RunDocument(run=run, name=name, data=as_json(document))
        for name, document in results.documents.items()
    )
    claims = {claim.code: claim for claim in Claim.objects.filter(study=run.plan.study)}
    Verdict.objects.bulk_create(
        _verdict(run, claims[found.code], found) for found in results.verdicts
    )


def as_json(value: Any) -> Any:
    """A result as JSON holds it: plain numbers, null where there is none."""
    if isinstance(value, Mapping):
        return {str(name): as_json(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        parts = sorted(value) if isinstance(value, set | frozenset) else value
        return [as_json(part) for part in parts]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | bool | int):
        return value
    number = float(value)
    return number if math.isfinite(number) else None


NUMBERS = ("estimate", "ci_low", "ci_high", "always_low", "always_high")


def _verdict(run: Run, claim: Claim, found: Finding) -> Verdict:
    numbers = {name: _finite(getattr(found, name)) for name in NUMBERS}
    return Verdict(
        run=run,
        claim=claim,
        stratum=found.stratum,
        verdict=found.verdict,
        reason=found.reason,
        said=stored(found.reason),
        feature=found.feature,
        n_sites=found.n_sites,
        n_case=found.n_case,
        n_control=found.n_control,
        **numbers,
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and abs(value) < float("inf") else None


def claim_facts(plan: Plan) -> list[ClaimFacts]:
    """The claims of the plan's study, as the verdict rules read them, by today's names."""
    today = lineage.current_names()
    return [
        ClaimFacts(
            code=claim.code,
            kind=claim.kind,
            marker=today.get(claim.marker, claim.marker),
            markers=tuple(today.get(name, name) for name in claim.markers),
            matrix=claim.matrix,
            strata=(claim.stratum, *claim.other_readings),
            direction=claim.direction,
        )
        for claim in Claim.objects.filter(study=plan.study)
    ]


# --- what a run is


def run_key(plan: Plan, snapshot: Snapshot) -> str:
    """Digest of plan, snapshot, code version and seed: equal keys are the same run."""
    claims = [repr(claim) for claim in claim_facts(plan)]
    content = [
        plan.parsed.digest,
        snapshot.digest,
        versions.code_version(),
        plan.parsed.seed,
        claims,
        plan.name,
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


# --- how a run ends otherwise


def _save_held(run: Run, token: uuid.UUID, *names: str) -> None:
    """Write fields of a run that this token still holds; LostLease if it does not."""
    fields = {name: getattr(run, name) for name in names}
    if not Run.objects.held_by(run.pk, token).update(**fields):
        raise lease.LostLease


def _merge(run: Run, token: uuid.UUID, same: Run) -> None:
    changed = Run.objects.held_by(run.pk, token).update(
        state=Run.State.MERGED,
        same_as=same,
        key=run.key,
        snapshot=run.snapshot,
        change_seen=run.change_seen,
        step="done",
        share_done=1,
        lease_until=None,
    )
    if not changed:
        raise lease.LostLease


def _fail(run_id: uuid.UUID, token: uuid.UUID, reason: str) -> None:
    Run.objects.held_by(run_id, token).update(
        state=Run.State.FAILED, failure=reason, lease_until=None
    )


def _give_back(run_id: uuid.UUID, token: uuid.UUID) -> None:
    """As if this worker had died: the next one takes the run over, at most `RUN_ATTEMPTS` times."""
    connection.close()
    try:
        Run.objects.held_by(run_id, token).update(lease_until=Now())
    except (OperationalError, InterfaceError):
        logger.warning("run %s: the database is still away; its lease runs out", run_id)
        connection.close()


def _requeue(run_id: uuid.UUID, token: uuid.UUID) -> None:
    """Back into the queue, unless another run of the plan waits there: that one is enough."""
    held = Run.objects.held_by(run_id, token)
    try:
        with transaction.atomic():
            held.update(state=Run.State.QUEUED, snapshot=None, key="", attempts=0, lease_until=None)
    except IntegrityError:
        held.update(
            state=Run.State.CANCELLED,
            failure=say("Consent changed while it computed; a newer run takes its place."),
            lease_until=None,
        )
