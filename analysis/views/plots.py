"""The page of a run's plots."""

from __future__ import annotations

import uuid

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from analysis.models import Run
from analysis.plots import of_run as plots
from analysis.plots import words as plot_words
from analysis.services import staleness
from analysis.views import run_page
from cohorts import access
from cohorts.requests import user_of


@login_required
def run_plots(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Each plot with its numbers beneath; without scripts the numbers alone."""
    user = user_of(request)
    if not access.may(user, "released_result", "R"):
        raise Http404
    found = Run.objects.visible_to(user).published().select_related("plan")
    run = get_object_or_404(found, pk=run_id)
    strata = plots.strata_of(run_page.table_of(run, "pooled", user))
    stratum = request.GET.get("stratum", "")
    if stratum not in dict(strata):
        stratum = strata[0][0] if strata else ""
    context = {
        "run": run,
        "plot_words": plot_words.in_this_language(),
        "plots": plots.plots_of(run, user, stratum),
        "strata": strata,
        "stratum": stratum,
        "stale_because": staleness.reason(run, user),
    }
    return render(request, "analysis/plots.html", context)
