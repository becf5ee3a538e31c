"""Pages of boxes: a new one, and each as it lies in the freezer."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from cohorts import access
from cohorts.errors import DomainError
from cohorts.forms.samples import MoveBoxForm, NewBoxForm
from cohorts.models import Box, Sample
from cohorts.requests import user_of, zone_of
from cohorts.services.audit import history
from cohorts.services.samples import boxes
from cohorts.views.base import admitted


@login_required
def box(request: HttpRequest, box_id: int) -> HttpResponse:
    """Which tube is in which place, which places are free, and where the box stood before."""
    user = user_of(request)
    found = get_object_or_404(Box.objects.visible_to(user).select_related("site"), pk=box_id)
    may_handle = access.may(user, "sample", "U", found.site_id)
    if request.method == "POST" and not may_handle:
        raise PermissionDenied
    form = MoveBoxForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            boxes.move_box(found.pk, **form.cleaned_data, by=user)
        except DomainError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, _("The box has moved."))
            return redirect("box", found.pk)
    tubes = {
        (tube.box_row, tube.box_column): tube
        for tube in found.samples.select_related("site", "held_at")
    }
    seen = {tube.pk for tube in Sample.objects.at_hand(user).filter(box=found)}
    columns = range(1, found.n_columns + 1)
    context = {
        "box": found,
        "site": found.site,
        "zone": zone_of(found.site),
        "columns": columns,
        "seen": seen,
        "rows": [
            (row, [tubes.get((row, column)) for column in columns])
            for row in range(1, found.n_rows + 1)
        ],
        "n_tubes": len(tubes),
        "n_free": found.n_rows * found.n_columns - len(tubes),
        "may_handle": may_handle,
        "form": form if may_handle else None,
        "past": history.past_of(found),
    }
    return render(request, "cohorts/box.html", context, status=422 if form.errors else 200)


@login_required
def new_box(request: HttpRequest, code: str) -> HttpResponse:
    """Put a box on the books."""
    here, user = admitted(request, code, "sample", "C")
    form = NewBoxForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            made = boxes.add_box(here, **form.cleaned_data, by=user)
        except ValidationError as error:
            form.add_error(None, error.messages)
        else:
            return redirect("box", made.pk)
    context = {"site": here, "form": form}
    return render(request, "cohorts/box_new.html", context, status=422 if form.errors else 200)
