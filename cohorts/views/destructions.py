"""The page of tubes to destroy: recorded before a witness, then approved."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from cohorts import access
from cohorts.forms import samples as forms_samples
from cohorts.models import Destruction, User
from cohorts.requests import zone_of
from cohorts.services.samples import destruction
from cohorts.views.base import admitted, carried_out

MOST_ORDERS = 200


@login_required
def destructions(request: HttpRequest, code: str) -> HttpResponse:
    """Tubes to destroy: recorded by the laboratory, approved by the data manager."""
    here, user = admitted(request, code, "destruction", "R")
    form = forms_samples.DestructionForm(
        request.POST or None, site=here, zone=zone_of(here), by=user
    )
    if request.method == "POST":
        if not any(access.may(user, "destruction", verb, here.pk) for verb in "CA"):
            raise PermissionDenied
        if form.is_valid() and carried_out(request, form, lambda: _destroyed(form, user)):
            return redirect("destructions", here.code)
    context = {
        "site": here,
        "zone": zone_of(here),
        "orders": Destruction.objects.visible_to(user)
        .of_site(here)
        .select_related("site", "recorded_by", "witness", "approved_by")[:MOST_ORDERS],
        "said": form,
        "form": form if access.may(user, "destruction", "C", here.pk) and form.is_due else None,
        "may_approve": access.may(user, "destruction", "A", here.pk),
    }
    return render(request, "cohorts/destructions.html", context, status=422 if form.errors else 200)


def _destroyed(form: forms_samples.DestructionForm, user: User) -> str:
    said = form.cleaned_data
    order = Destruction.objects.get(pk=said["order"])
    if said["verb"] == "approve":
        destruction.approve(order.pk, by=user)
        return _("The destruction is approved.")
    destruction.record(
        order.pk,
        at=said["destroyed_at"],
        method=said["method"],
        witness=said["witness"],
        by=user,
    )
    return _("Recorded: %(tube)s is destroyed; the data manager approves it.") % {
        "tube": order.tube
    }
