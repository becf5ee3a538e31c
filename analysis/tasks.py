"""What the workers do, one line each. Tasks take ids; delivery twice does no harm."""

from __future__ import annotations

import uuid

from celery import shared_task

from analysis.services import (
    bell,
    erasures,
    failure_mails,
    freshness,
    operations,
    parts,
    pruning,
    queue,
    runs,
    webhook_events,
    webhook_sending,
)
from analysis.services.disclosure import rechecking
from cohorts import history, kept_counts
from cohorts.language.sentences import say
from cohorts.models import Heartbeat
from cohorts.services import phenotyping, repeats
from cohorts.services.accounts import mails
from cohorts.services.audit import audit_chain


@shared_task(name="analysis.sweep")
def sweep() -> None:
    bell.heard("analysis.sweep")
    for run_id in freshness.sweep():
        freshness.ring("analysis.execute", str(run_id))
    if webhook_sending.owed():
        freshness.ring("analysis.webhooks")
    if mails.owed() or failure_mails.owed():
        freshness.ring("analysis.mails")
    for run_id in parts.waiting():
        freshness.ring("analysis.part", str(run_id), each=True)
    parts.remove_left_over()
    pruning.prune()
    rechecking.check_again()
    # Last: an erasure that cannot be carried out yet keeps no analysis waiting.
    with history.acting(say("sweep")):
        phenotyping.rescore()
        erasures.execute_due()
    audit_chain.seal_new()
    kept_counts.count_ahead()
    repeats.forget_past()
    Heartbeat.objects.beat(operations.SWEEP)


@shared_task(name="analysis.webhooks")
def webhooks() -> None:
    bell.heard("analysis.webhooks")
    webhook_events.pass_on()
    webhook_sending.send_due()


@shared_task(name="analysis.mails")
def send_mails() -> None:
    bell.heard("analysis.mails")
    mails.send_due()
    failure_mails.send_due()


@shared_task(name="analysis.execute")
def execute(run_id: str) -> None:
    bell.heard("analysis.execute", run_id)
    if runs.execute(queue.next_in_turn(uuid.UUID(run_id))):
        # What waited for this run, or arrived meanwhile, starts now and not at the next sweep.
        freshness.ring("analysis.sweep")


@shared_task(name="analysis.part")
def part(run_id: str) -> None:
    # For a second, then in the queue's order again: other runs get their turn in between.
    if parts.help_with(uuid.UUID(run_id)):
        freshness.ring("analysis.part", run_id, each=True)
