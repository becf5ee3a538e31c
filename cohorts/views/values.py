"""Pages of values: of one participant, and of one feature over the rows of a batch."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from cohorts import access
from cohorts.models import AssayBatch, AssayRow, BatchFeature
from cohorts.requests import user_of, zone_of
from cohorts.services.batches import measured
from cohorts.views.people import person_of

PAGE = 50


@login_required
def of_person(request: HttpRequest, participant_id: int) -> HttpResponse:
    """Every value of a participant; ``?outside=1`` those outside their reference range."""
    one, user = person_of(request, participant_id), user_of(request)
    if not access.may(user, "row_values", "R", one.site_id):
        raise PermissionDenied
    outside = bool(request.GET.get("outside"))
    found = measured.of_person(one, user=user)
    shown = [each for each in found if each.outside or not outside]
    page = Paginator(shown, PAGE).get_page(request.GET.get("page"))
    context = {
        "person": one,
        "site": one.site,
        "zone": zone_of(one.site),
        "page": page,
        "values": page.object_list,
        "outside": outside,
        "keep": "outside=1" if outside else "",
    }
    return render(request, "cohorts/person_values.html", context)


@login_required
def of_batch(request: HttpRequest, batch_id: int) -> HttpResponse:
    """One feature (``?feature=``, its number) of a batch's study samples."""
    user = user_of(request)
    batches = AssayBatch.objects.visible_to(user).select_related("site")
    batch = get_object_or_404(batches, pk=batch_id)
    if not access.may(user, "row_values", "R", batch.site_id):
        raise PermissionDenied
    columns = list(BatchFeature.objects.filter(batch=batch).select_related("feature", "batch"))
    column = _chosen(columns, request.GET.get("feature", ""))
    rows = AssayRow.objects.visible_to(user).filter(batch=batch, sample_type=AssayRow.Type.STUDY)
    listed = rows.select_related("batch", "sample__participant").order_by("pk")
    page = Paginator(listed, PAGE).get_page(request.GET.get("page"))
    context = {
        "batch": batch,
        "site": batch.site,
        "zone": zone_of(batch.site),
        "columns": columns,
        "column": column,
        "page": page,
        "keep": f"feature={column.feature_id}",
        "values": measured.of_column(column, list(page), by=user),
    }
    return render(request, "cohorts/batch_values.html", context)


def _chosen(columns: list[BatchFeature], asked: str) -> BatchFeature:
    """The column of that feature, the first where none is asked for."""
    for column in columns:
        if asked in ("", str(column.feature_id)):
            return column
    raise Http404
