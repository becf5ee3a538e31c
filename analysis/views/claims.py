"""The page of one claim: what was published, and what each run said of it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache

from analysis.models import Claim
from analysis.services import histories
from analysis.verdicts import RULES_VERSION
from analysis.views import claim_page, claim_readings
from cohorts.requests import user_of


@never_cache
@login_required
def claim(request: HttpRequest, code: str) -> HttpResponse:
    """One claim with its verdict history, past the disclosure rules."""
    user = user_of(request)
    one = get_object_or_404(Claim.objects.visible_to(user), code=code)
    rows = histories.history_for(one, histories.runs_for(one, user), user)
    context: dict[str, Any] = {
        "claim": one,
        "statement": claim_readings.statement_of(one),
        "where": claim_readings.STRATUM_WORDS.get(one.stratum, one.stratum),
        "others": [claim_readings.STRATUM_WORDS.get(name, name) for name in one.other_readings],
        "standings": claim_page.standings_of(one, rows, user),
        "histories": [
            (plan, where, readings, claim_page.course_of(one, readings))
            for plan, where, readings in claim_readings.histories_of(rows)
        ],
        "at_most": histories.AT_MOST,
        "rules_version": RULES_VERSION,
    }
    return render(request, "analysis/claim.html", context)
