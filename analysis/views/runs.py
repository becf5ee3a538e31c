"""The start page and the runs: rows past `visible_to`, numbers past the disclosure rules."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import pandas as pd
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from analysis.models import LARGEST_PRIORITY, Plan, Run
from analysis.plots import of_run as plots
from analysis.services import changes, freshness, progress, queue, release, results, runs, staleness
from analysis.services.disclosure import releasing
from analysis.views import claim_readings, forests, run_page
from analysis.views.home import _tally
from cohorts import access
from cohorts.errors import DomainError
from cohorts.language.sentences import say
from cohorts.models import Site, User
from cohorts.requests import user_of

PAGE = 25
FOLLOW_SECONDS = 2
MOST_FOLLOWING = 2


# --- runs


@login_required
def run_list(request: HttpRequest) -> HttpResponse:
    """Runs that this person may see, newest first."""
    user = user_of(request)
    if not access.may(user, "run", "R"):
        raise PermissionDenied
    visible = Run.objects.visible_to(user).select_related("plan", "requested_by")
    found = staleness.with_staleness(visible)
    waiting = _under_way(user)
    plan = request.GET.get("plan", "")
    if plan:
        found = found.filter(plan__name=plan)
    page = Paginator(found.order_by("-queued_at"), PAGE).get_page(request.GET.get("page"))
    newest = progress.newest_of_plans(user)
    context = {
        "runs": page,
        "rows": [(one, progress.standing(one, newest)) for one in page],
        "under_way": waiting,
        "may_place": access.may(user, "run", "U"),
        "plans": Plan.objects.visible_to(user).newest_versions(),
        "plan": plan,
        "may_start": access.may(user, "run", "S"),
        "sees_everything": release.sees_everything(user),
        "moving": FOLLOW_SECONDS if waiting else 0,
        **_following(user, request.GET.get("since", ""), newest),
    }
    return render(request, "analysis/runs.html", context)


def _following(user: User, since: str, newest: Mapping[str, datetime]) -> dict[str, Any]:
    """Runs that began after a moment and have ended; nothing where none is asked for."""
    try:
        moment = datetime.fromisoformat(since)
    except ValueError:
        return {"since": None}
    if moment.tzinfo is None:
        return {"since": None}
    found = Run.objects.visible_to(user).published().filter(started_at__gte=moment)
    # Those that read it first: many runs later the upload's page still says what came of it.
    first = found.select_related("plan").order_by("published_at")[:MOST_FOLLOWING]
    ended = [(one, progress.standing(one, newest)) for one in first]
    return {"since": moment, "ended_since": ended}


def _under_way(user: User) -> list[dict[str, Any]]:
    """Runs that compute or wait, in their turn: progress is no result, so it needs no release."""
    found = Run.objects.open_to(user, "R").under_way().select_related("plan")
    return [
        {"run": one, "end": progress.expected_end(one), "may_cancel": queue.may_cancel(user, one)}
        for one in found.order_by("-state", "-priority", "queued_at")
    ]


def _decide(
    request: HttpRequest, run_id: uuid.UUID, verb: str, carry_out: Callable[..., Run], done: str
) -> None:
    """Have a decision about a run carried out; tell whoever made it what came of it."""
    user = user_of(request)
    if not access.may(user, "run", verb):
        raise PermissionDenied
    one = get_object_or_404(Run.objects.open_to(user, "R").select_related("plan"), pk=run_id)
    try:
        carry_out(one.pk, by=user)
    except DomainError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, done % {"plan": one.plan})


@login_required
@require_POST
def cancel(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """End a run that waits or computes."""
    done = _("The run is cancelled; it publishes nothing.")
    _decide(request, run_id, "W", queue.cancel, done)
    return redirect("runs")


@login_required
@require_POST
def put_first(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Put a waiting run before the others that wait."""
    done = _("The run of %(plan)s goes first when a worker is free.")
    _decide(request, run_id, "U", partial(queue.prioritise, priority=LARGEST_PRIORITY), done)
    return redirect("runs")


