"""The scanner's page: one field, a list of the tubes that were read, one action for all of them.

The list travels in the page itself, so a scanner that types and presses Enter needs no script.
"""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from cohorts import access, scanning
from cohorts.errors import DomainError
from cohorts.labels import MisreadCode
from cohorts.models import Box, Site, User
from cohorts.scanning import ScannedTube
from cohorts.services.samples import bench
from cohorts.views.base import admitted


@login_required
def scan(request: HttpRequest, code: str) -> HttpResponse:
    """Take in one more tube, drop one, or do something with all of them."""
    here, user = admitted(request, code, "sample", "U")
    said, fault, fresh = request.POST, "", ""
    tubes = scanning.tubes_of(said.getlist("tube")[: scanning.MOST], here, user)
    if dropped := said.get("drop"):
        tubes.pop(dropped, None)
    elif verb := said.get("do"):
        try:
            return _done(request, here, user, verb, list(tubes.values()))
        except DomainError as error:
            fault = error.message
    elif text := said.get("scan", "").strip():
        try:
            fresh = scanning.read(text, list(tubes), here, user)
        except MisreadCode as error:
            fault = str(error)
        except DomainError as error:
            fault = error.message
        else:
            tubes |= scanning.tubes_of([fresh], here, user)
    context = {
        "site": here,
        "tubes": list(tubes.values())[::-1],  # the last one read is on top
        "fresh": fresh,
        "fault": fault,
        "boxes": Box.objects.visible_to(user).filter(site=here),
        "box": said.get("box", ""),
        "may_ship": access.may(user, "shipment", "C", here.pk),
    }
    return render(request, "cohorts/scan.html", context, status=422 if fault else 200)


def _done(
    request: HttpRequest, here: Site, user: User, verb: str, tubes: list[ScannedTube]
) -> HttpResponse:
    """Carry out, and begin a new list; what needs more words goes on to its own form."""
    if verb == "receive":
        return redirect(_receipt_of(tubes))
    scanning.refuse_coming(tubes)
    ids, codes = [tube.sample_id for tube in tubes], [tube.code for tube in tubes]
    if verb == "thaw":
        n = bench.thaw_all(here, ids, by=user)
        messages.success(request, _("Tubes thawed: %(n)s.") % {"n": n})
    elif verb == "box":
        box = request.POST.get("box", "").strip()
        where = bench.box_all(here, ids, box_code=box, by=user)
        n = len(codes)
        said = ngettext("%(n)s tube lies in %(where)s.", "%(n)s tubes lie in %(where)s.", n)
        messages.success(request, said % {"n": n, "where": where})
    elif verb == "ship":
        return redirect(_with("shipments", here, "samples", ["\n".join(codes)]))
    elif verb == "labels":
        return redirect(_with("labels", here, "sample", codes))
    return redirect("scan", here.code)


def _with(page: str, here: Site, field: str, values: list[str]) -> str:
    return f"{reverse(page, args=[here.code])}?{urlencode({field: values}, doseq=True)}"


def _receipt_of(tubes: list[ScannedTube]) -> str:
    """The form of the one shipment that all of these tubes came with, filled in."""
    words = urlencode({"tubes": "\n".join(tube.code for tube in tubes)})
    return f"{reverse('shipment', args=[scanning.shipment_of(tubes)])}?{words}"
