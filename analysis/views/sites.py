"""A site's home: what stands in its books, what needs somebody, and how it lies in the study."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from analysis.models import Plan, Run
from analysis.plots import beside as beside_plot
from analysis.plots.enrolment import enrolment_figure
from analysis.services.told_verdicts import Reads, verdicts_for
from analysis.views import beside
from cohorts import access
from cohorts.models import Erasure, Site, User
from cohorts.overview import kinds_for, uploads_of
from cohorts.requests import site_of, user_of, zone_of
from cohorts.site_home import home_of
from cohorts.views.base import PAGE


@login_required
def site(request: HttpRequest, code: str) -> HttpResponse:
    """Everything that this person may see of the site, and the ways on from it."""
    here, user = site_of(request, code), user_of(request)
    sent = Paginator(uploads_of(here, user), PAGE).get_page(request.GET.get("page"))
    context = place_of(here, user) | {"uploads": sent}
    return render(request, "cohorts/site.html", context)


def place_of(here: Site, user: User, reads: Reads = verdicts_for) -> dict[str, Any]:
    """What the pages of a site's home show, but for the tables sent."""
    home = home_of(here, user)
    return {
        "site": here,
        "zone": zone_of(here),
        "home": home,
        "figure": enrolment_figure(home.enrolment) if home.enrolment else "",
        "months": home.enrolment.by_month() if home.enrolment else [],
        "beside": _beside(here, user, reads),
        "may_send": bool(kinds_for(user, here, "C")) and access.may(user, "upload", "C", here.pk),
        "may_read_uploads": access.may(user, "upload", "R", here.pk),
        "n_erasures": Erasure.objects.visible_to(user).filter(site=here).open().count(),
        "may_see_people": access.may(user, "participant", "R", here.pk),
        "may_see_shipments": access.may(user, "shipment", "R", here.pk),
        "may_enrol": access.may(user, "participant", "C", here.pk),
        "may_record_consent": access.may(user, "consent", "C", here.pk),
        "may_withdraw": access.may(user, "withdrawal", "C", here.pk),
    }


def _beside(here: Site, user: User, reads: Reads) -> list[dict[str, Any]]:
    """The newest run of each plan that this person may see, with the site's own effects."""
    if not access.may(user, "released_result", "R", here.pk):
        return []
    found = []
    for plan in Plan.objects.visible_to(user).current().filter(study=here.study_id):
        run = Run.objects.visible_to(user).select_related("plan").newest_of(plan.name)
        pairs = beside.pairs_of(run, user, here.code, reads) if run else []
        if pairs:
            title = _("%(site)s beside all sites") % {"site": here.code}
            wide, narrow = beside_plot.drawings([pair.line for pair in pairs], here.code, title)
            found.append(
                {
                    "plan": plan,
                    "run": run,
                    "pairs": pairs,
                    "wide": wide,
                    "narrow": narrow,
                    "drawn": f"drawn-{plan.name}",
                    "title": title,
                    "file": f"{here.code}-beside-{plan.name}",
                }
            )
    return found
