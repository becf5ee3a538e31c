"""What people do with runs that wait or compute: cancel them, and say which goes first."""

from __future__ import annotations

import uuid

from analysis.models import Plan, Run
from analysis.services import runs, versions
from cohorts import access
from cohorts.errors import DomainError, NotAllowed
from cohorts.language.sentences import say
from cohorts.models import Change, User
from cohorts.retrying import transacted


class NotWaiting(DomainError):
    """The run has ended, or has started: there is nothing left to cancel or to put forward."""

    code = "run_not_waiting"


@transacted
def cancel(run_id: uuid.UUID, *, by: User) -> Run:
    """End a run that waits or computes: it stops at its next step and publishes nothing.

    It is not asked for again before something changes, or somebody asks. Raises NotWaiting for a
    run that has ended, NotAllowed for another person's unless ``by`` is a data manager.
    """
    run = Run.objects.locked(run_id)
    if not may_cancel(by, run):
        raise NotAllowed(
            say(
                "You can cancel the runs that you asked for; the consortium's data "
                "manager cancels the others."
            )
        )
    if run.state not in Run.UNDER_WAY:
        raise NotWaiting(
            say(
                "The run is %(state)s: only one that waits or computes is cancelled.",
                state=run.state,
            )
        )
    run.state, run.cancelled_by = Run.State.CANCELLED, by
    run.failure = f"Cancelled by {by.get_username()}."
    # Who computes it holds this token no longer, so its next write is refused.
    run.token = run.lease_until = None
    run.change_seen = max(run.change_seen, Change.objects.newest(run.plan.study))
    run.code_version = versions.code_version()
    run.save(
        update_fields=[
            *("state", "cancelled_by", "failure", "token", "lease_until"),
            *("change_seen", "code_version"),
        ]
    )
    return run


def retry(run_id: uuid.UUID, *, by: User) -> Run:
    """Ask again for what a run was to compute, by its plan's newest version: a run that waits.

    Raises NotWaiting for a run that did not fail and was not cancelled, NotAllowed.
    """
    run: Run = Run.objects.select_related("plan").get(pk=run_id)
    if not access.may(by, "run", "S"):
        raise NotAllowed(say("The consortium's analysts and data manager start runs."))
    if run.state not in Run.UNDONE:
        raise NotWaiting(
            say(
                "The run is %(state)s: only a failed or cancelled one is tried again.",
                state=run.state,
            )
        )
    newest = Plan.objects.newest_versions().get(name=run.plan.name)
    return runs.request(
        newest, cause=say("run %(run)s is tried again by hand", run=str(run.pk)[:8]), by=by
    )


@transacted
def prioritise(run_id: uuid.UUID, *, priority: int, by: User) -> Run:
    """Put a waiting run before or behind the others.

    Raises NotWaiting for a run that has started, ValidationError for a priority out of range.
    """
    run = Run.objects.locked(run_id)
    if not access.may(by, "run", "U"):
        raise NotAllowed(say("The consortium's data manager says which run goes first."))
    if run.state != Run.State.QUEUED:
        raise NotWaiting(
            say("The run is %(state)s: only one that waits can be put forward.", state=run.state)
        )
    run.priority = priority
    run.clean_fields(exclude=[f.name for f in Run._meta.fields if f.name != "priority"])
    run.save(update_fields=["priority"])
    return run


def may_cancel(user: User, run: Run) -> bool:
    """Own runs, and every run for whoever manages the queue."""
    own = run.requested_by_id is not None and run.requested_by_id == user.pk
    return access.may(user, "run", "U") or (own and access.may(user, "run", "W"))


def next_in_turn(run_id: uuid.UUID) -> uuid.UUID:
    """The run to compute when the bell rings for ``run_id``: one with a higher priority first."""
    rung = Run.objects.filter(pk=run_id).values("priority")[:1]
    before: uuid.UUID | None = (
        Run.objects.claimable()
        .filter(priority__gt=rung)
        .in_turn()
        .values_list("pk", flat=True)
        .first()
    )
    return before or run_id
