"""What must re-run. The database says what is owed; the broker is only a bell."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Q
from django.db.models.functions import Now
from django.utils import timezone

from analysis.models import Plan, Run
from analysis.services import change_words, runs, settling, versions
from analysis.services.bell import ring as ring
from cohorts import clock
from cohorts.language.sentences import say
from cohorts.models import AssayBatch, Change
from cohorts.services import dated

CODE_HAS_CHANGED = say("the analysis code has changed")
CODE_ASKED_AGAIN = timedelta(minutes=10)


def nudge(**_signal: object) -> None:
    """Ring for a sweep, soon after a commit; a dead broker costs a moment, never the work."""
    ring("analysis.sweep", countdown=settling.first_look())


def sweep() -> list[uuid.UUID]:
    """Queue a run for each stale plan, end the hopeless; the runs that can start now."""
    _end_the_hopeless()
    dated.record_due()
    for plan in Plan.objects.current().select_related("study"):
        cause = why_stale(plan)
        if not cause:
            continue
        if wait := settling.seconds_to_wait(plan):
            ring("analysis.sweep", countdown=wait)  # look again when the burst may be over
        else:
            runs.request(plan, cause=cause)
    return list(Run.objects.claimable().in_turn().values_list("pk", flat=True))


def why_stale(plan: Plan) -> str:
    """Why the plan must run again, in words; "" when its newest run has seen everything."""
    newest = Change.objects.newest(plan.study)
    if not newest or not has_values(plan):
        return ""
    ended = Run.objects.filter(plan=plan).exclude(state=Run.State.QUEUED)
    # A run that is computing right now has seen what its snapshot saw.
    seen = ended.aggregate(n=Max("change_seen"))["n"]
    if seen is None:
        return say("the plan is new")
    if seen < newest:
        change = Change.objects.filter(study=plan.study, pk__gt=seen).order_by("-pk")[0]
        return change_words.in_words(change)
    # Published or not: what this code has failed at, it is not asked for again until more changes.
    last = ended.exclude(code_version="").order_by("-queued_at").first()
    if last is None or last.code_version == versions.code_version() or _asked_lately(last):
        return ""
    return CODE_HAS_CHANGED


def _asked_lately(run: Run) -> bool:
    """Whether this one was asked for because of the code, and a worker of other code took it.

    While an update is going on, the sweeper's code and a worker's may differ. Asked again at once,
    each would be found to be the same run as before, several a second.
    """
    return run.cause == CODE_HAS_CHANGED and run.queued_at > timezone.now() - CODE_ASKED_AGAIN


def has_values(plan: Plan) -> bool:
    """Whether any assay table of the study may be used: before that nothing is owed."""
    return AssayBatch.objects.usable(clock.today()).filter(site__study=plan.study).exists()


@transaction.atomic
def _end_the_hopeless() -> None:
    """A run whose worker died as often as we try is failed, visibly, not tried for ever."""
    died = Q(state=Run.State.RUNNING, lease_until__lte=Now(), attempts__gte=settings.RUN_ATTEMPTS)
    Run.objects.filter(died).update(
        state=Run.State.FAILED,
        failure=say(
            "The worker died %(run_attempts)s times while computing it.",
            run_attempts=settings.RUN_ATTEMPTS,
        ),
        lease_until=None,
    )
