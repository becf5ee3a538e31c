"""What an answer about a run rests on: one text that moves whenever such an answer may."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import CharField, Exists, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Cast, Coalesce

from analysis.models import Run
from analysis.services.disclosure.rules import RELEASE_RULES_VERSION
from analysis.services.staleness import with_staleness
from cohorts import access
from cohorts.api.conditional import RowVersion
from cohorts.joined import Joined
from cohorts.models import Change


def release_rules() -> tuple[int, int]:
    """By what it is decided what is shown: a part of every ETag."""
    return RELEASE_RULES_VERSION, settings.DISCLOSURE_K


def marked(runs: QuerySet[Run], among: QuerySet[Run] | None = None) -> QuerySet[Any]:
    """These runs with ``mark``: their number, state and the transaction that last wrote them.

    What is told of a run also counts who was withdrawn or erased since, so the newest such change
    is a part of it, and so is whether the run is stale. Where it is told whether a newer run
    supersedes this one, ``among`` are those that the reader may see. Whatever else is told never
    changes while the run's own row does not.
    """
    gone = Change.objects.that_end_a_use().order_by("-pk").values("pk")[:1]
    parts = (RowVersion(), Coalesce(Subquery(gone), 0), F("stale"), F("share_done"), F("step"))
    superseded = () if among is None else (Exists(_newer(among)),)
    told: QuerySet[Any] = with_staleness(runs).annotate(
        mark=Joined(":", Cast("pk", CharField()), F("state"), *parts, *superseded)
    )
    return told


def _newer(among: QuerySet[Run]) -> QuerySet[Run]:
    published = among.filter(state=Run.State.PUBLISHED, plan__name=OuterRef("plan__name"))
    return published.filter(published_at__gt=OuterRef("published_at"))


def newest_of_plan(runs: QuerySet[Run], plan_name: str) -> QuerySet[Run]:
    """Published runs of a plan among these, the newest first."""
    return runs.filter(state=Run.State.PUBLISHED, plan__name=plan_name).order_by("-published_at")


def may_see_unreleased(roles: access.Standing) -> bool:
    """Whether these roles read results before their release."""
    if access.limits_in(roles):
        return False
    early = access.roles_with("unreleased_result", "R")
    return any(role in early for role, _ in roles)


def is_working(mark: str) -> bool:
    """Whether the run of that mark is not at its end yet."""
    return mark.split(":")[1] in Run.UNDER_WAY