@login_required
@require_POST
def approve_release(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Let analysts see a run whose plan asks for approval."""
    done = _("The run is released: analysts see it now.")
    _decide(request, run_id, "U", releasing.approve, done)
    return redirect("run", run_id)


@login_required
@require_POST
def ask(request: HttpRequest) -> HttpResponse:
    """Ask for a run by hand; the one that waits already is the same run."""
    user = user_of(request)
    if not access.may(user, "run", "S"):
        raise PermissionDenied
    plan = get_object_or_404(
        Plan.objects.visible_to(user).newest_versions(), name=request.POST.get("plan", "")
    )
    asked = runs.request(
        plan, cause=say("asked for by %(name)s", name=user.get_username()), by=user
    )
    if freshness.ring("analysis.execute", str(asked.pk)):
        words = _("A run of %(plan)s is queued.") % {"plan": plan.name}
    else:
        words = _("A run of %(plan)s is noted; it starts when the queue answers again.") % {
            "plan": plan.name
        }
    messages.success(request, words)
    if Run.objects.visible_to(user).filter(pk=asked.pk).exists():
        return redirect("run", asked.pk)
    return redirect("runs")


@login_required
def latest(request: HttpRequest) -> HttpResponse:
    """The newest published run of a plan that this person may see; of any followed one unnamed."""
    name = request.GET.get("plan", "")
    seen = Run.objects.visible_to(request.user)
    followed = seen.published().filter(plan__followed=True).order_by("-published_at")
    newest = seen.newest_of(name) if name else followed.first()
    if newest is None:
        raise Http404
    return redirect("run", newest.pk)


@never_cache
@login_required
def run(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """One run: its progress while it computes, then everything that it concluded."""
    user = user_of(request)
    one = get_object_or_404(
        Run.objects.visible_to(user).select_related("plan", "snapshot", "requested_by", "same_as"),
        pk=run_id,
    )
    standing = progress.standing(one, progress.newest_of_plans(user))
    context: dict[str, Any] = {
        "run": one,
        "facts": results.facts_for(one, user),
        "state": standing,
        "stale_next": staleness.what_follows(one, user, standing),
        "moving": one.state in Run.UNDER_WAY,
        "expected_end": progress.expected_end(one),
        "may_cancel": queue.may_cancel(user, one),
        "may_approve": releasing.may_approve(user, one),
        "may_start": access.may(user, "run", "S"),
        "follow": FOLLOW_SECONDS,
        "sees_everything": release.sees_everything(user),
    }
    if one.state == Run.State.PUBLISHED:
        context |= _conclusions(request, one, user)
    return render(request, "analysis/run.html", context)


def _conclusions(request: HttpRequest, one: Run, user: User) -> dict[str, Any]:
    claims = claim_readings.claims_of(one, user)
    context: dict[str, Any] = {
        "claims": claims,
        "tally": _tally(claims),
        "left_out": run_page.left_out_of(one, user),
        "may_take": access.may(user, "released_result", "X"),
        "news": changes.changes_for(one, changes.previous_for(one, user), user),
        **run_page.documents_of(one, user),
    }
    effects = run_page.table_of(one, "effects", user)
    pooled = run_page.table_of(one, "pooled", user)
    if effects is not None and pooled is not None and len(pooled):
        within = access.reach(user, "run").site_ids
        here = Site.objects.visible_to(user).filter(pk__in=within)
        context["own_sites"] = set(here.values_list("code", flat=True))
        context |= _chosen(request, claims, effects, pooled, context["own_sites"])
        beside = run_page.table_of(one, "one_stage", user)
        if beside is not None:
            context["one_stage"] = run_page.one_stage_of(beside, context["strongest"])
        moderated = run_page.table_of(one, "moderated", user)
        if moderated is not None:
            context["moderated"] = forests.moderated_of(moderated, context["forest"])
        cells = run_page.table_of(one, "sensitivity", user)
        if cells is not None:
            context["cells"] = forests.cells_of(cells, context["forest"])
    return context


def _chosen(
    request: HttpRequest,
    claims: list[claim_readings.ClaimReadings],
    effects: pd.DataFrame,
    pooled: pd.DataFrame,
    own: set[str],
) -> dict[str, Any]:
    """The feature and stratum that were asked for; else those of the first claim."""
    features, strata = sorted(set(pooled["feature"])), list(dict.fromkeys(pooled["stratum"]))
    first = next(
        (c.readings[0].row for c in claims if c.readings[0].row["feature"] in features),
        {"feature": features[0], "stratum": strata[0]},
    )
    feature = request.GET.get("feature", first["feature"])
    stratum = request.GET.get("stratum", first["stratum"])
    if feature not in features or stratum not in strata:
        raise Http404
    return {
        "features": features,
        "strata": [(name, claim_readings.STRATUM_WORDS.get(name, name)) for name in strata],
        "forest": forests.forest_of(effects, pooled, feature, stratum, own=own),
        "without": plots.without_each(effects, feature, stratum),
        "strongest": run_page.strongest(pooled, stratum),
    }
