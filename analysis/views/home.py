"""The start page: what is new, for whom it is."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from analysis.models import Plan, Run
from analysis.services import staleness
from analysis.services.disclosure import releasing
from analysis.services.told_verdicts import Reads, verdicts_for
from analysis.views import claim_readings
from analysis.views.sites import place_of
from cohorts import access
from cohorts.decisions import Waiting, waiting_for
from cohorts.first_steps import first_steps
from cohorts.models import Site, User
from cohorts.overview import counts_of, kinds_for, uploads_of
from cohorts.requests import user_of, zone_of
from cohorts.site_home import home_of

RECENT_UPLOADS = 5


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """What this person can do here: their sites and uploads, or the study's newest conclusions."""
    user, reads = user_of(request), cache(verdicts_for)
    sites = Site.objects.visible_to(user).select_related("study")
    own = list(sites.filter(pk__in=access.reach(user, "upload", "R").site_ids))
    everywhere = bool(access.roles_of(user) & access.CONSORTIUM_ROLES)
    only = own[0] if len(own) == 1 else None
    context = {
        "only": only,
        **(
            place_of(only, user, reads) | {"uploads": uploads_of(only, user)[:RECENT_UPLOADS]}
            if only
            else {}
        ),
        "places": [] if only else [_place(site, user) for site in own],
        "sites": counts_of(list(sites), user) if everywhere else [],
        "newest": _newest_runs(user, reads),
        "roles": access.roles_of(user),
        "first": first_steps(user, own),
        "waiting": [*waiting_for(user), *_runs_to_release(user)],
    }
    return render(request, "analysis/home.html", context)


def _runs_to_release(user: User) -> list[Waiting]:
    """The newest run of each plan that waits for this person's approval."""
    if not access.may(user, "unreleased_result", "A"):
        return []
    published = Run.objects.published().select_related("plan")
    newest = published.order_by("plan__name", "-published_at").distinct("plan__name")
    return [
        Waiting(
            "",
            _("the run of %(plan)s to release") % {"plan": run.plan},
            reverse("run", args=[run.pk]),
        )
        for run in newest
        if releasing.may_approve(user, run)
    ]


def _place(site: Site, user: User) -> dict[str, Any]:
    return {
        "site": site,
        "home": home_of(site, user),
        "zone": zone_of(site),
        "uploads": uploads_of(site, user)[:RECENT_UPLOADS],
        "may_send": bool(kinds_for(user, site, "C")) and access.may(user, "upload", "C", site.pk),
    }


def _newest_runs(user: User, reads: Reads) -> list[dict[str, Any]]:
    """The newest run of each plan that this person may see, with its verdicts."""
    found = []
    for plan in Plan.objects.visible_to(user).current():
        run = Run.objects.visible_to(user).select_related("plan", "snapshot").newest_of(plan.name)
        claims = claim_readings.claims_of(run, user, reads) if run else []
        stale = staleness.reason(run, user) if run else ""
        entry = {"plan": plan, "run": run, "claims": claims, "tally": _tally(claims)}
        found.append(entry | {"stale_because": stale})
    return found


def _tally(claims: list[claim_readings.ClaimReadings]) -> list[tuple[str, int]]:
    """How many claims got each verdict in the reading that they were published with."""
    said = [claim.readings[0].row["verdict"] for claim in claims]
    order = ("replicated", "opposite", "undecided", "not_testable")
    return [(verdict, said.count(verdict)) for verdict in order if verdict in said]
