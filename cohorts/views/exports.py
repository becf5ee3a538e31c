"""Pages of exports: who asked for which records, another person's decision, and the file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from cohorts import access
from cohorts.downloads import as_download
from cohorts.errors import DomainError
from cohorts.forms.exports import ExportForm
from cohorts.models import ExportRequest, Site, User
from cohorts.requests import user_of, zone_of
from cohorts.services.exporting import export_requests
from cohorts.views.base import PAGE, admitted


@login_required
def exports(request: HttpRequest, code: str) -> HttpResponse:
    """What was asked for and made, and the form of those who may ask."""
    here, user = admitted(request, code, "record_export", "R")
    may_ask = any(access.may(user, "record_export", verb, here.pk) for verb in "XC")
    form = ExportForm(request.POST or None, site=here) if may_ask else None
    if form and request.method == "POST" and form.is_valid():
        try:
            site = export_requests.site_for(user, code)
            export_requests.ask(site, form.wish, by=user)
        except DomainError as error:
            form.add_error(None, error.message)
        except ValidationError as error:
            form.add_error(None, error.messages)
        else:
            messages.success(request, gettext("The request is on record."))
            return redirect("exports", code)
    seen = ExportRequest.objects.visible_to(user).filter(site=here)
    shown = seen.select_related("asked_by", "decided_by").prefetch_related("files")
    page = Paginator(shown, PAGE).get_page(request.GET.get("page"))
    context = {"site": here, "zone": zone_of(here), "form": form, "page": page}
    context["rows"] = _rows(page, here, user)
    return render(
        request, "cohorts/exports.html", context, status=422 if form and form.errors else 200
    )


def _rows(found: Iterable[ExportRequest], here: Site, user: User) -> list[dict[str, Any]]:
    now = timezone.now()
    may_decide = access.may(user, "record_export", "A", here.pk)
    return [
        {
            "asked": each,
            "state": each.state_at(now),
            "files": each.files.all(),
            "to_be_told": export_requests.to_be_told(each),
            "may_decide": may_decide
            and each.asked_by_id != user.pk
            and each.state_at(now) == "waiting",
            "may_take": each.asked_by_id == user.pk and each.state_at(now) == "open",
        }
        for each in found
    ]


@login_required
@require_POST
def decide(request: HttpRequest, request_id: int) -> HttpResponse:
    """Approve a request, or refuse it with the reason."""
    user = user_of(request)
    found = _visible(user, request_id)
    approve = "approve" in request.POST
    try:
        export_requests.decide(
            found.pk, approve=approve, by=user, note=request.POST.get("note", "")
        )
    except DomainError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, gettext("Approved.") if approve else gettext("Refused."))
    return redirect("exports", found.site.code)


@login_required
@require_POST
def take(request: HttpRequest, request_id: int) -> HttpResponse:
    """The file; a POST, since each one is put on record."""
    user = user_of(request)
    found = _visible(user, request_id)
    try:
        made = export_requests.file_of(found.pk, by=user)
    except DomainError as error:
        messages.error(request, error.message)
        return redirect("exports", found.site.code)
    return as_download(made)


def _visible(user: User, request_id: int) -> ExportRequest:
    rows = ExportRequest.objects.visible_to(user).select_related("site")
    found: ExportRequest = get_object_or_404(rows, pk=request_id)
    return found
