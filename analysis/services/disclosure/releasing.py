"""A release: what is kept back beside earlier ones, and the approval that some plans ask for."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db.models.functions import Now

from analysis.models import Run
from analysis.services import release, snapshots
from analysis.services.disclosure import first_release, withheld_documents, withholding
from cohorts import access
from cohorts.errors import DomainError, NotAllowed
from cohorts.language.sentences import say
from cohorts.models import User
from cohorts.models.change import hold_order_lock
from cohorts.retrying import transacted


class NotReleasable(DomainError):
    """The run cannot be released; the message says why and what to do."""

    code = "run_not_releasable"


def withhold(run: Run) -> None:
    """Keep back what beside an earlier release would tell about a few."""
    withholding.withhold(run)
    withheld_documents.withhold(run)


def may_approve(user: User, run: Run) -> bool:
    """Whether this person may release the run, if the rules let anybody."""
    waits = run.state == Run.State.PUBLISHED and run.released_at is None
    return (
        waits
        and _asks(run)
        and access.may(user, "unreleased_result", "A")
        and not _is_own_first(user, run)
    )


def _asks(run: Run) -> bool:
    """Whether a person is to approve the release."""
    return run.plan.parsed.release == "by_approval" or first_release.is_due(run.plan)


def _is_own_first(user: User, run: Run) -> bool:
    return run.plan.written_by_id == user.pk and first_release.is_due(run.plan)


@transacted
def approve(run_id: uuid.UUID, *, by: User) -> Run:
    """Release a run whose plan asks for approval; the rules are checked anew, beside what is told.

    Raises NotAllowed, also for whoever wrote settings that nobody else has approved yet, or
    NotReleasable for a run that is no newest published one of its plan, that the rules forbid, or
    in which consent has changed since.
    """
    # As when a run is published: no other release and no withdrawal comes in between.
    hold_order_lock()
    run = Run.objects.locked(run_id)
    if not access.may(by, "unreleased_result", "A"):
        raise NotAllowed(say("The consortium's data manager approves releases: ask them."))
    if _is_own_first(by, run):
        raise NotAllowed(
            say("You wrote these settings: another data manager approves their first release.")
        )
    reason = _reason_to_refuse(run)
    if reason:
        raise NotReleasable(reason)
    withhold(run)
    told = {"released_at": Now(), "held_because": "", "checked_k": settings.DISCLOSURE_K}
    Run.objects.filter(pk=run.pk).update(**told, released_by=by)
    run.refresh_from_db()
    return run


def _reason_to_refuse(run: Run) -> str:
    if run.state != Run.State.PUBLISHED:
        return say("The run is %(state)s: only a published one is released.", state=run.state)
    if run.released_at is not None:
        return say("The run is released already.")
    if not _asks(run):
        return run.held_because
    newest = Run.objects.newest_of(run.plan.name)
    if newest is not None and newest.pk != run.pk:
        return say("The plan has a newer run than this: look at that one, and release it.")
    if run.pruned_at is not None or run.snapshot is None:
        return say("Its tables were deleted, being old: ask for a new run.")
    if not snapshots.still_lawful(run.snapshot, run.plan.parsed.scopes):
        return say("Consent has changed since it was computed: wait for the next run.")
    return release.reason_to_forbid(run)
