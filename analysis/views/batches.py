"""Pages of assay batches: a site's list, and one with its quality report and its voiding."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from analysis.plots.drift import drift
from cohorts import access
from cohorts.errors import DomainError
from cohorts.forms.features import ReasonForm
from cohorts.models import AssayBatch, AssayRow, BatchVoid, User
from cohorts.requests import user_of, zone_of
from cohorts.services.batches import quality, voiding
from cohorts.views.base import PAGE, admitted


@login_required
def batches(request: HttpRequest, code: str) -> HttpResponse:
    """Batches of a site, the newest first."""
    here, user = admitted(request, code, "quality_report", "R")
    rows = AssayBatch.objects.reported_to(user).filter(site=here).select_related("upload")
    page = Paginator(rows.order_by("-pk"), PAGE).get_page(request.GET.get("page"))
    measured = AssayRow.objects.filter(batch__in=list(page), sample__isnull=False).order_by()
    counted = dict(measured.values_list("batch").annotate(Count("pk")))
    context = {
        "site": here,
        "page": page,
        "rows": [(one, counted.get(one.pk, 0)) for one in page],
        "counts": access.may(user, "assay", "R", here.pk),  # an analyst reads rounded ones alone
    }
    return render(request, "analysis/batches.html", context)


@login_required
def batch(request: HttpRequest, batch_id: int) -> HttpResponse:
    """One batch: what its QC says, and the way to void it."""
    user = user_of(request)
    rows = AssayBatch.objects.reported_to(user).select_related("site__study", "upload", "replaces")
    found = get_object_or_404(rows, pk=batch_id)
    asked = BatchVoid.objects.open().filter(batch=found).select_related("asked_by").first()
    form = ReasonForm(request.POST if "ask" in request.POST else None)
    if request.method == "POST" and _done(request, found, user, form):
        return redirect("batch", found.pk)
    report = quality.report_for(user, found)
    accepted = found.status == AssayBatch.Status.ACCEPTED
    context = {
        "batch": found,
        "site": found.site,
        "zone": zone_of(found.site),
        "report": report,
        "drift": drift(report.drift),
        "asked": asked,
        "may_read_values": access.may(user, "row_values", "R", found.site_id),
        "form": form if accepted and not asked and _may(user, found, "C") else None,
        "may_decide": asked is not None
        and _may(user, found, "A")
        and user.pk not in (asked.asked_by_id, found.upload.sent_by_id),
    }
    return render(request, "analysis/batch.html", context, status=422 if form.errors else 200)


def _may(user: User, found: AssayBatch, verb: str) -> bool:
    return access.may(user, "assay_correction", verb, found.site_id)


def _done(request: HttpRequest, found: AssayBatch, user: User, form: ReasonForm) -> bool:
    try:
        if "ask" not in request.POST:
            voiding.decide(found.pk, approve="approve" in request.POST, by=user)
            messages.success(request, _("Decided."))
            return True
        if not form.is_valid():
            return False
        voiding.ask(found.pk, reason=form.cleaned_data["reason"], by=user)
    except DomainError as error:
        form.add_error(None, error.message) if form.is_bound else None
        messages.error(request, error.message)
        return not form.is_bound
    except ValidationError as error:
        form.add_error(None, error.messages)
        return False
    messages.success(request, _("Asked; the batch is in use until somebody else decides."))
    return True
