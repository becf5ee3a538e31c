"""From what happened to what each endpoint is told: never more than its owner may see now."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Max, Min, QuerySet
from django.utils import timezone

from analysis.models import Run, Verdict, WebhookEndpoint, WebhookEvent, WebhookMessage
from analysis.services import changes
from analysis.services.release import sees_everything
from cohorts import access
from cohorts.models import Change, User

WITHDRAWN, VERDICTS = "participants.withdrawn", "verdict.changed"
BEFORE_RELEASE = ("run.published", "run.held")
AT_ONCE = 100


def owed() -> bool:
    """Whether anything has happened that no endpoint has been told of."""
    waiting = WebhookEvent.objects.filter(passed_on_at=None).exists()
    return waiting or _withdrawals().exists()


def pass_on() -> int:
    """Make the messages of what is new; how many events were looked at."""
    _collect_withdrawals()
    with transaction.atomic():
        owed = WebhookEvent.objects.filter(passed_on_at=None).select_for_update(skip_locked=True)
        events = list(owed.order_by("pk")[:AT_ONCE])
        endpoints = list(WebhookEndpoint.objects.active().select_related("user"))
        for event in events:
            told = [each for each in endpoints if each.created_at <= event.at]
            WebhookMessage.objects.bulk_create(
                (
                    WebhookMessage(endpoint=endpoint, event=event, kind=kind)
                    for endpoint in told
                    for kind in endpoint.events
                    if _concerns(event, kind) and data_for(event, kind, endpoint.user) is not None
                ),
                ignore_conflicts=True,
            )
        now = timezone.now()
        WebhookEvent.objects.filter(pk__in=[event.pk for event in events]).update(passed_on_at=now)
    return len(events)


def data_for(event: WebhookEvent, kind: str, user: User) -> dict[str, Any] | None:
    """What that person is told of the event; None for what they may not know of.

    Names of runs, plans and claims, and words of verdicts: no number and nobody's record.
    """
    if kind == WITHDRAWN:
        return _withdrawn(event, user)
    run = event.run
    if run is None or not access.reach(user, "run"):
        return None
    data = {"run": str(run.pk), "plan": run.plan.name, "url": f"/api/v1/runs/{run.pk}"}
    if kind == "run.failed":
        return data
    results = access.reach(user, "released_result")
    if not results or not Run.objects.visible_to(user).filter(pk=run.pk).exists():
        return None
    if kind in BEFORE_RELEASE:
        return data if sees_everything(user) else None
    if kind != VERDICTS:
        return data
    moved = _moved(event, run, user)
    return data | {"verdicts": moved} if moved else None


def _concerns(event: WebhookEvent, kind: str) -> bool:
    if kind == VERDICTS:
        return event.kind in ("run.released", "run.published")
    return event.kind == kind


def _moved(event: WebhookEvent, run: Run, user: User) -> list[dict[str, str]]:
    """Verdicts that differ from the run before, of those that this person may see."""
    # Once: with the release, or for those who see more, with the publication.
    if (event.kind == "run.published") != sees_everything(user):
        return []
    before = changes.previous_for(run, user)
    if before is None:
        return []
    old, new = _words(before), _words(run)
    return [
        {"claim": claim, "stratum": stratum, "before": old[claim, stratum], "now": word}
        for (claim, stratum), word in new.items()
        if old.get((claim, stratum), word) != word
    ]


def _words(run: Run) -> dict[tuple[str, str], str]:
    found = Verdict.objects.filter(run=run).order_by("claim__code", "stratum")
    return {
        (claim, stratum): word
        for claim, stratum, word in found.values_list("claim__code", "stratum", "verdict")
    }


# --- withdrawals: the log of changes is their outbox


def _collect_withdrawals() -> None:
    WebhookEvent.objects.bulk_create(
        (
            WebhookEvent(kind=WITHDRAWN, change_id=each.pk, at=each.recorded_at)
            for each in _withdrawals().order_by("pk")
        ),
        ignore_conflicts=True,
    )


def _withdrawals() -> QuerySet[Change]:
    """Those since the newest that is in the outbox; none before anybody wants to be told."""
    seen = WebhookEvent.objects.aggregate(n=Max("change_id"))["n"] or 0
    first = WebhookEndpoint.objects.aggregate(at=Min("created_at"))["at"]
    ended = Change.objects.that_end_a_use().filter(pk__gt=seen)
    return ended.filter(recorded_at__gte=first) if first else ended.none()


def _withdrawn(event: WebhookEvent, user: User) -> dict[str, Any] | None:
    change = event.change_id
    if change is None or not Change.objects.visible_to(user).filter(pk=change).exists():
        return None
    return {"url": f"/api/v1/changes?after={change - 1}"}
