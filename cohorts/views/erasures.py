"""Pages of erasures: a second person approves, and either may stop within the wait."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from cohorts import access
from cohorts.errors import DomainError
from cohorts.models import Erasure
from cohorts.requests import user_of, zone_of
from cohorts.services.erasing import erasure
from cohorts.views.base import admitted


@login_required
def erasures(request: HttpRequest, code: str) -> HttpResponse:
    """What is asked for, what waits, and the receipts of what was done."""
    here, user = admitted(request, code, "erasure", "R")
    seen = Erasure.objects.visible_to(user).filter(site=here).select_related("participant")
    rows = [
        {
            "erasure": each,
            "due": erasure.due_at(each),
            "receipt": _receipt(each),
            "may_approve": each.state == "requested"
            and each.requested_by_id != user.pk
            and access.may(user, "erasure", "A", here.pk),
            "may_stop": each.state in ("requested", "approved")
            and any(access.may(user, "erasure", verb, here.pk) for verb in "CA"),
        }
        for each in seen.select_related("requested_by", "approved_by")[:200]
    ]
    context = {"site": here, "zone": zone_of(here), "rows": rows}
    return render(request, "cohorts/erasures.html", context)


def _receipt(done: Erasure) -> dict[str, Any] | None:
    """What was removed, by the kinds of record, for the file of the request."""
    if not done.receipt:
        return None
    names = {model._meta.model_name: model._meta.verbose_name for model in apps.get_models()}
    return {
        "number": done.receipt["tombstone"],
        "rows": [(names.get(kind, kind), n) for kind, n in done.receipt["rows"].items()],
        "n_files": len(done.receipt["files"]),
    }


@login_required
@require_POST
def decide(request: HttpRequest, erasure_id: int) -> HttpResponse:
    """Approve an erasure, or stop it with the reason."""
    user = user_of(request)
    found = get_object_or_404(
        Erasure.objects.visible_to(user).select_related("site"), pk=erasure_id
    )
    try:
        if "approve" in request.POST:
            due = erasure.due_at(erasure.approve(found.pk, by=user))
            messages.success(
                request,
                _("Approved; it is carried out after %(due)s UTC.")
                % {"due": format(due, "%Y-%m-%d %H:%M")},
            )
        else:
            erasure.stop(found.pk, by=user, reason=request.POST.get("reason", ""))
            messages.success(request, _("Stopped. The withdrawal stands until a new consent."))
    except DomainError as error:
        messages.error(request, error.message)
    return redirect("erasures", found.site.code)
