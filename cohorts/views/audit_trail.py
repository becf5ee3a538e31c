"""Who did what to a site's records: a page to look through, and a table to take along."""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from cohorts import access
from cohorts.api.streaming import FORMATS, csv_lines
from cohorts.forms.audit_trail import TrailForm
from cohorts.language.sentences import say
from cohorts.models import RecordReading, Site, User
from cohorts.requests import zone_of
from cohorts.services.audit.audit_trail import Entry, Trail, kinds_for, sees_others
from cohorts.spreadsheets import text_only
from cohorts.views.base import PAGE, admitted

# The page of a record of that kind.
PAGES = {
    "participant": "person",
    "sample": "sample",
    "consent": "consent-record",
    "shipment": "shipment",
    "box": "box",
}
COLUMNS = ("at", "by", "what", "kind", "record", "row_id", "reason", "changed")


@login_required
@require_GET
def audit_trail(request: HttpRequest, code: str) -> HttpResponse:
    """The newest entries that the form asks for; what others did for those who may read that."""
    here, user, form = _asked(request, code)
    if not form.is_valid():
        context = {"site": here, "zone": zone_of(here), "form": form}
        return render(request, "cohorts/audit_trail.html", context, status=422)
    trail = Trail(user, here, form.asked(zone_of(here)))
    entries, following = trail.page(PAGE, request.GET.get("after", ""))
    kept = request.GET.copy()
    kept.pop("after", None)
    context = {
        "site": here,
        "zone": zone_of(here),
        "form": form,
        "kinds": kinds_for(user, here),
        "entries": [(each, PAGES.get(each.kind, "")) for each in entries],
        "following": following,
        "kept": kept.urlencode(),
        "alone": not sees_others(user, here),
        "may_export": access.may(user, "audit_trail", "X", here.pk),
        "is_first": "after" not in request.GET,
    }
    return render(request, "cohorts/audit_trail.html", context)


@login_required
@require_GET
def as_csv(request: HttpRequest, code: str) -> HttpResponseBase:
    """All entries that the form asks for; who took them along is written down first."""
    here, user, form = _asked(request, code)
    if not access.may(user, "audit_trail", "X", here.pk):
        raise PermissionDenied
    if not form.is_valid():
        context = {"site": here, "zone": zone_of(here), "form": form}
        return render(request, "cohorts/audit_trail.html", context, status=422)
    trail = Trail(user, here, form.asked(zone_of(here)))
    RecordReading.objects.create(
        read_by=user, site=here, what=say("audit trail"), n_rows=min(trail.count(), 2**31 - 1)
    )
    answer = StreamingHttpResponse(_lines(trail.entries()), content_type=FORMATS["csv"])
    answer["Content-Disposition"] = f'attachment; filename="audit-trail-{here.code}.csv"'
    return answer


def _asked(request: HttpRequest, code: str) -> tuple[Site, User, TrailForm]:
    here, user = admitted(request, code, "own_actions", "R")
    alone = not sees_others(user, here)
    return here, user, TrailForm(request.GET, kinds=kinds_for(user, here), alone=alone)


def _lines(entries: Iterator[Entry]) -> Iterator[bytes]:
    yield csv_lines([COLUMNS])
    for each in entries:
        changed = "; ".join(
            f"{name}: {_plain(was)} -> {_plain(now)}" for name, was, now in each.changed
        )
        cells = (each.at.isoformat(), each.by, each.what, each.kind, each.record, each.row_id)
        yield csv_lines([[text_only(cell) for cell in (*cells, each.reason, changed)]])


def _plain(value: object) -> str:
    return "" if value is None else str(value)
