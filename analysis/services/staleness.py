"""Whether what a published run rests on has changed since, and what it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import BooleanField, Case, Exists, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce, Greatest

from analysis.models import Plan, Run
from analysis.services import change_words, release
from cohorts.language.sentences import say
from cohorts.models import Change

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from cohorts.models import User

IN_GENERAL = say("Data, consents or reference data that it reads have changed since.")


def with_staleness(runs: QuerySet[Run]) -> QuerySet[Any]:
    """These runs with ``stale``: published, and the study, or the plan, has moved on since.

    A later run that found everything as before says that this one had seen that much too.
    """
    same = Run.objects.filter(same_as=OuterRef("pk")).order_by("-change_seen")
    newer = Plan.objects.filter(
        name=OuterRef("plan__name"), version__gt=OuterRef("plan__version"), followed=True
    )
    unseen = Change.objects.filter(study=OuterRef("plan__study"), pk__gt=OuterRef("looked_at"))
    return runs.annotate(
        looked_at=Greatest("change_seen", Coalesce(same.values("change_seen")[:1], Value(0))),
        stale=Case(
            When(Q(state=Run.State.PUBLISHED) & (Q(Exists(newer)) | Q(Exists(unseen))), then=True),
            default=False,
            output_field=BooleanField(),
        ),
    )


def reason(run: Run, user: User | AnonymousUser) -> str:
    """Why the run is stale, in words that this person may read; "" where it is not."""
    if release.sees_everything(user):
        return in_full(run)
    if _looked_at(run) is None:
        return ""
    # One person's withdrawal is a change too.
    return _newer_plan(run) or IN_GENERAL


def in_full(run: Run) -> str:
    """Why the run is stale, with the change that made it so, for those who see every change."""
    looked_at = _looked_at(run)
    if looked_at is None:
        return ""
    if newer := _newer_plan(run):
        return newer
    unseen = Change.objects.filter(study=run.plan.study_id, pk__gt=looked_at)
    first = unseen.select_related("site").order_by("pk").first()
    if first is None:
        return IN_GENERAL
    words = change_words.in_words(first)
    return f"{words[0].upper()}{words[1:]}".rstrip(".") + "."


def _looked_at(run: Run) -> int | None:
    """The change up to which the run is known to hold; None where it is not stale."""
    found = with_staleness(Run.objects.filter(pk=run.pk)).values("stale", "looked_at").get()
    return int(found["looked_at"]) if found["stale"] else None


def _newer_plan(run: Run) -> str:
    newer = Plan.objects.filter(
        name=run.plan.name, version__gt=run.plan.version, followed=True
    ).first()
    if newer is None:
        return ""
    return say("The plan has a newer version, %(version)s.", version=newer.version)


def what_follows(run: Run, user: User | AnonymousUser, standing: str) -> str:
    """Whether somebody who reads a stale run has to wait for another one, to look, or to ask."""
    if standing == "superseded":
        return say("A newer run of the plan has replaced it.")
    followed = Plan.objects.current().filter(study=run.plan.study_id, name=run.plan.name)
    if not followed.exists():
        return say("Its plan is not followed: it runs again when somebody asks for it.")
    if _ended_without_result(run.plan.name):
        return say(
            "The last run of the plan ended without a result; the next one starts when something "
            "changes, or when somebody asks."
        )
    if release.sees_everything(user):
        return say("A new run is owed and starts by itself.")
    # Also where the new one is there and held back, which says how few people have changed.
    return say("A new run starts by itself, and is shown once the rules of release allow it.")


def _ended_without_result(plan_name: str) -> bool:
    last = Run.objects.filter(plan__name=plan_name).order_by("-queued_at").first()
    return last is not None and last.state in (Run.State.FAILED, Run.State.CANCELLED)


def told(run: Run, user: User | AnonymousUser) -> dict[str, Any]:
    """``stale`` and ``stale_because``, as answers hold them."""
    words = reason(run, user)
    return {"stale": bool(words), "stale_because": words}
